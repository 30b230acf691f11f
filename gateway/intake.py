"""The only door into the inbox: whatever comes from outside is kept here, and acknowledged only when it is on disk."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from domain.messages import Inbound
from domain.people import Account
from gateway.telemetry import Metrics
from storage import inbox
from storage.crashpoints import crash_point
from storage.engine import Database

Received = tuple[inbox.Arrival, int]
Keep = Callable[[Database, Sequence[Received]], Awaitable[Sequence[bool]]]


async def keep_durably(db: Database, received: Sequence[Received]) -> Sequence[bool]:
    """Keep events and return once they are committed and synced; True for each that is new. Raises StorageError."""
    if len(received) == 1:
        return [await db.merged(inbox.accept, received[0])]
    return await asyncio.gather(*(db.merged(inbox.accept, one) for one in received))


class Intake:
    """Keeps events, then wakes those who work on them (`wake` gets the new ones)."""

    def __init__(
        self,
        db: Database,
        clock: Callable[[], int],
        metrics: Metrics,
        wake: Callable[[Sequence[Inbound]], None],
        keep: Keep = keep_durably,
    ) -> None:
        self._db = db
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self._keep = keep
        self.failed_at = 0
        """When events could not be kept for the last time (ms); 0: never."""

    async def accept(self, account: Account, events: Sequence[Inbound], raw: str) -> int:
        """Keep `events` of one callback, whose clear body is `raw`; returns how many of them are new.

        When it returns they survive a crash and a power cut; when it raises StorageError, or is cancelled, nothing may be
        acknowledged, and a repeat of the same events is safe.
        """
        now = self._clock()
        received = [(inbox.Arrival(account.brand, event, raw), now) for event in events]
        try:
            fresh = await self._keep(self._db, received)
        except BaseException:
            self.failed_at = self._clock()
            raise
        crash_point("intake.after_commit")
        new = [event for event, is_new in zip(events, fresh, strict=True) if is_new]
        self._count(account, new, len(events) - len(new))
        if new:
            self._wake(new)
        return len(new)

    def _count(self, account: Account, new: Sequence[Inbound], repeated: int) -> None:
        for event in new:
            self._metrics.accepted.labels(account.id, event.kind.value).inc()
        if repeated:
            self._metrics.repeated.labels(account.id).inc(repeated)
