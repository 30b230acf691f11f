"""SQLite's readers: a few query-only connections of aiosqlite, each on its own thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

import aiosqlite
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event

from storage.clock import clock_options
from storage.errors import Unavailable
from storage.translate import translated

T = TypeVar("T")

READERS: Final = 4
BUSY_S: Final = 0.3
"""How long to wait for a lock held by a foreign program; DingTalk allows a callback 1.5 s in all."""
WAIT_S: Final = 5
"""How long a read may wait for a free reader."""


class Reader(aiosqlite.Connection):
    """Runs whole units on its thread: one hop for each unit, where aiosqlite alone takes three for each statement.

    A unit of 8 selects takes 0.5 ms this way and 4 ms the other (measured).
    """

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        super().__init__(self._connect_here, iter_chunk_size=64)
        # A process that forgets to close must still be able to exit.
        self._thread.daemon = True
        self._path = path
        self._clock = clock
        self._tx_connection: Connection | None = None

    async def run(self, unit: Callable[[Connection], T]) -> T:
        """Run `unit` on one snapshot. Cancelling gives up the answer; the thread finishes the unit."""
        return cast(T, await self._here(self._in_snapshot, unit))

    async def close(self) -> None:
        """Close the connection and end the thread. Safe to call twice."""
        if self._connection is not None and self._tx_connection is not None:
            await self._here(self._tx_connection.close)
        await super().close()

    async def _here(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._execute(function, *arguments)  # type: ignore[no-untyped-call]

    def _connect_here(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path))}?mode=ro"
        raw = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, cached_statements=512)
        try:
            raw.execute("PRAGMA query_only=ON")
            raw.execute("PRAGMA cache_size=-8192")
            self._tx_connection = self._engine_over(raw).connect()
        except BaseException:
            raw.close()
            raise
        return raw

    def _engine_over(self, raw: sqlite3.Connection) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self._path)),
            creator=lambda: raw,
            poolclass=NullPool,
            execution_options=clock_options(self._clock),
        )
        event.listen(engine, "begin", lambda _connection: raw.execute("BEGIN"))
        return engine

    def _in_snapshot(self, unit: Callable[[Connection], T]) -> T:
        tx = cast(Connection, self._tx_connection)
        with translated(), tx.begin():
            return unit(tx)


class Readers:
    """Hands each read to a free reader, the one used last first: its cache is warm."""

    def __init__(self, readers: list[Reader]) -> None:
        self._all = readers
        self._closed = False
        self._free: asyncio.LifoQueue[Reader] = asyncio.LifoQueue()
        for reader in readers:
            self._free.put_nowait(reader)

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], int], count: int = READERS) -> Readers:
        """Open `count` readers of an existing file. Raises Unavailable or Corrupt, with nothing left open."""
        opened: list[Reader] = []
        try:
            with translated():
                for _ in range(count):
                    reader = Reader(path, clock)
                    await reader
                    opened.append(reader)
        except BaseException:
            await cls(opened).close()
            raise
        return cls(opened)

    async def run(self, unit: Callable[[Connection], T]) -> T:
        """Run `unit` on one snapshot. Raises Unavailable when every reader stays busy."""
        reader = await self._take()
        try:
            return await reader.run(unit)
        finally:
            # After a cancellation the thread may still be at work: the next unit then waits in that reader's queue.
            self._free.put_nowait(reader)

    async def close(self) -> None:
        """Turn new reads away, wait for the units under way, close every reader."""
        self._closed = True
        for reader in self._all:
            await reader.close()

    async def _take(self) -> Reader:
        if self._closed:
            raise Unavailable("the database is closed", retryable=False)
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._free.get()
        except TimeoutError as error:
            raise Unavailable(f"all {len(self._all)} readers were busy for {WAIT_S} s: try again") from error
