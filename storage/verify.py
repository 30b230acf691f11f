"""Is what is stored what was written? The engine's own check, and the checksums kept beside payloads. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from domain.ids import BrandId
from storage.outbox import checksum
from storage.tables.queue import inbox, outbox

_PROBLEMS = 10


def damaged_pages(tx: Connection) -> list[str]:
    """What SQLite's own check of its file finds, a line each; empty when all is well. PostgreSQL checks its pages itself."""
    if tx.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in tx.execute(text(f"PRAGMA quick_check({_PROBLEMS})"))]
    return [] if found == ["ok"] else found


@dataclass(frozen=True, slots=True)
class Checked:
    """A page of payloads that was read: how many, which of them are damaged, and where the next page begins (empty at the end)."""

    rows: int
    damaged: Sequence[str]
    next: str


def inbox_page(tx: Connection, brand: BrandId, after: str, limit: int) -> Checked:
    """Compare inbox payloads behind the id `after` with their checksums."""
    mine = select(inbox.c.id, inbox.c.event, inbox.c.crc).where(inbox.c.brand == brand, inbox.c.id > after)
    return _checked([(row.id, row.event, row.crc) for row in tx.execute(mine.order_by(inbox.c.id).limit(limit))], limit)


def outbox_page(tx: Connection, brand: BrandId, after: str, limit: int) -> Checked:
    """Compare outbox payloads behind the id `after` with their checksums."""
    mine = select(outbox.c.id, outbox.c.call, outbox.c.crc).where(outbox.c.brand == brand, outbox.c.id > after)
    return _checked([(row.id, row.call, row.crc) for row in tx.execute(mine.order_by(outbox.c.id).limit(limit))], limit)


def _checked(rows: Sequence[tuple[str, str, int]], limit: int) -> Checked:
    damaged = [row_id for row_id, payload, crc in rows if checksum(payload) != crc]
    return Checked(len(rows), damaged, rows[-1][0] if len(rows) == limit else "")
