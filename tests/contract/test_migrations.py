"""The schema's history: it leads to exactly the tables, on both engines, and survives being interrupted."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
    text,
)

from storage.engine import Database
from storage.errors import Corrupt, Refused
from storage.migrate import MIGRATIONS, VERSION_TABLE, current, differences, head, new_step, require_current, upgrade
from storage.tables import metadata
from tests.postgres import Server

CONVENTION = {"fk": "fk_%(table_name)s_%(column_0_N_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}


def first_tables() -> MetaData:
    made = MetaData(naming_convention=CONVENTION)
    Table("test_shops", made, Column("id", Text, primary_key=True), Column("name", Text))
    Table("test_desks", made, Column("id", Text, primary_key=True), Column("shop", ForeignKey("test_shops.id")))
    return made


def second_tables() -> MetaData:
    made = MetaData(naming_convention=CONVENTION)
    shops = Table(
        "test_shops",
        made,
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("floor", Integer, server_default="0", nullable=False),
    )
    Index(None, shops.c.name)
    Table("test_desks", made, Column("id", Text, primary_key=True), Column("shop", ForeignKey("test_shops.id")))
    return made


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of its own, still empty, in place of ours."""
    folder = tmp_path / "100% history"
    (folder / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        shutil.copy(MIGRATIONS / name, folder / name)
    monkeypatch.setattr("storage.migrate.MIGRATIONS", folder)
    return folder


@pytest.fixture
def bare_sqlite_url(tmp_path: Path) -> str:
    """The name of a file that does not exist yet."""
    return f"sqlite:///{tmp_path}/bare.db"


@pytest.fixture
def bare_postgres_url(postgres_server: Server) -> Iterator[str]:
    """A database without any table."""
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def bare_url(request: pytest.FixtureRequest) -> str:
    """A database without any table, on each engine in turn."""
    url: str = request.getfixturevalue(f"bare_{request.param}_url")
    return url


@pytest.fixture
def opened(bare_url: str, tmp_path: Path) -> Callable[..., Awaitable[Database]]:
    """Opens the bare database, migrating unless told otherwise."""

    async def open_it(*, migrate: bool = True) -> Database:
        return await Database.open(bare_url, data_dir=tmp_path, migrate=migrate, min_free_mb=1)

    return open_it


def only_ours(found: object) -> bool:
    return "test_" not in str(found)


async def test_the_history_leads_to_exactly_the_tables(db: Database) -> None:
    assert await db.read(current) == head()
    assert [found for found in await db.read(lambda tx: differences(tx, metadata)) if only_ours(found)] == []


def indexes(tx: Connection) -> dict[str, str]:
    """Each index as the engine itself would write it, with its conditions, which alembic does not compare."""
    if tx.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    else:
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    found = {name: " ".join(definition.split()) for name, definition in tx.execute(text(query))}
    found.pop(f"{VERSION_TABLE}_pkc", None)
    return found


async def test_the_indexes_are_the_same_down_to_their_conditions(opened: Callable[..., Awaitable[Database]]) -> None:
    async with await opened() as db:
        migrated = await db.read(indexes)
        await db.write(metadata.drop_all)
        await db.write(metadata.create_all)
        assert migrated == await db.read(indexes)


async def test_the_newest_schema_needs_nothing(db: Database) -> None:
    assert await db.write(upgrade) == []
    assert await db.read(require_current) == []


async def test_steps_are_written_from_the_tables_and_applied(
    opened: Callable[..., Awaitable[Database]], history: Path
) -> None:
    first, second = first_tables(), second_tables()
    async with await opened() as db:
        step = await db.write(lambda tx: new_step(tx, first, "first tables"))
        assert step == history / "versions" / "0001_first_tables.py"

    def fill(tx: Connection) -> None:
        tx.execute(insert(first.tables["test_shops"]), {"id": "s1", "name": "外滩店"})
        tx.execute(insert(first.tables["test_desks"]), {"id": "d1", "shop": "s1"})

    async with await opened() as db:
        assert await db.read(lambda tx: differences(tx, first)) == []
        await db.write(fill)
        assert (await db.write(lambda tx: new_step(tx, second, "floors"))).name == "0002_floors.py"
    with pytest.raises(Refused, match="has schema 0001, this program needs 0002: run `advisor-gateway migrate`"):
        await opened(migrate=False)
    async with await opened() as db:
        assert await db.read(lambda tx: differences(tx, second)) == []
        shops, desks = second.tables["test_shops"], second.tables["test_desks"]
        kept = select(shops.c.name, shops.c.floor, desks.c.shop).join(desks)
        assert await db.read(lambda tx: [tuple(row) for row in tx.execute(kept)]) == [("外滩店", 0, "s1")]


async def test_a_step_that_fails_leaves_the_schema_as_it_was(
    opened: Callable[..., Awaitable[Database]], history: Path
) -> None:
    async with await opened() as db:
        step = await db.write(lambda tx: new_step(tx, first_tables(), "first"))
    whole = step.read_text()
    step.write_text(whole.replace("def downgrade", "    raise LookupError\n\n\ndef downgrade"))
    with pytest.raises(LookupError):
        await opened()
    step.write_text(whole)
    async with await opened() as db:
        assert await db.read(lambda tx: differences(tx, first_tables())) == []


@pytest.mark.postgres
async def test_nodes_that_start_together_migrate_once(bare_postgres_url: str, tmp_path: Path) -> None:
    nodes = await asyncio.gather(
        *(Database.open(bare_postgres_url, data_dir=tmp_path / str(n), migrate=True, min_free_mb=1) for n in range(3))
    )
    assert await nodes[0].read(current) == head()
    for node in nodes:
        await node.close()


async def test_an_sqlite_file_with_dangling_references_is_refused(bare_sqlite_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bare.db")) as plain:
        plain.execute("CREATE TABLE test_desks (id TEXT PRIMARY KEY, shop TEXT REFERENCES test_shops (id))")
        plain.execute("CREATE TABLE test_shops (id TEXT PRIMARY KEY)")
        plain.execute("INSERT INTO test_desks VALUES ('d1', 'gone')")
        plain.commit()
    with pytest.raises(Corrupt, match="test_desks, row 1 refers to a row of test_shops that does not exist"):
        await Database.open(bare_sqlite_url, data_dir=tmp_path, min_free_mb=1)


async def test_an_older_program_still_opens_a_newer_schema_and_says_so(
    db: Database, db_url: str, tmp_path: Path
) -> None:
    await db.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")).close())
    await db.close()
    for migrate in (False, True):
        async with await Database.open(db_url, data_dir=tmp_path, migrate=migrate, min_free_mb=1) as older:
            assert any("9999" in note and "newer" in note for note in older.notes)


async def test_an_older_schema_is_refused_where_nobody_asked_to_migrate(
    db: Database, db_url: str, tmp_path: Path
) -> None:
    await db.write(lambda tx: tx.execute(text("DELETE FROM alembic_version")).close())
    await db.close()
    with pytest.raises(Refused, match="has schema none"):
        await Database.open(db_url, data_dir=tmp_path, migrate=False, min_free_mb=1)
