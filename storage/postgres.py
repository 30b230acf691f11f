"""PostgreSQL as the engine of record: any number of nodes, a pool of connections on each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.batcher import Batcher
from storage.clock import clock_options
from storage.crashpoints import crash_point
from storage.errors import Conflict, Refused, Unavailable
from storage.group import RERUNS
from storage.jobs import require_room
from storage.migrate import require_current, upgrade
from storage.signals import CommitSignal, Stats
from storage.translate import translate
from storage.units import guard_ends, unit_running

T = TypeVar("T")
R = TypeVar("R")

CONNECT_S: Final = 5
STATEMENT_S: Final = 30
POOL_WAIT_S: Final = 5
POOL_SIZE: Final = 10

_SERVER_SETTINGS: Final = text(
    "SELECT current_setting('fsync'), current_setting('synchronous_commit'),"
    " current_setting('server_encoding'), pg_is_in_recovery()"
)


class BrokenConnectionError(Unavailable):
    """The connection went away before COMMIT was sent, so nothing was stored and the unit may run again."""


class PostgresBackend:
    """A pool on one server. Units have transactions of their own; records are merged while a batch is in flight."""

    def __init__(
        self, engine: AsyncEngine, signal: CommitSignal, stats: Stats, *, writable: bool, notes: tuple[str, ...]
    ) -> None:
        guard_ends(engine.sync_engine)
        self._engine = engine
        self._snapshots = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._signal = signal
        self._stats = stats
        self._batcher = Batcher(self._transact, RERUNS, stats)
        self._running: set[asyncio.Task[Any]] = set()
        self._writable = writable
        self._closed = False
        self.notes = notes

    @classmethod
    async def open(
        cls,
        url: URL,
        *,
        clock: Callable[[], int] | None,
        migrate: bool,
        pool_size: int,
        signal: CommitSignal,
        stats: Stats,
    ) -> PostgresBackend:
        """Connect, see that the server keeps what it commits, bring the schema up to date or check it."""
        url = with_driver(url)
        notes = await _prepare(url, migrate=migrate)
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            connect_args=_connect_args(url, STATEMENT_S),
            execution_options=clock_options(clock),
        )
        return cls(engine, signal, stats, writable=True, notes=tuple(notes))

    @classmethod
    async def open_readonly(cls, url: URL, *, clock: Callable[[], int] | None) -> PostgresBackend:
        """Open for reading only, for commands beside running nodes."""
        url = with_driver(url)
        engine = create_async_engine(
            url, pool_size=2, connect_args=_connect_args(url, STATEMENT_S), execution_options=clock_options(clock)
        )
        return cls(engine, CommitSignal(), Stats(), writable=False, notes=())

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        self._require_writable()
        require_room(self._stats.waiting)
        task = asyncio.create_task(self._counted(unit))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def merged(self, unit: Callable[[Connection, Sequence[R]], Sequence[T]], record: R) -> T:
        """See `Database.merged`."""
        self._require_writable()
        return cast(T, await self._batcher.submit(unit, record))

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        self._require_open()
        async with connected(self._snapshots) as connection:
            try:
                return await connection.run_sync(unit)
            except Exception as error:
                raise explain(error) from error

    async def close(self) -> None:
        """Wait for the transactions under way, then close the pool."""
        self._closed = True
        await self._batcher.close()
        while self._running:
            await asyncio.wait(set(self._running))
        await self._engine.dispose()

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("the database is closed", retryable=False)

    def _require_writable(self) -> None:
        self._require_open()
        if not self._writable:
            raise Unavailable("the database was opened for reading only", retryable=False)

    async def _counted(self, unit: Callable[[Connection], T]) -> T:
        self._stats.waiting += 1
        try:
            return await self._transact(unit, reruns=RERUNS)
        except BaseException:
            self._stats.failed_units += 1
            raise
        finally:
            self._stats.units += 1
            self._stats.waiting -= 1

    async def _transact(self, unit: Callable[[Connection], T], *, reruns: int) -> T:
        """Run `unit` in a transaction; again on conflict, and when the connection broke before the commit."""
        for _ in range(reruns):
            try:
                return await self._once(unit)
            except (Conflict, BrokenConnectionError):
                self._stats.reruns += 1
        return await self._once(unit)

    async def _once(self, unit: Callable[[Connection], T]) -> T:
        async with connected(self._engine) as connection:
            try:
                result = await connection.run_sync(_guarded, unit)
            except Exception as error:
                known = explain(error)
                if connection.invalidated and not isinstance(error, TimeoutError):
                    raise BrokenConnectionError(str(known)) from error
                raise known from error
            crash_point("postgres.before_commit")
            try:
                await connection.commit()
            except Exception as error:
                raise explain(error) from error
        crash_point("postgres.after_commit")
        self._stats.commits += 1
        self._signal.notify()
        return result


def _guarded(tx: Connection, unit: Callable[[Connection], T]) -> T:
    with unit_running(tx):
        return unit(tx)


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction; what is not committed is rolled back at the end. Raises Unavailable."""
    connection = engine.connect()
    try:
        await connection.start()
        await connection.begin()
    except Exception as error:
        known = explain(error)
        if known is error:
            known = Unavailable(f"PostgreSQL at {_where(engine.url)} cannot be reached: {error}")
        raise known from error
    try:
        yield connection
    finally:
        await asyncio.shield(connection.close())


def explain(error: Exception) -> BaseException:
    """What a driver's error means; a statement that ran out of time has no code of its own."""
    if isinstance(error, TimeoutError):
        return Unavailable(f"PostgreSQL did not answer within {STATEMENT_S} s: try again")
    return translate(error)


def with_driver(url: URL) -> URL:
    """The URL with asyncpg where it names no driver, and with libpq's `sslmode` in the driver's own word."""
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+asyncpg")
    if url.drivername == "postgresql+asyncpg" and "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url


def _connect_args(url: URL, statement_s: int | None) -> dict[str, Any]:
    if url.drivername == "postgresql+psycopg":
        # PgBouncer hands a transaction to any server connection, where a prepared statement may be unknown.
        return {"connect_timeout": CONNECT_S, "prepare_threshold": None, "application_name": "advisor-gateway"}
    return {
        "timeout": CONNECT_S,
        "command_timeout": statement_s,
        "prepared_statement_cache_size": 500,
        "server_settings": {"application_name": "advisor-gateway"},
    }


async def _prepare(url: URL, *, migrate: bool) -> list[str]:
    """Check the server and the schema on a connection without a time limit: a migration may take long."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args=_connect_args(url, None))
    try:
        async with connected(engine) as connection:
            await _refuse_unsafe_server(connection)
        for _ in range(RERUNS):
            try:
                return await _prepare_schema(engine, migrate=migrate)
            except Conflict:
                # Two nodes made the version table at once; the second now finds it.
                continue
        return await _prepare_schema(engine, migrate=migrate)
    finally:
        await engine.dispose()


async def _prepare_schema(engine: AsyncEngine, *, migrate: bool) -> list[str]:
    async with connected(engine) as connection:
        try:
            notes = await connection.run_sync(upgrade if migrate else require_current)
            crash_point("migrate.before_commit")
            await connection.commit()
        except Exception as error:
            raise explain(error) from error
    crash_point("migrate.after_commit")
    return notes


async def _refuse_unsafe_server(connection: AsyncConnection) -> None:
    fsync, synchronous_commit, encoding, standby = (await connection.execute(_SERVER_SETTINGS)).one()
    problem = unsafe_setting(fsync=fsync, synchronous_commit=synchronous_commit, encoding=encoding, standby=standby)
    if problem:
        raise Refused(problem)


def unsafe_setting(*, fsync: str, synchronous_commit: str, encoding: str, standby: bool) -> str | None:
    """Why a server would forget what it acknowledged or cannot hold every text, in one line; None when it is fit."""
    if fsync == "off":
        return "PostgreSQL runs with fsync=off and can lose everything in a power cut: set fsync=on in postgresql.conf"
    if synchronous_commit == "off":
        return (
            "PostgreSQL runs with synchronous_commit=off and forgets acknowledged messages in a crash: "
            "set it to on for the server, this database and this user"
        )
    if encoding != "UTF8":
        return f"the PostgreSQL database is encoded in {encoding}: create it with ENCODING 'UTF8'"
    if standby:
        return "this PostgreSQL server is a standby and accepts no writes: point storage.url at the primary"
    return None


def _where(url: URL) -> str:
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}:{url.port or 5432}/{url.database}"
