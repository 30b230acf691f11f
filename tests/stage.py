"""A small brand on a real database: events come in through load, match and apply, and what was promised can be looked at."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, and_, select, update

from domain.actions import Action
from domain.calls import Call, Command, Outbound, decode_call
from domain.context import Context
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, InboxId, new_id
from domain.messages import Card, Content, Inbound, Kind, Text
from domain.people import Account, Brand, Side
from handlers import match
from services.apply import apply
from services.receive import load, load_facts
from services.world import World
from storage.engine import Database
from storage.errors import Conflict
from storage.tables.people import advisors, brands, regions, scenes, shops
from storage.tables.queue import outbox
from storage.tables.talk import conversations
from tests.clock import FakeClock

BRAND = Brand(BrandId("tea"), "林间茶", "Asia/Shanghai")
OA = Account(AccountId("oa"), BRAND.id, "wechat", Side.CUSTOMER)
WORK = Account(AccountId("work"), BRAND.id, "wecom", Side.ADVISOR)
SECOND_OA = Account(AccountId("oa2"), BRAND.id, "wechat", Side.CUSTOMER)
WORLD = World({BRAND.id: BRAND}, {account.id: account for account in (OA, WORK, SECOND_OA)})
GUIDES = ("小兰", "小梅", "小竹")


@dataclass(frozen=True, slots=True)
class Sent:
    """A promise as a test looks at it."""

    account: str
    to: str
    content: Content
    persona: str
    state: str
    stream: str

    @property
    def text(self) -> str:
        """The words of it, whatever its form."""
        match self.content:
            case Text(text):
                return text
            case Card(title, body):
                return f"{title}\n{body}"
            case other:
                return type(other).__name__


@dataclass(frozen=True, slots=True)
class Decided:
    """An event decided upon, and not written yet."""

    context: Context
    actions: Sequence[Action]


@dataclass(slots=True)
class Stage:
    """Plays events; `advisor(0)` is 小兰 with work id `guide0` and scene `scene0`."""

    db: Database
    clock: FakeClock
    world: World = WORLD
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def set_up(self) -> Stage:
        """Make the brand, a shop, three advisors and their codes."""
        await self.db.write(self.furnish)
        return self

    @classmethod
    def furnish(cls, tx: Connection) -> None:
        """The rows of it."""
        tx.execute(brands.insert().values(brand="tea", name=BRAND.name, timezone=BRAND.timezone, language="zh-CN"))
        tx.execute(regions.insert().values(brand="tea", id="r1", code="east", name="华东"))
        tx.execute(shops.insert().values(brand="tea", id="s1", code="jingan", name="静安店", region_id="r1"))
        for number, name in enumerate(GUIDES):
            tx.execute(
                advisors.insert().values(
                    brand="tea",
                    id=cls.advisor(number),
                    code=f"g{number}",
                    name=name,
                    shop_id="s1",
                    active=True,
                    work_account="work",
                    work_id=f"guide{number}",
                    persona=f"guide{number}@tea",
                )
            )
            tx.execute(
                scenes.insert().values(
                    brand="tea",
                    state=f"scene{number}",
                    kind="advisor",
                    label=f"{name}的码",
                    account="oa",
                    advisor_id=cls.advisor(number),
                    shop_id="s1",
                    created_at=0,
                )
            )

    @staticmethod
    def advisor(number: int) -> AdvisorId:
        """The id of the number-th advisor."""
        return AdvisorId(f"{number:032x}")

    async def customer(
        self,
        who: str,
        kind: Kind,
        content: Content | None = None,
        *,
        scene: str = "",
        key: str = "",
        account: Account = OA,
    ) -> None:
        """A customer does something."""
        event = Inbound(account.id, kind, who, f"d{next(self.numbers)}", f"{account.id}:{who}", self.clock.now, content)
        await self.play(replace(event, scene=scene, key=key))

    async def writes(self, who: str, text: str, *, key: str = "", account: Account = OA) -> None:
        """A customer types, or taps an option."""
        await self.customer(who, Kind.MESSAGE, Text(text), key=key, account=account)

    async def answers(self, guide: int, text: str) -> None:
        """An advisor types in his work app."""
        await self.at_work(guide, Kind.MESSAGE, Text(text))

    async def presses(self, guide: int, key: str, **values: str) -> None:
        """An advisor presses a card button; `values` is what the platform tells with it."""
        await self.at_work(guide, Kind.CARD, key=key, values=values)

    async def at_work(self, guide: int, kind: Kind, content: Content | None = None, **more: object) -> None:
        """An advisor does something in his work app."""
        await self.play(replace(self.written_at_work(guide, content), kind=kind, **more))  # type: ignore[arg-type]

    def written_at_work(self, guide: int, content: Content | None) -> Inbound:
        """An advisor's message, not played yet."""
        who, number = f"guide{guide}", next(self.numbers)
        return Inbound(WORK.id, Kind.MESSAGE, who, f"d{number}", f"work:{who}", self.clock.now, content)

    async def leaves(self, guide: int) -> None:
        """An advisor leaves the brand."""
        gone = update(advisors).where(advisors.c.id == self.advisor(guide)).values(active=False)
        await self.db.write(lambda tx: tx.execute(gone).rowcount)

    async def play(self, event: Inbound, reruns: int = 3) -> None:
        """One event through load, match and apply, again on a conflict, as the inbox worker does it."""
        decided = await self.decide(event)
        try:
            await self.write(decided)
        except Conflict:
            if not reruns:
                raise
            await self.play(event, reruns - 1)

    async def decide(self, event: Inbound) -> Decided:
        """The first half of `play`: what the event asks for, by what is known now."""
        now = self.clock.advance(1)
        context = await self.db.read(lambda tx: load(tx, self.world, event, now))
        route = match(context)
        full = await self.db.read(lambda tx: load_facts(tx, context, route.needs))
        return Decided(full, route.run(full))

    async def write(self, decided: Decided) -> None:
        """The second half. Raises Conflict when what was known has changed."""
        inbox_id = InboxId(new_id(decided.context.now))
        await self.db.write(lambda tx: apply(tx, self.world, decided.context, decided.actions, inbox_id))

    async def bind(self, who: str, guide: int) -> None:
        """A customer scans an advisor's code and agrees."""
        await self.customer(who, Kind.FOLLOW, scene=f"scene{guide}")
        await self.writes(who, "同意")

    async def sent(self, to: str = "") -> list[Sent]:
        """What was promised, to one person or all, in the order it was made."""
        return await self.db.read(lambda tx: _sent(tx, to))

    async def last(self, to: str) -> Sent:
        """The last promise to a person."""
        return (await self.sent(to))[-1]

    async def commands(self) -> list[Command]:
        """What platforms were told to do, besides sending."""
        statement = select(outbox.c.call).order_by(outbox.c.created_at, outbox.c.id)
        calls = await self.db.read(lambda tx: tx.execute(statement).scalars().all())
        return [call for call in (decode_call(json.loads(one)) for one in calls) if isinstance(call, Command)]

    async def conversation(self, who: str, account: Account = OA) -> ConversationId:
        """The conversation of a customer."""
        mine = and_(conversations.c.account == account.id, conversations.c.external_id == who)
        statement = select(conversations.c.id).where(mine)
        return ConversationId(await self.db.read(lambda tx: tx.execute(statement).scalar_one()))


def _sent(tx: Connection, to: str) -> list[Sent]:
    statement = select(outbox).order_by(outbox.c.created_at, outbox.c.n, outbox.c.id)
    rows = tx.execute(statement.where(outbox.c.recipient == to) if to else statement).all()
    calls: list[tuple[Call, str, str, str]] = [
        (decode_call(json.loads(row.call)), row.account, row.state, row.stream) for row in rows
    ]
    return [
        Sent(account, call.to, call.content, call.persona.name if call.persona else "", state, stream)
        for call, account, state, stream in calls
        if isinstance(call, Outbound)
    ]
