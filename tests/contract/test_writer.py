"""SQLite's single writer: groups, savepoints, what ends a group, the log."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, ForeignKey, MetaData, Table, Text, func, insert, select, text

from storage.checkpoint import MOST_COMMITS, TARGET_FRAMES, CheckpointPace
from storage.engine import Database
from storage.errors import Conflict, Refused, Unavailable

metadata = MetaData()
parents = Table("test_parents", metadata, Column("id", Text, primary_key=True))
rows = Table(
    "test_rows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parent", Text, ForeignKey("test_parents.id", deferrable=True, initially="DEFERRED")),
    Column("body", Text),
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group may last as long as a slow machine needs, so that a test knows who shares it."""
    monkeypatch.setattr("storage.group.GROUP_S", 60)


@pytest.fixture
async def db(sqlite_db: Database) -> Database:
    await sqlite_db.write(metadata.create_all)
    return sqlite_db


@asynccontextmanager
async def writer_held(db: Database) -> AsyncIterator[None]:
    """While this lasts the writer is busy with one unit; what is asked meanwhile forms the next group."""
    entered, leave = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(_tx: Connection) -> None:
        loop.call_soon_threadsafe(entered.set)
        leave.wait()

    holding = asyncio.create_task(db.write(hold))
    await entered.wait()
    try:
        yield
    finally:
        leave.set()
        await holding


def adding(name: str, body: str = "", parent: str | None = None) -> Callable[[Connection], str]:
    def unit(tx: Connection) -> str:
        tx.execute(insert(rows), {"id": name, "body": body, "parent": parent})
        return name

    return unit


def limiting(more_pages: int) -> Callable[[Connection], None]:
    """Make the disk full for this connection as soon as the file has grown by `more_pages`."""

    def unit(tx: Connection) -> None:
        pages = tx.execute(text("PRAGMA page_count")).scalar_one()
        tx.execute(text(f"PRAGMA max_page_count={pages + more_pages}"))

    return unit


def stored(tx: Connection) -> list[str]:
    return list(tx.scalars(select(rows.c.id).order_by(rows.c.id)))


async def ask_while_held(db: Database, *units: Callable[[Connection], object]) -> list[object]:
    async with writer_held(db):
        asked = [asyncio.create_task(db.write(unit)) for unit in units]
        await asyncio.sleep(0)
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_what_waits_is_committed_as_one_group(db: Database) -> None:
    before = db.commits
    answers = await ask_while_held(db, *(adding(f"n{number:03}") for number in range(100)))
    assert answers == [f"n{number:03}" for number in range(100)]
    assert db.commits == before + 2, "the unit that held the writer, and one group"
    assert db.stats.largest_group == 100


async def test_a_group_that_has_lasted_long_enough_is_committed(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.group.GROUP_S", 0)
    before = db.commits
    await ask_while_held(db, adding("a"), adding("b"), adding("c"))
    assert db.commits == before + 4, "the unit that held the writer, and three groups of one"


async def test_nobody_is_answered_before_the_group_is_committed(db: Database) -> None:
    finished = asyncio.Event()
    release = threading.Event()
    loop = asyncio.get_running_loop()

    def last(_tx: Connection) -> None:
        loop.call_soon_threadsafe(finished.set)
        release.wait()

    async with writer_held(db):
        first = asyncio.create_task(db.write(adding("first")))
        second = asyncio.create_task(db.write(last))
        await asyncio.sleep(0)
    await finished.wait()
    assert not first.done(), "its unit has run, its commit has not"
    assert await db.read(stored) == []
    release.set()
    await asyncio.gather(first, second)
    assert await db.read(stored) == ["first"]


async def test_a_failing_unit_rolls_back_its_savepoint_only(db: Database) -> None:
    def half(tx: Connection) -> None:
        tx.execute(insert(rows), {"id": "half"})
        raise LookupError

    answers = await ask_while_held(db, adding("a"), half, adding("b"), adding("a"))
    assert answers[0] == "a" and answers[2] == "b"
    assert isinstance(answers[1], LookupError)
    assert isinstance(answers[3], Conflict)
    assert await db.read(stored) == ["a", "b"]


async def test_a_unit_that_leaves_a_savepoint_open_fails_alone(db: Database) -> None:
    def forgetful(tx: Connection) -> None:
        tx.begin_nested()
        tx.execute(insert(rows), {"id": "half"})

    answers = await ask_while_held(db, adding("a"), forgetful, adding("b"))
    assert answers[0] == "a" and answers[2] == "b"
    assert isinstance(answers[1], RuntimeError)
    assert await db.read(stored) == ["a", "b"]


async def test_a_full_disk_fails_the_whole_group_and_only_that(db: Database) -> None:
    await db.write(adding("before"))
    big = "x" * 200_000
    answers = await ask_while_held(db, limiting(4), adding("a"), adding("big", big), adding("b"))
    for answer in answers[:3]:
        assert isinstance(answer, Unavailable), "even those whose unit had already run"
        assert answer.retryable
        assert "disk" in str(answer) and "full" in str(answer)
    assert answers[3] == "b", "not yet begun, so it has a group of its own"
    assert await db.read(stored) == ["b", "before"]
    assert db.stats.lost_groups == 1
    assert await db.write(adding("after", big)) == "after"


async def test_a_full_disk_under_a_merged_call_is_not_tried_record_by_record(db: Database) -> None:
    calls: list[int] = []

    def keep(tx: Connection, records: Sequence[dict[str, str]]) -> list[None]:
        calls.append(len(records))
        tx.execute(insert(rows), list(records))
        return [None] * len(records)

    await db.write(limiting(2))
    records = [{"id": f"n{number}", "body": "x" * 20_000} for number in range(8)]
    answers = await asyncio.gather(*(db.merged(keep, record) for record in records), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert calls == [8]


async def test_a_failing_commit_fails_the_whole_group(db: Database) -> None:
    answers = await ask_while_held(db, adding("a"), adding("orphan", parent="nobody"), adding("b"))
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert await db.read(stored) == []
    assert await db.write(adding("after")) == "after"


async def test_a_unit_that_rolls_everything_back_cannot_make_others_believe_they_are_stored(db: Database) -> None:
    answers = await ask_while_held(db, adding("a"), lambda tx: tx.rollback(), adding("b"))
    acknowledged = [answer for answer in answers if isinstance(answer, str)]
    assert set(acknowledged) <= set(await db.read(stored))
    assert any("must not commit or roll back" in str(answer) for answer in answers)


async def test_a_file_locked_by_another_program_answers_soon_and_stores_nothing(db: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(db.write(adding(name)) for name in "abc"), return_exceptions=True)
        other.execute("ROLLBACK")
    assert all(isinstance(answer, Unavailable) and answer.retryable for answer in answers)
    assert await db.read(stored) == []
    assert await db.write(adding("a")) == "a"


async def test_too_many_waiting_writes_are_turned_away(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.jobs.WAITING_LIMIT", 3)
    async with writer_held(db):
        asked = [asyncio.create_task(db.write(adding(name))) for name in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="waiting for the database"):
            await db.write(adding("c"))
    assert await asyncio.gather(*asked) == ["a", "b"]
    assert await db.write(adding("c")) == "c"


async def test_a_read_sees_one_snapshot(db: Database) -> None:
    read_once, written = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def twice(tx: Connection) -> list[int]:
        first = tx.execute(select(func.count()).select_from(rows)).scalar_one()
        loop.call_soon_threadsafe(read_once.set)
        written.wait()
        return [first, tx.execute(select(func.count()).select_from(rows)).scalar_one()]

    reading = asyncio.create_task(db.read(twice))
    await read_once.wait()
    await db.write(adding("a"))
    written.set()
    assert await reading == [0, 0]
    assert await db.read(stored) == ["a"]


async def test_a_long_reader_holds_neither_writes_nor_other_readers(db: Database) -> None:
    entered, leave = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def long(tx: Connection) -> list[str]:
        loop.call_soon_threadsafe(entered.set)
        leave.wait()
        return stored(tx)

    reading = asyncio.create_task(db.read(long))
    await entered.wait()
    for number in range(30):
        await db.write(adding(f"n{number:02}"))
    assert len(await db.read(stored)) == 30
    leave.set()
    await reading


async def test_a_unit_has_the_write_lock_before_it_reads(db: Database, tmp_path: Path) -> None:
    def read_then_write(tx: Connection) -> str:
        seen = len(stored(tx))
        with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None, timeout=0)) as other:
            try:
                other.execute("INSERT INTO test_rows (id) VALUES ('between')")
            except sqlite3.OperationalError as error:
                tx.execute(insert(rows), {"id": f"after {seen}"})
                return str(error)
        return "somebody wrote between the look and the leap"

    assert await db.write(read_then_write) == "database is locked"
    assert await db.read(stored) == ["after 0"]


def settings(tx: Connection, *names: str) -> dict[str, object]:
    return {name: tx.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}


async def test_a_reader_may_not_write_even_if_it_tries_hard(db: Database) -> None:
    assert await db.read(lambda tx: settings(tx, "query_only")) == {"query_only": 1}

    def hard(tx: Connection) -> None:
        tx.execute(text("PRAGMA query_only=OFF"))
        adding("a")(tx)

    with pytest.raises(Unavailable):
        await db.read(hard)
    assert await db.read(stored) == []


async def test_commits_are_synced_in_full(db: Database) -> None:
    names = ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")
    assert await db.write(lambda tx: settings(tx, *names)) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 0,
        "foreign_keys": 1,
    }


async def test_anything_less_than_full_is_refused(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite.SYNCHRONOUS", "NORMAL")
    with pytest.raises(Refused, match="power cut"):
        await Database.open(sqlite_url, data_dir=tmp_path, min_free_mb=1)


async def test_closing_ends_even_when_the_file_can_no_longer_be_opened(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask_while_held(db, adding("orphan", parent="nobody"))
    monkeypatch.setattr("storage.sqlite.SYNCHRONOUS", "NORMAL")
    with pytest.raises(Unavailable, match="power cut"):
        await db.write(adding("a"))
    await db.close()


async def test_the_log_is_copied_back_and_does_not_grow_for_ever(db: Database, tmp_path: Path) -> None:
    for number in range(120):
        await db.write(adding(f"n{number:03}", "x" * 100_000))
    assert db.stats.checkpoints > 1
    log_size = (tmp_path / "gateway.db-wal").stat().st_size
    assert log_size < 2 * TARGET_FRAMES * 4096, "12 MB were written"


async def test_closing_leaves_one_plain_file(db: Database, tmp_path: Path) -> None:
    await db.write(adding("a"))
    await db.close()
    assert not (tmp_path / "gateway.db-wal").exists()
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as plain:
        assert plain.execute("SELECT id FROM test_rows").fetchall() == [("a",)]


@pytest.mark.parametrize(
    ("commits", "frames", "expected"),
    [
        (20, 1000, 20),
        (20, 100, 200),
        (20, 10_000, 2),
        (20, 100_000, 1),
        (20, 0, MOST_COMMITS),
    ],
)
def test_the_pace_of_checkpoints_follows_what_commits_write(commits: int, frames: int, expected: int) -> None:
    pace = CheckpointPace()
    due = [pace.committed() for _ in range(commits)]
    assert due == [False] * (commits - 1) + [True]
    pace.learn(frames)
    assert [pace.committed() for _ in range(expected)] == [False] * (expected - 1) + [True]


def test_frames_a_reader_holds_back_do_not_count_twice() -> None:
    pace = CheckpointPace()
    for _ in range(20):
        pace.committed()
    pace.learn(1000)
    for _ in range(20):
        pace.committed()
    pace.learn(2000)
    assert [pace.committed() for _ in range(20)] == [False] * 19 + [True]
