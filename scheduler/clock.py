"""The clock of a node: APScheduler ticks the jobs. It remembers nothing: what is due stands in tables, and a tick looks there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from services.world import World
from storage.engine import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shift:
    """What a job works with. `queued`: call it after outbox rows were added; `stopping`: ask it between units of work."""

    db: Database
    world: World
    queued: Callable[[], None]
    stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be looked after every `every_ms`. `run` does all there is to do, returns, and may be run on every node at once."""

    name: str
    every_ms: int
    run: Callable[[Shift], Awaitable[None]]


class Clock:
    """Runs the jobs of a node from `start` to `stop`, each at most once at a time, on the event loop that started it."""

    def __init__(
        self, db: Database, world: World, jobs: Sequence[Job], queued: Callable[[], None] = lambda: None
    ) -> None:
        self._stopping = False
        shift = Shift(db, world, queued, lambda: self._stopping)
        self._tickers = [_Ticker(job, shift) for job in jobs]
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        """Begin to tick, at once for the first time."""
        for ticker in self._tickers:
            self._scheduler.add_job(
                ticker.tick,
                "interval",
                id=ticker.job.name,
                seconds=ticker.job.every_ms / 1000,
                next_run_time=datetime.now(UTC),
                # A late tick is as good as a punctual one, and several late ones are one.
                misfire_grace_time=None,
                coalesce=True,
                # A second instance only leaves word with the first.
                max_instances=2,
            )
        self._scheduler.start()

    def wake(self) -> None:
        """Look for due work now: something was scheduled, resumed or cancelled. A hint; ticks find it anyway."""
        if self._stopping:
            return
        for ticker in self._tickers:
            self._scheduler.modify_job(ticker.job.name, next_run_time=datetime.now(UTC))

    async def stop(self) -> None:
        """Stop ticking and wait for the units at work; safe to call twice, and before `start`."""
        self._stopping = True
        if self._scheduler.running:
            self._scheduler.pause()
            await asyncio.gather(*(ticker.idle() for ticker in self._tickers))
            self._scheduler.shutdown(wait=False)


class _Ticker:
    """One job: run when it ticks, run again when it ticked meanwhile; a failure is told once, and once when it is over."""

    def __init__(self, job: Job, shift: Shift) -> None:
        self.job = job
        self._shift = shift
        self._idle = asyncio.Event()
        self._idle.set()
        self._again = False
        self._failing = False

    async def idle(self) -> None:
        """Wait until the job is not running."""
        await self._idle.wait()

    async def tick(self) -> None:
        """Run the job, or leave word that it should run once more."""
        self._again = True
        if not self._idle.is_set():
            return
        self._idle.clear()
        try:
            while self._again and not self._shift.stopping():
                self._again = False
                await self._run()
        finally:
            self._idle.set()

    async def _run(self) -> None:
        try:
            await self.job.run(self._shift)
        except Exception:
            # The next tick tries again, for as long as it takes.
            if not self._failing:
                log.exception("job %s fails; it is tried again every %d ms", self.job.name, self.job.every_ms)
            self._failing = True
        else:
            if self._failing:
                log.info("job %s works again", self.job.name)
            self._failing = False
