"""One face over both engines: units of work in, results out, nothing acknowledged before it is durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from storage.clock import now
from storage.errors import Refused
from storage.places import prepare_directory
from storage.postgres import POOL_SIZE, PostgresBackend
from storage.signals import CommitSignal, Stats
from storage.sqlite import SqliteBackend

__all__ = ["Database", "now"]

T = TypeVar("T")
R = TypeVar("R")


class Backend(Protocol):
    """What an engine does for `Database`; see there for the promises."""

    notes: tuple[str, ...]

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.write`."""

    async def merged(self, unit: Callable[[Connection, Sequence[R]], Sequence[T]], record: R) -> T:
        """See `Database.merged`."""

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """See `Database.read`."""

    async def close(self) -> None:
        """See `Database.close`."""


class Database:
    """An open database, the same on SQLite and on PostgreSQL. It belongs to the event loop that opened it.

    A unit of work is a plain function over a SQLAlchemy `Connection`: it cannot await, so it cannot reach the
    network. It should last 50 ms at most, must not commit or roll back by itself, and may be run again after a
    `Conflict`, so it must leave nothing behind but its rows. On SQLite it runs on the writer's thread.

    What any method may raise: Conflict, Violation, Unavailable and Corrupt of `storage.errors`, and whatever the
    unit itself raised; in each case nothing of that unit was stored.
    """

    def __init__(self, backend: Backend, signal: CommitSignal, stats: Stats) -> None:
        self._backend = backend
        self._signal = signal
        self.stats = stats

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        data_dir: Path,
        clock: Callable[[], int] | None = None,
        migrate: bool | None = None,
        check: bool = True,
        min_free_mb: int = 500,
        pool_size: int = POOL_SIZE,
    ) -> Database:
        """Open `sqlite:////path/to.db` or `postgresql://...` for reading and writing.

        `clock` gives milliseconds since the Unix epoch (UTC) and is what `now` answers inside units; without it
        `now` is the host's clock on SQLite and the server's on PostgreSQL. `migrate` brings the schema up to date
        first; by default on SQLite only. `check` reads the whole SQLite file for damage first. `pool_size` is the
        number of PostgreSQL connections.

        Raises Refused, Locked, Unavailable or Corrupt, with nothing left open.
        """
        parsed, signal, stats = _parse(url), CommitSignal(), Stats()
        if _is_sqlite(parsed):
            backend: Backend = await SqliteBackend.open(
                parsed,
                data_dir=data_dir,
                clock=clock,
                migrate=migrate is not False,
                check=check,
                min_free_mb=min_free_mb,
                signal=signal,
                stats=stats,
            )
        else:
            prepare_directory(data_dir, min_free_mb=min_free_mb)
            backend = await PostgresBackend.open(
                parsed, clock=clock, migrate=migrate is True, pool_size=pool_size, signal=signal, stats=stats
            )
        return cls(backend, signal, stats)

    @classmethod
    async def open_readonly(cls, url: str, *, clock: Callable[[], int] | None = None) -> Database:
        """Open for `read` alone, beside a running node: takes no lock, checks and changes nothing. Raises Refused."""
        parsed = _parse(url)
        backend: Backend = (
            await SqliteBackend.open_readonly(parsed, clock=clock)
            if _is_sqlite(parsed)
            else await PostgresBackend.open_readonly(parsed, clock=clock)
        )
        return cls(backend, CommitSignal(), Stats())

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know about this engine; found at the start, worth a line in the log."""
        return self._backend.notes

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """Run `unit` in a transaction and return its result once that is committed and synced to disk.

        A unit that raises `Conflict` (or meets one: unique key, serialization failure, deadlock) is run again, at
        most 3 times. Cancelling the caller does not cancel the unit.
        """
        return await self._backend.write(unit)

    async def merged(self, unit: Callable[[Connection, Sequence[R]], Sequence[T]], record: R) -> T:
        """Like `write`, for the hot path: all records that wait for the same `unit` are handed over in one call.

        `unit` gets at most 500 records in their order of arrival and returns one result for each. When it raises,
        it is called again with the halves, down to single records, so that a bad record fails alone. Records are
        merged by equal `unit`: pass a function or a bound method, never a fresh lambda.
        """
        return await self._backend.merged(unit, record)

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """Run `unit` on one consistent snapshot of what is committed; it cannot write (Unavailable if it tries)."""
        return await self._backend.read(unit)

    @property
    def commits(self) -> int:
        """How many commits of this node have been made since the database was opened."""
        return self._signal.count

    async def committed_beyond(self, seen: int) -> int:
        """Wait for a commit after the `seen`-th; returns `commits`. A hint: other nodes' commits give none."""
        return await self._signal.beyond(seen)

    async def close(self) -> None:
        """Finish what was handed over, then close every connection. Safe to call twice."""
        await self._backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Refused(
            "storage.url cannot be read: write sqlite:////path/to.db or postgresql://user@host/name"
        ) from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql", "postgres"}:
        raise Refused(f"storage.url names {parsed.get_backend_name()!r}: only sqlite and postgresql are supported")
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"
