"""Step 2: what an event means, and what follows from it, in one transaction with the event being done."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy import Connection

from domain.actions import Action
from domain.calls import SECOND
from domain.context import Context, Fact
from domain.ids import InboxId
from domain.messages import Inbound
from gateway.retry import INBOX_ATTEMPTS, inbox_wait
from gateway.runner import Pump, Taken, Wakeup
from gateway.telemetry import Metrics
from services.alarms import raise_alarm
from services.world import World
from storage import inbox
from storage.crashpoints import crash_point
from storage.engine import Database, now
from storage.errors import Conflict, StorageError
from storage.inbox import InboxRow
from storage.leases import Damaged, LeaseLost

log = structlog.get_logger(__name__)

SLOTS = 128
"""Events in hand at once. Each waits for the disk most of the time, and those that wait together share one commit."""

LEASE_MS = 30 * SECOND
STALE_RERUNS = 3
"""How often an event is decided again because somebody changed what it was decided upon."""


class Route(Protocol):
    """What the routing found for an event."""

    @property
    def needs(self) -> frozenset[Fact]:
        """The facts its handler asks for."""

    @property
    def run(self) -> Callable[[Context], Sequence[Action]]:
        """The handler."""


class Apply(Protocol):
    """Writes what a handler asked for."""

    def __call__(
        self, tx: Connection, world: World, context: Context, actions: Sequence[Action], inbox_id: InboxId
    ) -> None:
        """Raises Conflict when the context is stale."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What events mean: the pieces of services and handlers this worker joins. Only gateway/app.py knows where they live."""

    load: Callable[[Connection, World, Inbound, int], Context]
    match: Callable[[Context], Route]
    load_facts: Callable[[Connection, Context, frozenset[Fact]], Context]
    apply: Apply


@dataclass(frozen=True, slots=True)
class Decision:
    """The event with its facts, and what its handler wants."""

    context: Context
    actions: Sequence[Action]


class InboxWorker:
    """Works events off: at most one of each order key at a time, as many keys side by side as there are slots."""

    def __init__(
        self, db: Database, world: World, meaning: Meaning, metrics: Metrics, applied: Callable[[], None]
    ) -> None:
        self._db = db
        self._world = world
        self._meaning = meaning
        self._metrics = metrics
        self._applied = applied
        self.wakeup = Wakeup()
        self.pump = Pump("inbox", SLOTS, self._take, self._work, self.wakeup)

    async def _take(self, n: int) -> Taken[InboxRow]:
        rows = await self._db.write(lambda tx: inbox.lease(tx, n, now(tx), LEASE_MS))
        return Taken(rows, more=len(rows) == n)

    async def _work(self, row: InboxRow) -> None:
        try:
            await self._apply(row)
        except asyncio.CancelledError:
            # The node stops: another need not wait until the lease ends.
            await asyncio.shield(self._hand_back(row))
            raise
        except LeaseLost:
            log.warning("event_taken_over", inbox_id=row.id)
        except StorageError as error:
            if error.retryable and not isinstance(error, Conflict):
                # Nothing can be written about it now; the lease ends by itself.
                log.warning("event_waits_for_storage", inbox_id=row.id, error=str(error))
                return
            await self._failed(row, error)
        except Exception as error:
            await self._failed(row, error)
        else:
            self._metrics.applied.labels(row.account, row.kind).inc()

    async def _apply(self, row: InboxRow) -> None:
        if row.attempts > INBOX_ATTEMPTS:
            raise PoisonError("it ended the process each time it was tried")
        done_at = await self._decide_until_fresh(row, row.inbound)
        crash_point("inbox.after_apply")
        self._metrics.apply_seconds.labels(row.account).observe(max(0, done_at - row.received_at) / SECOND)
        self._applied()

    async def _decide_until_fresh(self, row: InboxRow, inbound: Inbound) -> int:
        for _ in range(STALE_RERUNS):
            try:
                return await self._decide_and_write(row, inbound)
            except Conflict:
                log.info("event_decided_again", inbox_id=row.id)
        return await self._decide_and_write(row, inbound)

    async def _decide_and_write(self, row: InboxRow, inbound: Inbound) -> int:
        decision = await self._db.read(lambda tx: self._decide(tx, inbound))
        return await self._db.write(lambda tx: self._write(tx, row, decision))

    def _decide(self, tx: Connection, inbound: Inbound) -> Decision:
        meaning = self._meaning
        context = meaning.load(tx, self._world, inbound, now(tx))
        route = meaning.match(context)
        if route.needs:
            context = meaning.load_facts(tx, context, route.needs)
        return Decision(context, route.run(context))

    def _write(self, tx: Connection, row: InboxRow, decision: Decision) -> int:
        at = now(tx)
        inbox.finish(tx, row, at)
        crash_point("inbox.before_apply")
        self._meaning.apply(tx, self._world, decision.context, decision.actions, row.id)
        return at

    async def _hand_back(self, row: InboxRow) -> None:
        with suppress(StorageError):
            # Fails when the event was done after all: what was handed to the database before comes first.
            await self._db.write(lambda tx: inbox.release(tx, row, now(tx)))

    async def _failed(self, row: InboxRow, error: Exception) -> None:
        for_good = row.attempts >= INBOX_ATTEMPTS or isinstance(error, Damaged)
        log.error("event_failed", inbox_id=row.id, attempts=row.attempts, parked=for_good, exc_info=error)
        self._metrics.apply_failures.labels(row.account).inc()
        try:
            await self._db.write(lambda tx: self._note(tx, row, error, for_good=for_good))
        except StorageError as problem:
            log.warning("event_failure_not_noted", inbox_id=row.id, error=str(problem))
            return
        if for_good:
            self._metrics.parked.labels(row.account).inc()
            self._applied()

    def _note(self, tx: Connection, row: InboxRow, error: Exception, *, for_good: bool) -> None:
        at, why = now(tx), f"{type(error).__name__}: {error}"
        if not for_good:
            inbox.retry_later(tx, row, why, at + inbox_wait(row.attempts))
            return
        inbox.park(tx, row, why, at)
        text = (
            f"An event ({row.kind}) of account {row.account} failed {row.attempts} times and was set aside: {why}. "
            f"See what it was with `advisor-gateway why {row.id}`, mend the cause, then `advisor-gateway redrive {row.id}`."
        )
        raise_alarm(tx, row.brand, "event_parked", row.id, text, "critical", at)


class PoisonError(Exception):
    """An event that never came to an end, however often it was tried."""
