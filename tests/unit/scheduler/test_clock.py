"""The clock: jobs run at the start and when woken, once at a time, through failures, and end before `stop` returns."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from scheduler.clock import Clock, Job, Shift
from scheduler.jobs import JOBS
from storage.engine import Database
from tests.builders import world

NO_DATABASE = cast(Database, None)
SELDOM_MS = 3_600_000


class Counter:
    """A job that counts its runs, fails when told to, and waits for leave to end when told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.failing = False
        self.ended = 0
        self.leave = asyncio.Event()
        self.leave.set()
        self._more = asyncio.Condition()

    async def run(self, shift: Shift) -> None:
        async with self._more:
            self.runs += 1
            self._more.notify_all()
        self.at_once += 1
        assert self.at_once == 1
        try:
            await self.leave.wait()
            if self.failing:
                raise LookupError("no such thing")
        finally:
            self.at_once -= 1
            self.ended += 1

    async def reached(self, runs: int) -> None:
        async with self._more, asyncio.timeout(20):
            await self._more.wait_for(lambda: self.runs >= runs)


def clock_with(*counters: Counter, every_ms: int = SELDOM_MS) -> Clock:
    jobs = [Job(f"job {number}", every_ms, counter.run) for number, counter in enumerate(counters)]
    return Clock(NO_DATABASE, world(), jobs)


async def test_jobs_run_at_once_when_the_clock_starts_and_again_when_woken() -> None:
    one, two = Counter(), Counter()
    clock = clock_with(one, two)
    clock.start()
    await one.reached(1)
    await two.reached(1)
    clock.wake()
    await one.reached(2)
    await two.reached(2)
    await clock.stop()


async def test_jobs_tick() -> None:
    counter = Counter()
    clock = clock_with(counter, every_ms=10)
    clock.start()
    await counter.reached(3)
    await clock.stop()


async def test_a_wake_while_the_job_runs_is_not_lost_and_never_runs_it_twice_at_once() -> None:
    counter = Counter()
    counter.leave.clear()
    clock = clock_with(counter, every_ms=10)
    clock.start()
    await counter.reached(1)
    waker = Counter()
    beside = clock_with(waker, every_ms=10)
    beside.start()
    await waker.reached(3)
    assert counter.runs == 1
    counter.leave.set()
    await counter.reached(2)
    await beside.stop()
    await clock.stop()


async def test_a_failing_job_is_told_once_tried_again_and_told_once_when_it_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counter, caplog.handler.level = Counter(), logging.INFO
    caplog.set_level(logging.INFO, "scheduler.clock")
    counter.failing = True
    clock = clock_with(counter, every_ms=10)
    clock.start()
    await counter.reached(3)
    counter.failing = False
    await counter.reached(counter.runs + 3)
    await clock.stop()
    told = [record.getMessage() for record in caplog.records if record.name == "scheduler.clock"]
    assert told == ["job job 0 fails; it is tried again every 10 ms", "job job 0 works again"]


async def test_stop_waits_for_the_job_at_work_and_no_tick_follows() -> None:
    counter = Counter()
    counter.leave.clear()
    clock = clock_with(counter, every_ms=10)
    clock.start()
    await counter.reached(1)
    stopping = asyncio.create_task(clock.stop())
    done, _ = await asyncio.wait([stopping], timeout=0.05)
    assert not done
    counter.leave.set()
    await stopping
    assert (counter.runs, counter.ended) == (1, 1)
    clock.wake()
    await clock.stop()
    assert counter.runs == 1


async def test_stop_before_start_is_nothing() -> None:
    await clock_with(Counter()).stop()


def test_the_table_of_jobs_names_each_job_once() -> None:
    names = [job.name for job in JOBS]
    assert len(names) == len(set(names))
    assert {"campaigns.fire", "campaigns.work"} <= set(names)
