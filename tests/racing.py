"""Two transactions at once on PostgreSQL, stepped by the test: who gets the row, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection, NullPool, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

T = TypeVar("T")

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'")


class Racer:
    """One open transaction."""

    def __init__(self, connection: AsyncConnection, watcher: AsyncEngine, pid: int) -> None:
        self._connection = connection
        self._watcher = watcher
        self._pid = pid

    async def run(self, unit: Callable[[Connection], T]) -> T:
        """Run a unit and leave its transaction open."""
        return await self._connection.run_sync(unit)

    async def commit(self) -> None:
        """End the transaction."""
        await self._connection.commit()

    async def starts_to_wait(self, unit: Callable[[Connection], T]) -> asyncio.Task[T]:
        """Start a unit, and return once the server says that it waits for the other's lock."""
        task = asyncio.create_task(self.run(unit))
        async with self._watcher.connect() as connection:
            while not (await connection.execute(_WAITING, {"pid": self._pid})).scalar_one():
                assert not task.done(), f"it did not wait: {task}"
                await connection.rollback()
        return task


@asynccontextmanager
async def two_transactions(url: str) -> AsyncIterator[tuple[Racer, Racer]]:
    """Two racers on the database at `url`; what they have not committed is rolled back."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as first, engine.connect() as second:
            yield await _racer(first, engine), await _racer(second, engine)
    finally:
        await engine.dispose()


async def _racer(connection: AsyncConnection, watcher: AsyncEngine) -> Racer:
    pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await connection.rollback()
    return Racer(connection, watcher, pid)
