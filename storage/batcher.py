"""Merging records on PostgreSQL: what waits while one batch is in flight becomes the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection

from storage.errors import Corrupt, Unavailable
from storage.jobs import MERGE_LIMIT, Job, call, fail_all, require_room, settle
from storage.signals import Stats


class Transact(Protocol):
    """Runs a unit in a transaction of its own, again up to `reruns` times on conflict."""

    def __call__(
        self, unit: Callable[[Connection], Sequence[Any]], *, reruns: int
    ) -> Coroutine[Any, Any, Sequence[Any]]:
        """The unit's result, after its commit."""


class Batcher:
    """One lane for each merged unit; a lane has one batch in flight and keeps the order of arrival."""

    def __init__(self, transact: Transact, reruns: int, stats: Stats) -> None:
        self._transact = transact
        self._reruns = reruns
        self._stats = stats
        self._lanes: dict[Callable[..., Any], list[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, run: Callable[..., Any], record: Any) -> asyncio.Future[Any]:
        """Queue a record. Cancelling the future gives up the answer, never the record. Raises Unavailable when overloaded."""
        require_room(self._stats.waiting)
        job = Job(run, record, asyncio.get_running_loop().create_future())
        self._stats.waiting += 1
        lane = self._lanes.get(run)
        if lane is None:
            self._lanes[run] = lane = []
            task = asyncio.create_task(self._drain(run, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append(job)
        return job.future

    async def close(self) -> None:
        """Wait until every lane is empty."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _drain(self, run: Callable[..., Any], lane: list[Job]) -> None:
        while lane:
            step = lane[:MERGE_LIMIT]
            del lane[:MERGE_LIMIT]
            await self._deliver(step)
            self._stats.units += len(step)
            self._stats.failed_units += sum(job.error is not None for job in step)
            self._stats.waiting -= len(step)
            settle(step)
        del self._lanes[run]

    async def _deliver(self, step: list[Job]) -> None:
        """Give every job its result or its error; raises nothing."""
        try:
            self._stats.merged_calls += 1
            results = await self._transact(lambda tx: call(step, tx), reruns=self._reruns if len(step) == 1 else 0)
        except (Unavailable, Corrupt) as error:
            fail_all(step, error)
        except BaseException as error:
            if len(step) == 1:
                step[0].error = error
                return
            # One bad record must not fail its neighbours: halve until it stands alone.
            self._stats.merged_splits += 1
            middle = len(step) // 2
            await self._deliver(step[:middle])
            await self._deliver(step[middle:])
        else:
            for job, result in zip(step, results, strict=True):
                job.result = result
