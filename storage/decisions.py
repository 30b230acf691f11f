"""What only a person may decide over queued work: the unknown is sent again or given up, the parked is tried again."""

import json
from collections.abc import Collection

from sqlalchemy import Connection, and_, select, update

from domain.calls import Call, OutboxState, encode_call
from domain.ids import BrandId
from storage.outbox import checksum
from storage.tables.queue import inbox, outbox


def send_again(
    tx: Connection, brand: BrandId, outbox_id: str, call: Call, due_by: int, expires_at: int, now: int
) -> bool:
    """Queue an unknown row once more, at its old place in its stream; False when it is not unknown any more."""
    written = json.dumps(encode_call(call), ensure_ascii=False, separators=(",", ":"))
    again = {
        "call": written,
        "crc": checksum(written),
        "state": OutboxState.QUEUED.value,
        "reason": "sent_again_by_decision",
        "attempts": 0,
        "due_by": due_by,
        "expires_at": expires_at,
        "next_at": now,
        "leased_until": 0,
        "done_at": None,
    }
    return _decide(tx, brand, outbox_id, again)


def give_up(tx: Connection, brand: BrandId, outbox_id: str, now: int) -> bool:
    """End an unknown row for ever; False when it is not unknown any more."""
    return _decide(tx, brand, outbox_id, {"state": OutboxState.DEAD.value, "reason": "given_up", "done_at": now})


def _decide(tx: Connection, brand: BrandId, outbox_id: str, values: dict[str, object]) -> bool:
    unknown = and_(outbox.c.brand == brand, outbox.c.id == outbox_id, outbox.c.state == OutboxState.UNKNOWN.value)
    return tx.execute(update(outbox).where(unknown).values(values)).rowcount == 1


def redrive(tx: Connection, brand: BrandId, ids: Collection[str] | None, limit: int, now: int) -> list[str]:
    """Queue parked events again, the given ones or the oldest `limit`; returns their ids."""
    parked = and_(inbox.c.brand == brand, inbox.c.state == "parked")
    if ids is not None:
        parked = and_(parked, inbox.c.id.in_(list(ids)))
    chosen = select(inbox.c.id).where(parked).order_by(inbox.c.id).limit(limit)
    queued = {"state": "queued", "attempts": 0, "error": "", "next_at": now, "leased_until": 0}
    statement = update(inbox).where(inbox.c.brand == brand, inbox.c.id.in_(chosen), inbox.c.state == "parked")
    return sorted(tx.execute(statement.values(queued).returning(inbox.c.id)).scalars())
