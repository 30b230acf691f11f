"""A process that writes and says aloud what was acknowledged, so that its parent can kill it and compare.

    python -m tests.contract.writing_child URL DATA_DIR

Each acknowledged note is one line on standard output. ADVISOR_TEST_MUTANT=answer_before_commit breaks the promise on
purpose, which the test must notice.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, Table, Text, insert

import storage.writer
from storage.engine import Database
from storage.group import run_group
from storage.jobs import Job, settle
from storage.signals import Stats

MUTANT = "ADVISOR_TEST_MUTANT"
WRITERS = 12

metadata = MetaData()
acknowledged = Table("test_acknowledged", metadata, Column("id", Text, primary_key=True))


def keep(tx: Connection, names: Sequence[str]) -> list[str]:
    tx.execute(insert(acknowledged), [{"id": name} for name in names])
    return list(names)


async def write_for_ever(db: Database, *, merged: bool) -> None:
    while True:
        name = uuid.uuid4().hex
        if merged:
            await db.merged(keep, name)
        else:
            await db.write(partial(keep, names=[name]))
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()


def answer_before_commit(loop: asyncio.AbstractEventLoop) -> None:
    """Mutant: callers hear yes when their unit has run, while the commit is still to come."""

    async def answer(jobs: list[Job]) -> None:
        settle(jobs)
        for _ in range(5):
            await asyncio.sleep(0)

    def early(tx: Connection, steps: deque[list[Job]], done: list[Job], stats: Stats) -> None:
        run_group(tx, steps, done, stats)
        asyncio.run_coroutine_threadsafe(answer(done), loop).result()

    vars(storage.writer)["run_group"] = early


async def main(url: str, data_dir: Path) -> None:
    if os.environ.get(MUTANT) == "answer_before_commit":
        answer_before_commit(asyncio.get_running_loop())
    async with await Database.open(url, data_dir=data_dir, migrate=True, min_free_mb=1) as db:
        await db.write(metadata.create_all)
        await asyncio.gather(*(write_for_ever(db, merged=bool(number % 2)) for number in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
