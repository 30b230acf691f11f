"""The emulator's small SQLite file: current records by key, and rows (messages, deliveries) in order."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

SCHEMA = """
create table if not exists records (
    kind text not null, key text not null, body blob not null, primary key (kind, key)
) without rowid;
create table if not exists rows (
    kind text not null, id integer not null, thread text not null, ref text not null, body blob not null,
    primary key (kind, id)
) without rowid;
create index if not exists rows_by_thread on rows (kind, thread, id);
create index if not exists rows_by_ref on rows (kind, ref) where ref != '';
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Something that happened: a message of a phone, a delivery of a callback. `ref` finds it again."""

    kind: str
    id: int
    thread: str
    ref: str
    body: Any


class Database:
    """`state.sqlite3`. One thread writes through `save`; reads are short and run where they are needed."""

    def __init__(self, directory: Path) -> None:
        path = directory / "state.sqlite3"
        self._writer = sqlite3.connect(path, check_same_thread=False)
        self._writer.execute("pragma journal_mode = wal")
        self._writer.execute("pragma synchronous = normal")
        self._writer.executescript(SCHEMA)
        self._reader = sqlite3.connect(path)

    def save(self, records: dict[tuple[str, str], bytes | None], rows: Iterable[tuple[Any, ...]]) -> None:
        """Write one group in one transaction; a record of None is deleted."""
        kept = [(kind, key, body) for (kind, key), body in records.items() if body is not None]
        gone = [pair for pair, body in records.items() if body is None]
        with self._writer:
            self._writer.executemany("insert or replace into records values (?, ?, ?)", kept)
            self._writer.executemany("delete from records where kind = ? and key = ?", gone)
            self._writer.executemany("insert or replace into rows values (?, ?, ?, ?, ?)", rows)

    def clear(self) -> None:
        """Forget everything."""
        with self._writer:
            self._writer.execute("delete from records")
            self._writer.execute("delete from rows")

    def records(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Every record of a kind as (key, body)."""
        found = self._reader.execute("select key, body from records where kind = ?", (kind,))
        return ((key, orjson.loads(body)) for key, body in found)

    def last_id(self, kind: str) -> int:
        """The highest row id of a kind, 0 when there is none."""
        (last,) = self._reader.execute("select coalesce(max(id), 0) from rows where kind = ?", (kind,)).fetchone()
        return int(last)

    def row(self, kind: str, row_id: int) -> Any | None:
        """One row's body, or None."""
        return self._one("select body from rows where kind = ? and id = ?", (kind, row_id))

    def thread(self, kind: str, thread: str) -> list[Any]:
        """The bodies of a thread, oldest first."""
        return self._all("select body from rows where kind = ? and thread = ? order by id", (kind, thread))

    def by_ref(self, kind: str, ref: str) -> list[Any]:
        """The bodies that carry a reference, oldest first."""
        return self._all("select body from rows where kind = ? and ref = ? and ref != '' order by id", (kind, ref))

    def since(self, kind: str, row_id: int, limit: int) -> list[Any]:
        """The bodies after an id, oldest first."""
        return self._all("select body from rows where kind = ? and id > ? order by id limit ?", (kind, row_id, limit))

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()

    def _one(self, statement: str, values: tuple[Any, ...]) -> Any | None:
        found = self._reader.execute(statement, values).fetchone()
        return orjson.loads(found[0]) if found else None

    def _all(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        return [orjson.loads(body) for (body,) in self._reader.execute(statement, values)]
