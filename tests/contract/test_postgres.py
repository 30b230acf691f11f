"""What only a server can do: break connections, refuse for reasons of its own, know the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, Text, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError

from storage.engine import Database, now
from storage.errors import Conflict, Corrupt, StorageError, Unavailable, Violation
from storage.postgres import with_driver
from storage.translate import translate

pytestmark = pytest.mark.postgres

metadata = MetaData()
rows = Table("test_rows", metadata, Column("id", Text, primary_key=True))


@pytest.fixture
async def db(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """On the server's own clock, with a pool of two."""
    async with await Database.open(postgres_url, data_dir=tmp_path, min_free_mb=1, pool_size=2) as database:
        await database.write(metadata.create_all)
        yield database


def adding(name: str) -> Callable[[Connection], str]:
    def unit(tx: Connection) -> str:
        tx.execute(insert(rows), {"id": name})
        return name

    return unit


def stored(tx: Connection) -> list[str]:
    return list(tx.scalars(select(rows.c.id).order_by(rows.c.id)))


def until(tx: Connection, condition: Callable[[], bool]) -> None:
    """Keep a transaction open, and let others run, until `condition` holds."""
    while not condition():
        tx.execute(text("SELECT 1"))


def raising(state: str) -> Callable[[Connection], None]:
    """A unit in which the server itself raises `state`."""

    def unit(tx: Connection) -> None:
        tx.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{state}'; END $$"))

    return unit


@pytest.mark.parametrize(
    ("state", "kind", "reruns"),
    [
        ("40001", Conflict, 3),
        ("40P01", Conflict, 3),
        ("23505", Conflict, 3),
        ("23503", Violation, 0),
        ("53100", Unavailable, 0),
        ("55P03", Unavailable, 0),
        ("57014", Unavailable, 0),
        ("XX001", Corrupt, 0),
    ],
)
async def test_what_the_server_says_decides_whether_to_run_again(
    db: Database, state: str, kind: type[StorageError], reruns: int
) -> None:
    with pytest.raises(kind):
        await db.write(raising(state))
    assert db.stats.reruns == reruns


async def test_a_connection_that_breaks_before_the_commit_is_replaced_and_the_unit_run_again(db: Database) -> None:
    attempts: list[int] = []

    def unit(tx: Connection) -> str:
        attempts.append(1)
        tx.execute(insert(rows), {"id": "a"})
        if len(attempts) == 1:
            tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return "stored"

    assert await db.write(unit) == "stored"
    assert await db.read(stored) == ["a"]


async def test_idle_connections_that_died_do_not_fail_the_next_units(db: Database) -> None:
    await asyncio.gather(*(db.write(adding(name)) for name in "ab"))
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await db.write(lambda tx: tx.execute(others).close())
    assert await asyncio.gather(*(db.write(adding(name)) for name in "cd")) == ["c", "d"]


async def test_a_deadlock_costs_a_rerun_and_no_unit(db: Database) -> None:
    await asyncio.gather(*(db.write(adding(name)) for name in "ab"))
    lock = text("SELECT id FROM test_rows WHERE id = :id FOR UPDATE")
    holding: set[str] = set()

    def locking(first: str, second: str) -> Callable[[Connection], str]:
        def unit(tx: Connection) -> str:
            tx.execute(lock, {"id": first})
            holding.add(first)
            until(tx, lambda: len(holding) == 2)
            tx.execute(lock, {"id": second})
            return first

        return unit

    answers = await asyncio.gather(db.write(locking("a", "b")), db.write(locking("b", "a")))
    assert list(answers) == ["a", "b"]
    assert db.stats.reruns >= 1


async def test_reads_are_snapshots_that_cannot_write(db: Database) -> None:
    def settings(tx: Connection) -> tuple[str, ...]:
        names = ("transaction_isolation", "transaction_read_only")
        return tuple(tx.execute(text(f"SELECT current_setting('{name}')")).scalar_one() for name in names)

    assert await db.read(settings) == ("repeatable read", "on")
    assert await db.write(settings) == ("read committed", "off"), "a read leaves no trace on its connection"


async def test_without_a_clock_of_ours_the_server_tells_the_time(db: Database) -> None:
    before = time.time_ns() // 1_000_000
    told = await db.write(now)
    assert before - 1 <= told <= time.time_ns() // 1_000_000 + 1

    def twice(tx: Connection) -> tuple[int, int]:
        first = now(tx)
        until(tx, lambda: now(tx) > first)
        return first, now(tx)

    first, second = await db.read(twice)
    assert second > first, "it goes on inside a transaction"


async def test_when_every_connection_is_in_use_a_unit_waits_its_turn(db: Database) -> None:
    names = [f"n{number:02}" for number in range(20)]
    assert await asyncio.gather(*(db.write(adding(name)) for name in names)) == names


async def test_when_no_connection_comes_free_the_caller_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr("storage.postgres.POOL_WAIT_S", 0.01)
    async with await Database.open(postgres_url, data_dir=tmp_path, min_free_mb=1, pool_size=1) as small:
        holds, told = asyncio.Event(), asyncio.Event()

        def hold(tx: Connection) -> None:
            holds.set()
            until(tx, told.is_set)

        holding = asyncio.create_task(small.write(hold))
        await holds.wait()
        with pytest.raises(Unavailable, match="every database connection is in use") as refusal:
            await small.write(adding("a"))
        assert refusal.value.retryable
        told.set()
        await holding


async def test_a_statement_without_end_is_given_up(
    db: Database, monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr("storage.postgres.STATEMENT_S", 0.1)
    async with await Database.open(postgres_url, data_dir=tmp_path, min_free_mb=1, pool_size=1) as impatient:
        with pytest.raises(Unavailable, match="did not answer within"):
            await impatient.write(lambda tx: tx.execute(text("SELECT pg_sleep(20)")).close())
        assert impatient.stats.reruns == 0, "the next try would take as long"
        assert await impatient.write(adding("a")) == "a"


def test_what_a_driver_quotes_from_the_row_is_not_repeated() -> None:
    class FromPsycopg(Exception):
        sqlstate = "23505"

    cause = FromPsycopg('duplicate key value violates "pk"\nDETAIL:  Key (phone)=(13900000000) already exists.')
    assert str(translate(DBAPIError("INSERT", {}, cause))) == 'duplicate key value violates "pk"'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", "postgresql+psycopg://u:p@h/d?sslmode=require"),
    ],
)
def test_urls_name_a_driver(given: str, expected: str) -> None:
    assert with_driver(make_url(given)).render_as_string(hide_password=False) == expected
