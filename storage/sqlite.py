"""SQLite as the engine of record: one node, one file, one writer, a few readers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

from storage.clock import clock_options, host_clock
from storage.crashpoints import crash_point
from storage.errors import Corrupt, Refused, Unavailable
from storage.jobs import SINGLE
from storage.lock import NodeLock
from storage.migrate import require_current, upgrade
from storage.places import prepare_directory, refuse_network_file_system
from storage.readers import BUSY_S, Readers
from storage.signals import CommitSignal, Stats
from storage.translate import translated
from storage.units import guard_ends
from storage.writer import Writer

T = TypeVar("T")
R = TypeVar("R")

SYNCHRONOUS: Final = "FULL"
"""With NORMAL the last commits are lost in a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous)."""
OLDEST_VERSION: Final = (3, 35, 0)
"""The first with RETURNING."""
WAL_RESET_FIXED: Final = (3, 51, 3)
LOG_SIZE_LIMIT: Final = 64 * 1024 * 1024


class SqliteBackend:
    """An open file. Everything is written by its `Writer`; readers see the last commit and cannot write."""

    def __init__(self, readers: Readers, writer: Writer | None, notes: tuple[str, ...], stack: AsyncExitStack) -> None:
        self._readers = readers
        self._writer = writer
        self._stack = stack
        self.notes = notes

    @classmethod
    async def open(
        cls,
        url: URL,
        *,
        data_dir: Path,
        clock: Callable[[], int] | None,
        migrate: bool,
        check: bool,
        min_free_mb: int,
        signal: CommitSignal,
        stats: Stats,
    ) -> SqliteBackend:
        """Check, lock, migrate and open the file of `url`; unwinds on failure."""
        path = file_of(url)
        async with AsyncExitStack() as stack:
            notes = [*_version_notes(), *_hold(path, data_dir, min_free_mb, stack)]
            engine = writing_engine(path, clock)
            notes += await asyncio.to_thread(_prepare_file, engine, migrate=migrate, check=check)
            writer = Writer(engine, signal, stats)
            stack.push_async_callback(writer.close)
            readers = await Readers.open(path, clock or host_clock)
            stack.push_async_callback(readers.close)
            return cls(readers, writer, tuple(notes), stack.pop_all())

    @classmethod
    async def open_readonly(cls, url: URL, *, clock: Callable[[], int] | None) -> SqliteBackend:
        """Open the file beside a running node: takes no lock and changes nothing."""
        path = file_of(url)
        if not path.exists():
            raise Refused(f"there is no database at {path}: start a node once, or correct storage.url")
        readers = await Readers.open(path, clock or host_clock, count=1)
        stack = AsyncExitStack()
        stack.push_async_callback(readers.close)
        return cls(readers, None, _version_notes(), stack)

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        return cast(T, await self._writing().submit(unit, SINGLE))

    async def merged(self, unit: Callable[[Connection, Sequence[R]], Sequence[T]], record: R) -> T:
        """See `Database.merged`."""
        return cast(T, await self._writing().submit(unit, record))

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        return await self._readers.run(unit)

    async def close(self) -> None:
        """Readers first: the connection that closes last copies the log back, and that must be the writer's."""
        await self._stack.aclose()

    def _writing(self) -> Writer:
        if self._writer is None:
            raise Unavailable("the database was opened for reading only", retryable=False)
        return self._writer


def file_of(url: URL) -> Path:
    """The file an SQLite URL names, absolute. Raises Refused for a database in memory."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise Refused(f"storage.url {url.render_as_string()} names no file: write sqlite:////absolute/path.db")
    return Path(url.database).resolve()


def writing_engine(path: Path, clock: Callable[[], int] | None) -> Engine:
    """The engine of the one connection that writes; each transaction takes the write lock at once."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, cached_statements=512)

    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        creator=connect,
        poolclass=NullPool,
        execution_options=clock_options(clock or host_clock),
    )
    guard_ends(engine)
    event.listen(engine, "connect", _make_durable)
    # A deferred transaction that reads before it writes fails at once when another program has written meanwhile.
    event.listen(engine, "begin", lambda tx: tx.connection.dbapi_connection.execute("BEGIN IMMEDIATE"))
    return engine


def _make_durable(connection: sqlite3.Connection, _record: object) -> None:
    mode = _pragma(connection, "journal_mode=WAL")
    if mode != "wal":
        raise Refused(f"SQLite keeps journal_mode={mode} here: the file system does not support its write-ahead log")
    for setting in (
        f"synchronous={SYNCHRONOUS}",
        "fullfsync=ON",
        "checkpoint_fullfsync=ON",
        "wal_autocheckpoint=0",
        f"journal_size_limit={LOG_SIZE_LIMIT}",
        "foreign_keys=ON",
        "cache_size=-32768",
    ):
        _pragma(connection, setting)
    level = _pragma(connection, "synchronous")
    if level != 2:
        raise Refused(f"SQLite answers synchronous={level} instead of 2 (FULL): commits would not survive a power cut")


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    row = connection.execute(f"PRAGMA {text}").fetchone()
    return row[0] if row else None


def _hold(path: Path, data_dir: Path, min_free_mb: int, stack: AsyncExitStack) -> list[str]:
    """Check and lock the data directory, and the file's own where that is another one; notes on what was found."""
    notes = []
    for directory in dict.fromkeys((data_dir.resolve(), path.parent)):
        prepare_directory(directory, min_free_mb=min_free_mb)
        refuse_network_file_system(directory)
        lock = NodeLock.take(directory)
        stack.callback(lock.release)
        notes.append(lock.describe_previous())
    # The log and its index take over the file's mode, so nobody else may read those either.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return [note for note in notes if note]


def _version_notes() -> tuple[str, ...]:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_VERSION:
        raise Refused(f"SQLite {version} is too old, RETURNING came with 3.35.0: use a newer Python")
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        return (
            f"SQLite {version} can damage a file that two connections write or checkpoint at once (fixed in 3.51.3): "
            "this node uses one; do not write to the file with other programs while it runs",
        )
    return ()


def _prepare_file(engine: Engine, *, migrate: bool, check: bool) -> list[str]:
    """Before anyone else has the file: is it sound, and is its schema ours? Blocking."""
    with translated(), engine.connect() as connection:
        raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        if check:
            _quick_check(raw)
        # Migrations rebuild tables, and dropping the old one would delete what refers to it. Ignored inside a transaction.
        _pragma(raw, "foreign_keys=OFF")
        with connection.begin():
            notes = upgrade(connection) if migrate else require_current(connection)
            _refuse_dangling(raw)
            crash_point("migrate.before_commit")
        crash_point("migrate.after_commit")
    return notes


def _quick_check(connection: sqlite3.Connection) -> None:
    found = [" ".join(str(row[0]).split()) for row in connection.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise Corrupt(f"the database file is damaged ({'; '.join(found)}): keep a copy, restore the latest backup")


def _refuse_dangling(connection: sqlite3.Connection) -> None:
    row = connection.execute("PRAGMA foreign_key_check").fetchone()
    if row is not None:
        raise Corrupt(f"table {row[0]}, row {row[1]} refers to a row of {row[2]} that does not exist: restore a backup")
