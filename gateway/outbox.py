"""Step 3: promises are kept. What is called is recorded as `calling` before, and what came of it after; nothing is called twice.

Each account has slots of its own for talk and for pushes, so a slow platform slows nobody else and a push never holds a reply.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog
from sqlalchemy import Connection

from domain.calls import MINUTE, SECOND, Call, OutboxState
from domain.ids import AccountId, BrandId
from domain.people import Account
from gateway import outcomes
from gateway.breaker import Breaker
from gateway.channels.contract import Channel
from gateway.channels.errors import SendError, Unknown
from gateway.media import MediaGate
from gateway.runner import Pump, Taken, Wakeup
from gateway.telemetry import Metrics
from services.alarms import close_alarm, raise_alarm
from services.world import World
from storage import delivery, settlement
from storage.calls import OutboxRow, Traffic
from storage.crashpoints import crash_point
from storage.delivery import Begun, Stopped
from storage.engine import Database, now
from storage.errors import StorageError
from storage.settlement import Outcome, Settlement

log = structlog.get_logger(__name__)

SLOTS: Mapping[Traffic, int] = {Traffic.TALK: 64, Traffic.PUSH: 64}
"""Calls under way per account. Pushes have their own, so they are neither starved nor in the way."""

PAGE = 32
"""Rows begun in one unit, which keeps it well inside 50 ms."""

LEASE_MS = 30 * SECOND
CALL_SECONDS = 60.0
"""A channel has its own, shorter limits; this one is for a channel that forgets them."""

CALLING_MS = 2 * MINUTE
"""After so long in `calling` the caller is taken for dead. Longer than CALL_SECONDS and writing the outcome together."""

RECOVER_SECONDS = 5.0
PLATFORM_DOWN = "platform_down"


@runtime_checkable
class NamesApis(Protocol):
    """A channel that says which apis a call uses, so that a block of another one does not hold it."""

    def apis(self, call: Call) -> Collection[str]:
        """The api paths, as `Retry.block` names them."""


@dataclass(frozen=True, slots=True)
class Calling:
    """A row that is recorded as `calling`, and what to call."""

    row: OutboxRow
    begun: Begun


class Sender:
    """Sends for one account."""

    def __init__(
        self,
        db: Database,
        channel: Channel,
        world: World,
        gate: MediaGate,
        clock: Callable[[], int],
        metrics: Metrics,
        reported: Callable[[], None],
    ) -> None:
        self.account: Account = channel.account
        self._db = db
        self._channel = channel
        self._apis = channel.apis if isinstance(channel, NamesApis) else None
        self._rules = world.rules_of(channel.account.id)
        self._gate = gate
        self._clock = clock
        self._metrics = metrics
        self._reported = reported
        self._breaker = Breaker()
        self._pushes_rest_until = 0
        self.pumps = {traffic: self._pump(traffic) for traffic in Traffic}

    def wake(self, *traffics: Traffic) -> None:
        """There may be something to send: of these kinds, or of any."""
        for traffic in traffics or Traffic:
            self.pumps[traffic].wakeup.set()

    def _pump(self, traffic: Traffic) -> Pump[Calling]:
        async def take(n: int) -> Taken[Calling]:
            return await self._take(traffic, n)

        return Pump(f"outbox:{self.account.id}:{traffic}", SLOTS[traffic], take, self._send, Wakeup())

    async def _take(self, traffic: Traffic, free: int) -> Taken[Calling]:
        at = self._clock()
        n = min(PAGE, self._breaker.allows(free, at))
        if n == 0 or (traffic is Traffic.PUSH and at < self._pushes_rest_until):
            return Taken(())
        self._breaker = self._breaker.called(at)
        calling: list[Calling] = []
        try:
            page = await self._db.write(lambda tx: self._begin(tx, traffic, n))
            calling = page.calling
        finally:
            if not calling:
                self._breaker = self._breaker.not_called()
        crash_point("outbox.after_begin")
        self._note_stopped(page, traffic)
        # What ended uncalled lets its stream go on at once.
        return Taken(
            calling, more=page.leased == n or any(end.state is not OutboxState.QUEUED for _, end in page.stopped)
        )

    def _begin(self, tx: Connection, traffic: Traffic, n: int) -> "_Page":
        at = now(tx)
        rows = delivery.lease(tx, self.account, traffic, n, at, LEASE_MS)
        crash_point("outbox.before_begin")
        page = _Page(len(rows), [], [])
        # By person: two nodes that charge the same people must not wait for each other.
        for row in sorted(rows, key=lambda row: row.recipient):
            admitted = self._gate.admit(tx, row, at)
            if admitted is None:
                continue
            begun = delivery.begin(tx, admitted, self._rules, at, CALLING_MS, self._apis)
            if isinstance(begun, Begun):
                page.calling.append(Calling(admitted, begun))
            elif begun is not None:
                page.stopped.append((admitted, begun))
        return page

    def _note_stopped(self, page: "_Page", traffic: Traffic) -> None:
        for row, stopped in page.stopped:
            self._metrics.not_sent.labels(self.account.id, row.lane.value, stopped.reason).inc()
            log.debug("row_not_called", outbox_id=row.id, state=stopped.state, reason=stopped.reason)
            if traffic is Traffic.PUSH and stopped.holds_account:
                # What stops one push stops those behind it: a million of them need not be asked one by one.
                self._pushes_rest_until = min(stopped.next_at, self._clock() + MINUTE)
            if stopped.state is not OutboxState.QUEUED:
                self._reported()

    async def _send(self, calling: Calling) -> None:
        row = calling.row
        self._metrics.wait_seconds.labels(self.account.id, row.lane.value).observe(
            max(0, self._clock() - row.created_at) / SECOND
        )
        outcome, error = await self._call(calling)
        crash_point("outbox.after_call")
        self._metrics.outcomes.labels(self.account.id, row.lane.value, outcome.state.value).inc()
        await asyncio.shield(self._settle(calling, outcome, error))
        crash_point("outbox.after_settle")
        await self._note_reachable(error)

    async def _call(self, calling: Calling) -> tuple[Outcome, SendError | None]:
        row, started = calling.row, time.monotonic()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return outcomes.accepted(await self._channel.send(calling.begun.call)), None
        except SendError as error:
            return outcomes.failed(error, row, self._clock(), random.random()), error
        except TimeoutError:
            problem: SendError = Unknown("timeout", f"no outcome within {CALL_SECONDS:.0f} s")
        except asyncio.CancelledError:
            # The node stops and will not wait any longer. The request may be out.
            problem = Unknown("node_stopped")
        except Exception as error:
            log.exception("channel_failed", outbox_id=row.id, account=self.account.id)
            problem = Unknown("internal_error", f"{type(error).__name__}: {error}")
        finally:
            self._metrics.send_seconds.labels(self.account.id).observe(time.monotonic() - started)
        return outcomes.failed(problem, row, self._clock(), 0.0), problem

    async def _settle(self, calling: Calling, outcome: Outcome, error: SendError | None) -> None:
        row = calling.row
        item = Settlement(row, outcome, calling.begun.spent, self._clock())
        try:
            if error is not None and outcomes.wants_alarm(error, outcome):
                settled = await self._db.write(lambda tx: self._settle_with_alarm(tx, item, error))
            else:
                settled = await self._db.merged(settlement.settle, item)
        except StorageError as problem:
            # Stays `calling`, and is given up as unknown when that has lasted too long: never called again.
            log.error("outcome_not_recorded", outbox_id=row.id, state=outcome.state, error=str(problem))
            return
        if not settled:
            log.warning("outcome_too_late", outbox_id=row.id, state=outcome.state)
        if error is not None:
            log.info("call_failed", outbox_id=row.id, state=outcome.state, error=str(error))
        if row.reports or error is not None:
            self._reported()

    def _settle_with_alarm(self, tx: Connection, item: Settlement, error: SendError) -> bool:
        (settled,) = settlement.settle(tx, [item])
        text = (
            f"Account {self.account.id}: a call ended as {item.outcome.state} ({error}). "
            f"`advisor-gateway why {item.row.id}` shows whom it was for."
        )
        raise_alarm(tx, self.account.brand, f"send_{error.reason}", self.account.id, text, "warning", now(tx))
        return settled

    async def _note_reachable(self, error: SendError | None) -> None:
        before, at = self._breaker, self._clock()
        self._breaker = before.failed(at) if outcomes.is_away(error) else before.answered()
        opened, closed = before.is_closed > self._breaker.is_closed, before.is_closed < self._breaker.is_closed
        if not opened and not closed:
            return
        self._metrics.breaker_open.labels(self.account.id).set(1 if opened else 0)
        log.warning("platform_away" if opened else "platform_back", account=self.account.id, error=str(error or ""))
        try:
            await self._db.write(lambda tx: self._note_circuit(tx, str(error or ""), opened=opened))
        except StorageError as problem:
            log.warning("alarm_not_noted", account=self.account.id, error=str(problem))

    def _note_circuit(self, tx: Connection, error: str, *, opened: bool) -> None:
        brand, account, at = self.account.brand, self.account.id, now(tx)
        if not opened:
            close_alarm(tx, brand, PLATFORM_DOWN, account, at)
            return
        text = f"The platform of account {account} does not answer ({error}). Messages wait, and go out by themselves afterwards."
        raise_alarm(tx, brand, PLATFORM_DOWN, account, text, "critical", at)


class Outbox:
    """The senders of every account, and the search for rows whose caller fell silent."""

    def __init__(self, db: Database, senders: Mapping[AccountId, Sender], world: World, metrics: Metrics) -> None:
        self._db = db
        self._senders = senders
        self._brands: list[BrandId] = list(world.brands)
        self._metrics = metrics

    def wake(self, *traffics: Traffic) -> None:
        """There may be something to send: of these kinds, or of any."""
        for sender in self._senders.values():
            sender.wake(*traffics)

    def pumps(self) -> list[Pump[Calling]]:
        """What must run for anything to be sent."""
        return [pump for sender in self._senders.values() for pump in sender.pumps.values()]

    async def take_over(self) -> None:
        """At the start of the only node there is: whatever was in hand belongs to nobody any more."""
        await self._db.write(lambda tx: settlement.release_all(tx, self._brands))
        while count := await self._db.write(lambda tx: settlement.recover(tx, self._brands, now(tx), alone=True)):
            self._note_lost(count)

    async def watch(self) -> None:
        """Give up rows whose caller fell silent, for ever."""
        while True:
            await asyncio.sleep(RECOVER_SECONDS)
            try:
                count = await self._db.write(lambda tx: settlement.recover(tx, self._brands, now(tx)))
            except StorageError as error:
                if not error.retryable:
                    raise
                continue
            self._note_lost(count)

    def _note_lost(self, count: int) -> None:
        if count:
            self._metrics.lost_callers.inc(count)
            log.error("calls_given_up", count=count, outcome="unknown")


@dataclass(frozen=True, slots=True)
class _Page:
    """What one unit leased: rows to call now, and rows that may not be called."""

    leased: int
    calling: list[Calling]
    stopped: list[tuple[OutboxRow, Stopped]]
