"""How fast the storage engine is by itself: `python -m tests.load.storage_rates [postgresql://...]`, SQLite by default.

Rates depend on the disk and on who else uses the machine: compare runs made side by side, not numbers from different days.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, bindparam, insert, select

from storage.engine import Database

metadata = MetaData()
rows = Table(
    "test_rates",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("due_at", BigInteger, index=True),
    Column("body", Text),
)
adding = insert(rows)
finding = select(rows.c.body).where(rows.c.brand == "b1", rows.c.id == bindparam("id"))


def keep(tx: Connection, records: Sequence[dict[str, object]]) -> Sequence[dict[str, object]]:
    tx.execute(adding, list(records))
    return records


def look_up(tx: Connection, times: int) -> None:
    for _ in range(times):
        tx.execute(finding, {"id": "merged-0-0"}).scalar_one()


def row(name: str) -> dict[str, object]:
    return {"brand": "b1", "id": name, "due_at": time.time_ns() // 1_000_000, "body": "正文" * 100}


async def rate(what: str, callers: int, each: int, ask: Callable[[str], Awaitable[object]]) -> None:
    """Let `callers` ask `each` times, one after the other, and print what came of it."""
    delays: list[float] = []

    async def caller(number: int) -> None:
        for turn in range(each):
            asked = time.perf_counter()
            await ask(f"{number}-{turn}")
            delays.append(time.perf_counter() - asked)

    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    total = time.perf_counter() - started
    delays.sort()
    p50, p99 = (1000 * delays[int(len(delays) * share)] for share in (0.5, 0.99))
    print(f"{what:<28} {callers:>4} callers {len(delays) / total:>8.0f}/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")


async def merge_one(db: Database, name: str) -> object:
    return await db.merged(keep, row(f"merged-{name}"))


async def add_one(db: Database, prefix: str, name: str) -> object:
    return await db.write(partial(keep, records=[row(f"{prefix}-{name}")]))


async def read_one(db: Database, times: int, _name: str) -> object:
    return await db.read(partial(look_up, times=times))


async def measure(db: Database) -> None:
    await db.write(metadata.drop_all)
    await db.write(metadata.create_all)
    await rate("merged records", 200, 100, partial(merge_one, db))
    await rate("units of one insert", 1, 300, partial(add_one, db, "alone"))
    await rate("units of one insert", 50, 40, partial(add_one, db, "together"))
    await rate("reads of 1 select", 4, 200, partial(read_one, db, 1))
    await rate("reads of 8 selects", 4, 200, partial(read_one, db, 8))
    await db.write(metadata.drop_all)


async def main(url: str | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory)
        async with await Database.open(
            url or f"sqlite:///{data_dir}/rates.db", data_dir=data_dir, migrate=True, min_free_mb=1
        ) as db:
            await measure(db)
            print(db.stats)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
