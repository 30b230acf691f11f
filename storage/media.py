"""Files of messages: wanted from a platform, stored by content, or lost; sends that wait for one. Uploads: uploads.py."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, literal, select, update

from domain.calls import DUE_MS, Call, Lane, OutboxState, encode_call
from domain.ids import AccountId, BrandId, MediaId, new_id
from storage.calls import OutboxRow, key, sendable
from storage.outbox import checksum
from storage.tables.queue import outbox
from storage.tables.talk import media


class MediaState(StrEnum):
    """A file is `wanted` from the platform that keeps it for a few days, then `stored` with us, or `lost` for good."""

    WANTED = "wanted"
    STORED = "stored"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class MediaRow:
    """A file of ours. `origin` is the platform's own id of it; `sha256` names its bytes once they are stored."""

    brand: BrandId
    id: MediaId
    account: AccountId
    origin: str
    type: str
    state: MediaState
    sha256: str
    content_type: str
    attempts: int
    created_at: int


_COLUMNS = [media.c[name] for name in MediaRow.__slots__]


def _read(row: Any) -> MediaRow:
    return MediaRow(**{**row._mapping, "state": MediaState(row.state)})


def find(tx: Connection, brand: BrandId, media_id: MediaId) -> MediaRow | None:
    """The file of that id."""
    row = tx.execute(select(*_COLUMNS).where(media.c.brand == brand, media.c.id == media_id)).first()
    return _read(row) if row else None


def lease_wanted(tx: Connection, n: int, now: int, for_ms: int) -> list[MediaRow]:
    """Take at most `n` files that are wanted now; nobody else gets them for `for_ms`. `attempts` counts this one."""
    due = (
        select(media.c.brand, media.c.id)
        .where(media.c.state == MediaState.WANTED.value, media.c.next_at <= now)
        .order_by(media.c.next_at, media.c.id)
        .limit(n)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = (
        update(media)
        .where(media.c.brand == due.c.brand, media.c.id == due.c.id)
        .values(next_at=now + for_ms, attempts=media.c.attempts + 1)
        .returning(*_COLUMNS)
    )
    return [_read(row) for row in tx.execute(statement)]


def _wanted(row: MediaRow) -> Any:
    return and_(media.c.brand == row.brand, media.c.id == row.id, media.c.state == MediaState.WANTED.value)


def keep_stored(tx: Connection, row: MediaRow, sha256: str, content_type: str, size: int, now: int) -> None:
    """The bytes are on disk under `sha256`: whoever waits for them may send them now. A second finder changes nothing."""
    values = {"state": MediaState.STORED.value, "sha256": sha256, "content_type": content_type, "bytes": size}
    if tx.execute(update(media).where(_wanted(row)).values(values)).rowcount:
        _release_waiting(tx, row, now)


def keep_lost(tx: Connection, row: MediaRow, now: int) -> None:
    """The platform does not have it any more, or it could not be fetched in time: whoever waits is told so."""
    if tx.execute(update(media).where(_wanted(row)).values(state=MediaState.LOST.value)).rowcount:
        _release_waiting(tx, row, now)


def retry_wanted(tx: Connection, row: MediaRow, next_at: int) -> None:
    """Not fetched this time; again from `next_at` (ms)."""
    tx.execute(update(media).where(_wanted(row)).values(next_at=next_at))


def _waiting_for(media_id: MediaId) -> str:
    return f"media:{media_id}"


def _release_waiting(tx: Connection, row: MediaRow, now: int) -> None:
    held = and_(
        outbox.c.brand == row.brand,
        outbox.c.state == OutboxState.HELD.value,
        outbox.c.reason == _waiting_for(row.id),
    )
    queued = {"state": OutboxState.QUEUED.value, "reason": "", "next_at": now, "due_by": now + DUE_MS[Lane.TALK]}
    tx.execute(update(outbox).where(held).values(queued))


_REPLACE = update(outbox).where(sendable).values(call=bindparam("new_call"), crc=bindparam("new_crc"))


def replace_call(tx: Connection, row: OutboxRow, call: Call) -> OutboxRow | None:
    """Let a leased row say something else; None when it is no longer this worker's."""
    payload = json.dumps(encode_call(call), ensure_ascii=False, separators=(",", ":"))
    crc = checksum(payload)
    if tx.execute(_REPLACE, {**key(row), "new_call": payload, "new_crc": crc}).rowcount != 1:
        return None
    return replace(row, payload=payload, crc=crc)


def send_words_first(tx: Connection, row: OutboxRow, words: Call, media_id: MediaId, now: int) -> OutboxRow | None:
    """The leased row says `words` instead; a copy with the file follows in its stream once the file is stored or lost.

    None when the row is no longer this worker's.
    """
    worded = replace_call(tx, row, words)
    if worded is None:
        return None
    changed = {
        "id": new_id(now),
        "call": row.payload,
        "crc": row.crc,
        "state": OutboxState.HELD.value,
        "reason": _waiting_for(media_id),
        "leased_until": 0,
        "fence": 0,
        "created_at": now,
    }
    columns = [column.name for column in outbox.columns]
    values = [literal(changed[name]) if name in changed else outbox.c[name] for name in columns]
    original = select(*values).where(outbox.c.brand == row.brand, outbox.c.id == row.id)
    tx.execute(outbox.insert().from_select(columns, original))
    return worded
