"""What runs in the background: a wake-up, a pump that keeps a few slots busy, and a crew whose first failure stops the service."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from storage.errors import StorageError

log = structlog.get_logger(__name__)

POLL_S = 0.3
"""How long a missed wake-up can delay work, at most."""

T = TypeVar("T")


class Wakeup:
    """Something may have changed. Only a hint: whoever waits looks again every POLL_S anyway."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiter, or let its next wait return at once."""
        self._event.set()

    async def wait(self, seconds: float = POLL_S) -> None:
        """Wait for the next `set`, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """What was taken on; `more` says that there may be more at once."""

    items: Sequence[T]
    more: bool = False


class Pump(Generic[T]):
    """Takes on work while slots are free: at a wake-up, when a slot becomes free, and every POLL_S behind that.

    `take(n)` claims at most `n` items durably; `work(item)` handles one and its own failures. A storage that is away for a while
    is waited for; any other error ends the pump, which ends the service.
    """

    def __init__(
        self,
        name: str,
        size: int,
        take: Callable[[int], Awaitable[Taken[T]]],
        work: Callable[[T], Coroutine[Any, Any, None]],
        wakeup: Wakeup,
    ) -> None:
        self.name = name
        self.wakeup = wakeup
        self._size = size
        self._take = take
        self._work = work
        self._busy: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._stopping = False
        self._storage_away = False

    @property
    def busy(self) -> int:
        """How many items are in hand."""
        return len(self._busy)

    async def run(self) -> None:
        """Pump until `stop`. Raises what an item's work raised."""
        while not self._stopping:
            more = await self._fill()
            if self._failure is not None:
                raise self._failure
            if not more and not self._stopping:
                await self.wakeup.wait()

    async def once(self) -> int:
        """Take on what there is and wait until it is done; returns how many items that were."""
        count = 0
        while await self._fill() or self._busy:
            count += len(self._busy)
            await asyncio.gather(*self._busy)
            if self._failure is not None:
                raise self._failure
        return count

    async def stop(self, grace_s: float) -> None:
        """Take on nothing more, wait `grace_s` for what is in hand, then cancel it."""
        self._stopping = True
        self.wakeup.set()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=grace_s)
        for task in set(self._busy):
            task.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy))

    async def _fill(self) -> bool:
        free = self._size - len(self._busy)
        taken = await self._taken(free) if free else None
        if taken is None:
            return False
        for item in taken.items:
            task = asyncio.create_task(self._work(item))
            self._busy.add(task)
            task.add_done_callback(self._done)
        return taken.more and len(self._busy) < self._size

    async def _taken(self, free: int) -> Taken[T] | None:
        try:
            taken = await self._take(free)
        except StorageError as error:
            if not error.retryable:
                raise
            if not self._storage_away:
                log.warning("storage_away", worker=self.name, error=str(error))
            self._storage_away = True
            return None
        if self._storage_away:
            log.info("storage_back", worker=self.name)
        self._storage_away = False
        return taken

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()
        self.wakeup.set()


class Crew:
    """Background tasks of one service. Before `let_go` none of them may end by itself: the first that does is a failure."""

    def __init__(self) -> None:
        self._names: dict[asyncio.Task[Any], str] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._may_end = False

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` in the background."""
        task = asyncio.create_task(work, name=name)
        self._names[task] = name
        task.add_done_callback(self._ended)

    async def failure(self) -> None:
        """Wait for the first task that fails; raises its error, or RuntimeError when it simply ended."""
        await asyncio.shield(self._failed)

    def let_go(self) -> None:
        """From now on tasks may end: the service is stopping."""
        self._may_end = True
        self._failed.cancel()

    async def stop(self) -> None:
        """Cancel what still runs, and wait for it."""
        self.let_go()
        tasks = list(self._names)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        name = self._names.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("task_failed", task=name, exc_info=error)
        if not self._may_end and not self._failed.done():
            self._failed.set_exception(error or RuntimeError(f"the task {name} ended by itself"))
