"""What runs in the background: slots that are never overfilled, failures that are never swallowed, stops that wait."""

import asyncio
from collections import deque

import pytest

from gateway.runner import Crew, Pump, Taken, Wakeup
from storage.errors import Corrupt, Unavailable


class Work:
    """Items to take; each is held until the test lets it go."""

    def __init__(self, items: int = 0, slots: int = 2) -> None:
        self.left = deque(range(items))
        self.begun: list[int] = []
        self.done: list[int] = []
        self.gate = asyncio.Event()
        self.trouble: deque[Exception] = deque()
        self.changed = asyncio.Event()
        self.taken = 0
        self.pump = Pump("test", slots, self.take, self.work, Wakeup())

    async def take(self, n: int) -> Taken[int]:
        self.taken += 1
        self.changed.set()
        if self.trouble:
            raise self.trouble.popleft()
        items = [self.left.popleft() for _ in range(min(n, len(self.left)))]
        return Taken(items, more=len(items) == n)

    async def work(self, item: int) -> None:
        self.begun.append(item)
        self.changed.set()
        await self.gate.wait()
        self.done.append(item)

    async def reaches(self, begun: int) -> None:
        async with asyncio.timeout(5):
            while len(self.begun) < begun:
                self.changed.clear()
                await self.changed.wait()


async def test_no_more_is_in_hand_than_there_are_slots() -> None:
    work = Work(items=5)
    running = asyncio.create_task(work.pump.run())
    await work.reaches(2)
    assert work.pump.busy == 2
    work.gate.set()
    await work.reaches(5)
    await work.pump.stop(5)
    await running
    assert work.done == [0, 1, 2, 3, 4]


async def test_a_wakeup_finds_new_work_at_once() -> None:
    work = Work()
    work.gate.set()
    running = asyncio.create_task(work.pump.run())
    work.left.append(7)
    work.pump.wakeup.set()
    await work.reaches(1)
    await work.pump.stop(5)
    await running


async def test_a_wakeup_that_came_before_the_wait_is_not_lost() -> None:
    wakeup = Wakeup()
    wakeup.set()
    async with asyncio.timeout(1):
        await wakeup.wait(60)


async def test_a_wakeup_never_waits_longer_than_it_was_told() -> None:
    async with asyncio.timeout(5):
        await Wakeup().wait(0.001)


async def test_stopping_finishes_what_is_in_hand_and_takes_nothing_more() -> None:
    work = Work(items=3, slots=1)
    running = asyncio.create_task(work.pump.run())
    await work.reaches(1)
    stopping = asyncio.create_task(work.pump.stop(5))
    await asyncio.sleep(0)
    work.gate.set()
    await stopping
    await running
    assert work.done == [0]


async def test_what_does_not_finish_in_time_is_cancelled() -> None:
    work = Work(items=1)
    running = asyncio.create_task(work.pump.run())
    await work.reaches(1)
    await work.pump.stop(0.001)
    await running
    assert (work.begun, work.done, work.pump.busy) == ([0], [], 0)


async def test_stopping_twice_or_before_the_start_is_fine() -> None:
    work = Work()
    await work.pump.stop(1)
    await work.pump.stop(1)
    await work.pump.run()


async def test_a_storage_that_is_away_is_waited_for() -> None:
    work = Work(items=1)
    work.gate.set()
    work.trouble.append(Unavailable("full"))
    running = asyncio.create_task(work.pump.run())
    work.pump.wakeup.set()
    await work.reaches(1)
    await work.pump.stop(5)
    await running
    assert work.done == [0]


@pytest.mark.parametrize(
    "error", [Corrupt("damaged"), Unavailable("closed", retryable=False), KeyError("a fault of ours")]
)
async def test_what_waiting_will_not_mend_ends_the_pump(error: Exception) -> None:
    work = Work()
    work.trouble.append(error)
    with pytest.raises(type(error)):
        await work.pump.run()


async def test_a_failing_item_ends_the_pump() -> None:
    async def fail(_item: int) -> None:
        raise KeyError("a fault of ours")

    work = Work(items=1)
    pump = Pump("test", 1, work.take, fail, Wakeup())
    with pytest.raises(KeyError):
        await pump.run()


async def test_once_works_off_what_there_is() -> None:
    work = Work(items=5)
    work.gate.set()
    assert await work.pump.once() == 5
    assert await work.pump.once() == 0


async def fail() -> None:
    raise KeyError("a fault of ours")


async def end() -> None:
    return


async def test_the_first_failure_of_a_crew_is_told() -> None:
    crew = Crew()
    crew.start("patient", asyncio.Event().wait())
    crew.start("failing", fail())
    with pytest.raises(KeyError):
        await crew.failure()
    await crew.stop()


async def test_a_task_that_simply_ends_is_a_failure_too() -> None:
    crew = Crew()
    crew.start("short", end())
    with pytest.raises(RuntimeError, match="short ended by itself"):
        await crew.failure()
    await crew.stop()


async def test_after_being_let_go_tasks_may_end() -> None:
    crew = Crew()
    crew.let_go()
    crew.start("short", end())
    crew.start("patient", asyncio.Event().wait())
    await crew.stop()
    await crew.stop()
