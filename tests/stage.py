"""A small brand on a real database: events come in through load, match and apply, and what was promised can be looked at."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from domain.calls import Call, Outbound, decode_call
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
WORLD = World({BRAND.id: BRAND}, {OA.id: OA, WORK.id: WORK})
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


@dataclass(slots=True)
class Stage:
    """Plays events; `advisor(0)` is 小兰 with work id `guide0` and scene `scene0`."""

    db: Database
    clock: FakeClock
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def set_up(self) -> Stage:
        """Make the brand, a shop, three advisors and their codes."""
        await self.db.write(self._set_up)
        return self

    def _set_up(self, tx: Connection) -> None:
        tx.execute(brands.insert().values(brand="tea", name=BRAND.name, timezone=BRAND.timezone, language="zh-CN"))
        tx.execute(regions.insert().values(brand="tea", id="r1", code="east", name="华东"))
        tx.execute(shops.insert().values(brand="tea", id="s1", code="jingan", name="静安店", region_id="r1"))
        for number, name in enumerate(GUIDES):
            tx.execute(
                advisors.insert().values(
                    brand="tea",
                    id=self.advisor(number),
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
                    advisor_id=self.advisor(number),
                    shop_id="s1",
                    created_at=0,
                )
            )

    @staticmethod
    def advisor(number: int) -> AdvisorId:
        """The id of the number-th advisor."""
        return AdvisorId(f"{number:032x}")

    async def customer(
        self, who: str, kind: Kind, content: Content | None = None, *, scene: str = "", key: str = ""
    ) -> None:
        """A customer does something."""
        event = Inbound(OA.id, kind, who, f"d{next(self.numbers)}", f"oa:{who}", self.clock.now, content)
        await self.play(replace(event, scene=scene, key=key))

    async def writes(self, who: str, text: str, *, key: str = "") -> None:
        """A customer types, or taps an option."""
        await self.customer(who, Kind.MESSAGE, Text(text), key=key)

    async def answers(self, guide: int, text: str) -> None:
        """An advisor types in his work app."""
        await self.at_work(guide, Kind.MESSAGE, Text(text))

    async def presses(self, guide: int, key: str) -> None:
        """An advisor presses a card button."""
        await self.at_work(guide, Kind.CARD, key=key)

    async def at_work(self, guide: int, kind: Kind, content: Content | None = None, *, key: str = "") -> None:
        """An advisor does something in his work app."""
        who = f"guide{guide}"
        event = Inbound(WORK.id, kind, who, f"d{next(self.numbers)}", f"work:{who}", self.clock.now, content)
        await self.play(replace(event, key=key))

    async def play(self, event: Inbound, reruns: int = 3) -> None:
        """One event through load, match and apply, again on a conflict, as the inbox worker does it."""
        now = self.clock.advance(1)
        context = await self.db.read(lambda tx: load(tx, WORLD, event, now))
        route = match(context)
        full = await self.db.read(lambda tx: load_facts(tx, context, route.needs))
        actions = route.run(full)
        try:
            await self.db.write(lambda tx: apply(tx, WORLD, full, actions, InboxId(new_id(now))))
        except Conflict:
            if not reruns:
                raise
            await self.play(event, reruns - 1)

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

    async def conversation(self, who: str) -> ConversationId:
        """The conversation of a customer."""
        statement = select(conversations.c.id).where(conversations.c.external_id == who)
        return ConversationId(await self.db.read(lambda tx: tx.execute(statement).scalar_one()))


def _sent(tx: Connection, to: str) -> list[Sent]:
    rows = tx.execute(select(outbox).order_by(outbox.c.created_at, outbox.c.n, outbox.c.id)).all()
    calls: list[tuple[Call, str, str, str]] = [
        (decode_call(json.loads(row.call)), row.account, row.state, row.stream) for row in rows
    ]
    return [
        Sent(account, call.to, call.content, call.persona.name if call.persona else "", state, stream)
        for call, account, state, stream in calls
        if isinstance(call, Outbound) and (not to or call.to == to)
    ]
