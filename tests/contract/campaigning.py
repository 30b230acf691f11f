"""What the campaign tests share: a small town, a saved template, and a node that fires and works off runs when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from domain.calls import OutboxState
from domain.campaign import Audience, AudienceKind, RunState
from domain.ids import CampaignId
from scheduler import campaigns as runner
from scheduler import firing
from scheduler.clock import Shift
from services import campaigns
from services.campaign_draft import CampaignDraft
from services.campaign_status import RunStatus, Status, status
from services.templates import save_template
from services.world import World
from storage import campaigns as campaigns_stored
from storage.engine import Database
from storage.tables.campaigns import recipients
from storage.tables.queue import outbox
from tests.builders import BRAND, Builder, world
from tests.clock import FakeClock

ALL = Audience(AudienceKind.ALL_BOUND)
HELLO = {"kind": "text", "text": "{{ customer.name }}您好，{{ shop.name }}新茶到了"}
DRAFT = CampaignDraft("新茶", "hello", ALL, at="now")


@dataclass
class Node:
    """A node of the gateway, as far as campaigns go; several may share a database."""

    db: Database
    clock: FakeClock
    world: World = field(default_factory=world)
    queued: int = 0

    @property
    def shift(self) -> Shift:
        return Shift(self.db, self.world, self._count, lambda: False)

    def _count(self) -> None:
        self.queued += 1

    async def schedule(self, draft: CampaignDraft = DRAFT, **changes: Any) -> CampaignId:
        draft = replace(draft, **changes)
        return await self.db.write(lambda tx: campaigns.schedule(tx, self.world, BRAND, draft, "mei", self.clock()))

    async def fire(self) -> None:
        await firing.run(self.shift)

    async def work(self) -> None:
        await runner.run(self.shift)

    async def tick(self) -> None:
        await self.fire()
        await self.work()

    async def status(self, campaign: CampaignId) -> Status:
        return await self.db.read(partial(status, brand=BRAND, campaign_id=campaign))

    async def only_run(self, campaign: CampaignId) -> RunStatus:
        """The one run of a campaign. Its outcomes are checked: they sum to the audience, always."""
        (run,) = (await self.status(campaign)).runs
        assert sum(one.count for one in run.outcomes) == run.audience
        return run

    async def pause(self, campaign: CampaignId) -> None:
        await self._turn(campaigns.pause, campaign)

    async def resume(self, campaign: CampaignId) -> None:
        await self._turn(campaigns.resume, campaign)

    async def cancel(self, campaign: CampaignId) -> None:
        await self._turn(campaigns.cancel, campaign)

    async def _turn(self, change: Callable[..., None], campaign: CampaignId) -> None:
        await self.db.write(partial(change, brand=BRAND, campaign_id=campaign, actor="mei", now=self.clock()))


async def freeze(node: Node) -> None:
    """Work until the audience is frozen, and no further."""
    while (run := (await node.db.read(campaigns_stored.all_at_work))[0]).state is RunState.FREEZING:
        await runner.step(node.shift, run)


async def save(db: Database, clock: FakeClock, body: dict[str, str] = HELLO, code: str = "hello") -> int:
    return await db.write(
        partial(save_template, brand=BRAND, code=code, name="你好", body=body, actor="mei", now=clock())
    )


async def town(db: Database, clock: FakeClock, customers: int = 3) -> Builder:
    """One shop, one advisor, so many customers with names, and the template `hello`."""
    build = Builder()
    lan = build.advisor(build.shop("jingan"), "lan", persona="kf2001@linjian")
    for number in range(customers):
        build.customer(lan, f"顾客{number}")
    await db.write(build.insert)
    await save(db, clock)
    return build


async def counted(db: Database, statement: Select[Any]) -> int:
    return await db.read(
        lambda tx: int(tx.execute(select(func.count()).select_from(statement.subquery())).scalar_one())
    )


async def rows(db: Database, statement: Select[Any]) -> list[Any]:
    return await db.read(lambda tx: list(tx.execute(statement)))


async def outbox_rows(db: Database) -> list[Any]:
    return await rows(db, select(outbox).order_by(outbox.c.id))


async def recipient_rows(db: Database) -> list[Any]:
    return await rows(db, select(recipients).order_by(recipients.c.run_id, recipients.c.customer_id))


async def send(
    db: Database, clock: FakeClock, state: OutboxState = OutboxState.ACCEPTED, reason: str = "", limit: int = 100_000
) -> int:
    """Let the outbox worker come to an end with rows that it may call."""

    def unit(tx: Connection) -> int:
        page = select(outbox.c.id).where(outbox.c.state == OutboxState.QUEUED.value).order_by(outbox.c.id).limit(limit)
        values = {"state": state.value, "reason": reason, "done_at": clock()}
        return tx.execute(update(outbox).where(outbox.c.id.in_(page)).values(values)).rowcount

    return await db.write(unit)
