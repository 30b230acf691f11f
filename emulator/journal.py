"""Group commit: ledger lines and state changes of many calls reach the disk together, in one thread."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from emulator.database import Database, Row
from emulator.ledger import Ledger

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Group:
    """What waits for the next write: everything in it becomes durable together or not at all."""

    done: asyncio.Future[None]
    entries: list[dict[str, Any]] = field(default_factory=list)
    records: dict[tuple[str, str], Any] = field(default_factory=dict)
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    afterwards: list[Callable[[], None]] = field(default_factory=list)


class Journal:
    """Collects changes on the event loop and writes them in a thread; `commit` returns when they are on the disk."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="emulator-journal")
        self._group: Group | None = None
        self._writing: asyncio.Task[None] | None = None

    def line(self, entry: dict[str, Any]) -> None:
        """Add a ledger line."""
        self._open_group().entries.append(entry)

    def record(self, kind: str, key: str, value: Any) -> None:
        """Save a record as it will be when the group is written; None deletes it."""
        self._open_group().records[kind, key] = value

    def row(self, row: Row) -> None:
        """Save or replace a row."""
        self._open_group().rows[row.kind, row.id] = row

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this on the event loop once the group is durable; for telling others what happened."""
        self._open_group().afterwards.append(call)

    async def commit(self) -> None:
        """Wait until everything handed in so far is on the disk. Raises OSError when it could not be written."""
        group = self._open_group()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_groups())
        await asyncio.shield(group.done)

    async def stop(self) -> None:
        """Write what is left and end the thread."""
        await self.commit()
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    async def forget(self) -> None:
        """Empty the database and put the ledger file aside."""
        await self.commit()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._database.clear)
        await loop.run_in_executor(self._thread, self._ledger.start_anew)

    def _open_group(self) -> Group:
        if self._group is None:
            self._group = Group(asyncio.get_running_loop().create_future())
        return self._group

    async def _write_groups(self) -> None:
        while (group := self._group) is not None:
            self._group = None
            try:
                await self._write(group)
            except Exception as error:
                log.exception("the journal could not be written")
                group.done.set_exception(OSError(f"the journal could not be written: {error}"))
                group.done.exception()  # nobody may be waiting for this group
            else:
                _finish(group)

    async def _write(self, group: Group) -> None:
        records = {name: _encode(value) for name, value in group.records.items()}
        rows = [(row.kind, row.id, row.thread, row.ref, _encode(row.body)) for row in group.rows.values()]
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write_files, group.entries, records, rows)

    def _write_files(
        self, entries: list[dict[str, Any]], records: dict[tuple[str, str], bytes | None], rows: list[Any]
    ) -> None:
        if entries:
            self._ledger.append(entries)
        if records or rows:
            self._database.save(records, rows)


def _finish(group: Group) -> None:
    group.done.set_result(None)
    for call in group.afterwards:
        call()


def _encode(value: Any) -> bytes | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
