"""Units of work, merged records and reads, through the one face both engines have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, MetaData, Table, Text, insert, select

from storage.engine import Database, now
from storage.errors import Conflict, Unavailable, Violation
from tests.clock import FakeClock

metadata = MetaData()
notes = Table(
    "test_notes",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("size", BigInteger, CheckConstraint("size >= 0"), nullable=False),
)


@pytest.fixture(autouse=True)
async def tables(db: Database) -> AsyncIterator[None]:
    await db.write(metadata.create_all)
    yield


def row(note: str, size: int = 1) -> dict[str, object]:
    return {"brand": "b1", "id": note, "size": size}


def adding(note: str, size: int = 1) -> Callable[[Connection], str]:
    def unit(tx: Connection) -> str:
        tx.execute(insert(notes), row(note, size))
        return note

    return unit


def stored(tx: Connection) -> list[str]:
    return list(tx.scalars(select(notes.c.id).order_by(notes.c.id)))


class Keeper:
    """A merged unit that remembers how many records each call brought."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def keep(self, tx: Connection, records: Sequence[dict[str, object]]) -> list[str]:
        self.calls.append(len(records))
        tx.execute(insert(notes), list(records))
        return [str(record["id"]) for record in records]


async def test_a_unit_returns_its_result_and_its_rows_can_be_read(db: Database) -> None:
    assert await db.write(adding("a")) == "a"
    assert await db.read(stored) == ["a"]


async def test_a_unit_that_raises_leaves_nothing_and_its_error_reaches_the_caller(db: Database) -> None:
    def unit(tx: Connection) -> None:
        tx.execute(insert(notes), row("half"))
        raise LookupError("no such shop")

    with pytest.raises(LookupError, match="no such shop"):
        await db.write(unit)
    assert await db.read(stored) == []


async def test_a_failing_unit_leaves_its_neighbours_alone(db: Database) -> None:
    await db.write(adding("taken"))
    answers = await asyncio.gather(
        *(db.write(adding(note)) for note in ("a", "taken", "b", "c")), return_exceptions=True
    )
    assert [answers[0], *answers[2:]] == ["a", "b", "c"]
    assert isinstance(answers[1], Conflict)
    assert await db.read(stored) == ["a", "b", "c", "taken"]


@pytest.mark.parametrize("size", [-1, None], ids=["check", "not null"])
async def test_breaking_a_rule_of_the_schema_is_not_a_conflict(db: Database, size: int) -> None:
    with pytest.raises(Violation):
        await db.write(adding("a", size))
    assert db.stats.reruns == 0


async def test_whatever_a_unit_raises_the_others_are_answered(db: Database) -> None:
    def stop(_tx: Connection, records: Sequence[int]) -> list[int]:
        raise StopIteration

    answers = await asyncio.gather(
        db.merged(stop, 1), db.merged(stop, 2), db.write(adding("a")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [RuntimeError, RuntimeError, str]


async def test_a_unit_may_catch_a_refused_row_inside_its_own_savepoint(db: Database) -> None:
    def unit(tx: Connection) -> str:
        tx.execute(insert(notes), row("kept"))
        try:
            with tx.begin_nested():
                tx.execute(insert(notes), row("kept"))
        except Exception:
            return "second refused"
        return "both stored"

    assert await db.write(unit) == "second refused"
    assert await db.read(stored) == ["kept"]


async def test_a_unit_cannot_commit_by_itself(db: Database) -> None:
    def unit(tx: Connection) -> None:
        tx.execute(insert(notes), row("half"))
        tx.commit()

    with pytest.raises((RuntimeError, Unavailable), match="must not commit"):
        await db.write(unit)
    assert await db.read(stored) == []
    assert await db.write(adding("a")) == "a"


async def test_a_conflict_is_rerun_from_the_start(db: Database) -> None:
    attempts: list[int] = []

    def unit(tx: Connection) -> int:
        attempts.append(1)
        tx.execute(insert(notes), row("a"))
        if len(attempts) < 4:
            raise Conflict("changed meanwhile")
        return len(attempts)

    assert await db.write(unit) == 4
    assert await db.read(stored) == ["a"]


async def test_a_conflict_that_stays_reaches_the_caller_after_three_reruns(db: Database) -> None:
    attempts: list[int] = []

    def unit(_tx: Connection) -> None:
        attempts.append(1)
        raise Conflict("changed again")

    with pytest.raises(Conflict, match="changed again"):
        await db.write(unit)
    assert len(attempts) == 4


async def test_racing_units_that_look_then_insert_agree_on_one_row(db: Database) -> None:
    def find_or_add(tx: Connection) -> str:
        found = tx.scalar(select(notes.c.id).where(notes.c.brand == "b1", notes.c.id == "one"))
        if found is None:
            tx.execute(insert(notes), row("one"))
        return found or "one"

    assert await asyncio.gather(*(db.write(find_or_add) for _ in range(8))) == ["one"] * 8
    assert await db.read(stored) == ["one"]


async def test_cancelling_the_caller_does_not_cancel_the_unit(db: Database) -> None:
    seen = db.commits
    caller = asyncio.create_task(db.write(adding("a")))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await db.committed_beyond(seen)
    assert await db.read(stored) == ["a"]


async def test_half_of_the_callers_going_away_loses_no_unit(db: Database) -> None:
    names = [f"n{number:02}" for number in range(40)]
    callers = [asyncio.create_task(db.write(adding(name))) for name in names]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    seen = db.commits
    while len(kept := await db.read(stored)) < len(names):
        seen = await db.committed_beyond(seen)
    assert kept == names


async def test_records_that_wait_together_are_handed_over_in_one_call(db: Database) -> None:
    keeper = Keeper()
    results = await asyncio.gather(*(db.merged(keeper.keep, row(f"n{number:02}")) for number in range(50)))
    assert results == [f"n{number:02}" for number in range(50)]
    assert keeper.calls == [50]
    assert await db.read(stored) == results


async def test_a_merged_call_is_bounded(db: Database) -> None:
    keeper = Keeper()
    await asyncio.gather(*(db.merged(keeper.keep, row(f"n{number:04}")) for number in range(1200)))
    assert keeper.calls == [500, 500, 200]


async def test_a_bad_record_fails_alone(db: Database) -> None:
    await db.write(adding("n03"))
    keeper = Keeper()
    answers = await asyncio.gather(
        *(db.merged(keeper.keep, row(f"n{number:02}")) for number in range(10)), return_exceptions=True
    )
    assert isinstance(answers[3], Conflict)
    assert keeper.calls[0] == 10
    assert [answer for answer in answers if isinstance(answer, str)] == [f"n0{n}" for n in range(10) if n != 3]
    assert len(await db.read(stored)) == 10


async def test_two_bad_records_fail_and_the_others_keep_their_order(db: Database) -> None:
    keeper = Keeper()
    sizes = [1, -1, 1, 1, -1, 1]
    answers = await asyncio.gather(
        *(db.merged(keeper.keep, row(f"n{number}", size)) for number, size in enumerate(sizes)), return_exceptions=True
    )
    assert [isinstance(answer, Violation) for answer in answers] == [size < 0 for size in sizes]
    assert await db.read(stored) == ["n0", "n2", "n3", "n5"]


async def test_a_merged_unit_must_answer_each_record(db: Database) -> None:
    def forgetful(tx: Connection, records: Sequence[dict[str, object]]) -> list[str]:
        tx.execute(insert(notes), list(records))
        return []

    with pytest.raises(TypeError, match="0 results for 1 records"):
        await db.merged(forgetful, row("a"))
    assert await db.read(stored) == []


async def test_cancelling_the_caller_does_not_cancel_its_record(db: Database) -> None:
    seen, keeper = db.commits, Keeper()
    caller = asyncio.create_task(db.merged(keeper.keep, row("a")))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await db.committed_beyond(seen)
    assert await db.read(stored) == ["a"]


async def test_reading_cannot_write(db: Database) -> None:
    with pytest.raises(Unavailable):
        await db.read(adding("a"))
    assert await db.read(stored) == []


async def test_cancelled_reads_leave_the_readers_usable(db: Database) -> None:
    reads = [asyncio.create_task(db.read(stored)) for _ in range(60)]
    await asyncio.sleep(0)
    for read in reads[::2]:
        read.cancel()
    answers = await asyncio.gather(*reads, return_exceptions=True)
    assert all(answer == [] for answer in answers[1::2])
    assert await asyncio.gather(*(db.read(stored) for _ in range(20))) == [[]] * 20


async def test_units_and_reads_see_the_injected_clock(db: Database, clock: FakeClock) -> None:
    clock.advance(hours=3)
    assert await db.write(now) == clock.now
    assert await db.read(now) == clock.now


async def test_each_commit_is_signalled(db: Database) -> None:
    seen = db.commits
    waiting = asyncio.create_task(db.committed_beyond(seen))
    await db.write(adding("a"))
    assert await waiting == seen + 1 == db.commits
    assert db.stats.commits == db.commits


async def test_a_refused_unit_on_its_own_is_counted(db: Database) -> None:
    before = db.stats.failed_units
    with pytest.raises(Violation):
        await db.write(adding("a", -1))
    assert db.stats.failed_units == before + 1


@pytest.mark.parametrize("merged", [False, True], ids=["units", "records"])
async def test_closing_finishes_what_was_handed_over(db: Database, db_url: str, merged: bool) -> None:
    keeper = Keeper()
    asked = [
        asyncio.create_task(db.merged(keeper.keep, row(name)) if merged else db.write(adding(name)))
        for name in ("n0", "n1", "n2", "n3", "n4")
    ]
    await asyncio.sleep(0)
    await db.close()
    assert db.stats.waiting == 0
    async with await Database.open_readonly(db_url) as again:
        assert await again.read(stored) == await asyncio.gather(*asked)


async def test_a_closed_database_turns_everybody_away_and_may_be_closed_again(db: Database) -> None:
    await db.close()
    await db.close()
    for question in (db.write(adding("a")), db.merged(Keeper().keep, row("a")), db.read(stored)):
        with pytest.raises(Unavailable, match="closed") as refusal:
            await question
        assert not refusal.value.retryable


async def test_too_many_waiting_records_are_turned_away(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.jobs.WAITING_LIMIT", 3)
    keeper = Keeper()
    answers = await asyncio.gather(*(db.merged(keeper.keep, row(f"n{n}")) for n in range(5)), return_exceptions=True)
    assert answers[:3] == ["n0", "n1", "n2"]
    assert all(isinstance(answer, Unavailable) and answer.retryable for answer in answers[3:])
    assert db.stats.waiting == 0
    assert await db.merged(keeper.keep, row("n9")) == "n9"


async def test_a_conflict_names_the_key_and_not_the_row(db: Database) -> None:
    await db.write(adding("secret-name"))
    with pytest.raises(Conflict) as refusal:
        await db.write(adding("secret-name"))
    assert "secret-name" not in str(refusal.value)
    assert "test_notes" in str(refusal.value)
    assert "\n" not in str(refusal.value)
