"""The inbox: each event once, worked in the order of its key, by one worker at a time. Drawn in docs/states/inbox.md."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, exists, func, select, update

from domain.ids import AccountId, BrandId, InboxId, new_id
from domain.messages import Inbound, decode_inbound, encode_inbound
from storage.dialect import insert
from storage.leases import Damaged, LeaseLost, one_of, require_intact
from storage.outbox import checksum
from storage.tables.queue import inbox
from storage.tables.talk import media


class InboxState(StrEnum):
    """States of an inbox row. A parked one failed too often and waits for a person; its key goes on."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    PARKED = "parked"


ACTIVE = (InboxState.QUEUED, InboxState.LEASED)
"""States in which a row holds those behind it in its key."""

_ERROR_CHARS = 1000


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event on its way in, with the clear body it was read from."""

    brand: BrandId
    inbound: Inbound
    raw: str = ""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A leased event. `attempts` counts this one; `fence` proves the lease to whoever writes about it."""

    brand: BrandId
    id: InboxId
    account: AccountId
    kind: str
    event: str
    crc: int
    received_at: int
    attempts: int
    fence: int

    @property
    def inbound(self) -> Inbound:
        """The event itself. Raises Damaged when it is not what was accepted, or nothing this program knows."""
        require_intact(self.event, self.crc, f"inbox row {self.id}")
        try:
            return decode_inbound(json.loads(self.event))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"inbox row {self.id} holds an event this program cannot read: {error!r}") from error


def accept(tx: Connection, arrivals: Sequence[tuple[Arrival, int]]) -> list[bool]:
    """Keep events, each with the time it was received (ms); True for those that are new, False for repeats.

    The unique key decides, so the same event in two processes at once is kept once. Files an event brings are wanted from now on.
    """
    rows = [_row(arrival, received_at) for arrival, received_at in arrivals]
    # In one order for everybody: two nodes that accept the same repeats must not wait for each other.
    ordered = sorted(rows, key=lambda row: (row["brand"], row["account"], row["dedup_key"]))
    statement = insert(tx, inbox).on_conflict_do_nothing().returning(inbox.c.id)
    stored = set(tx.execute(statement, ordered).scalars())
    accepted = [row["id"] in stored for row in rows]
    _want_media(tx, [arrival for arrival, is_new in zip(arrivals, accepted, strict=True) if is_new])
    return accepted


def _row(arrival: Arrival, received_at: int) -> dict[str, Any]:
    inbound = arrival.inbound
    event = _storable(json.dumps(encode_inbound(inbound), ensure_ascii=False, separators=(",", ":")))
    return {
        "brand": arrival.brand,
        "id": new_id(received_at),
        "account": inbound.account,
        "dedup_key": _storable(inbound.dedup_key),
        "order_key": _storable(inbound.order_key),
        "kind": inbound.kind.value,
        "event": event,
        "raw": _storable(arrival.raw),
        "crc": checksum(event),
        "received_at": received_at,
        "state": InboxState.QUEUED.value,
        "next_at": received_at,
    }


def _storable(text: str) -> str:
    """`text` as both engines can keep it: PostgreSQL has no NUL, and half a surrogate pair is no UTF-8."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _want_media(tx: Connection, arrivals: Sequence[tuple[Arrival, int]]) -> None:
    rows = [
        {
            "brand": arrival.brand,
            "id": wanted.id,
            "account": arrival.inbound.account,
            "origin": wanted.origin,
            "type": wanted.type,
            "state": "wanted",
            "next_at": received_at,
            "created_at": received_at,
        }
        for arrival, received_at in arrivals
        for wanted in arrival.inbound.media
    ]
    if rows:
        tx.execute(media.insert(), rows)


_earlier = inbox.alias("earlier")
_is_head = ~exists().where(
    _earlier.c.brand == inbox.c.brand,
    _earlier.c.order_key == inbox.c.order_key,
    _earlier.c.id < inbox.c.id,
    one_of(_earlier.c.state, ACTIVE),
)
HEADS = (
    select(inbox.c.brand, inbox.c.id)
    .where(one_of(inbox.c.state, ACTIVE), inbox.c.next_at <= bindparam("at"), _is_head)
    .order_by(inbox.c.next_at, inbox.c.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
"""Events whose turn it is."""

_due = HEADS.cte("due")
_LEASE = (
    update(inbox)
    .where(inbox.c.brand == _due.c.brand, inbox.c.id == _due.c.id)
    .values(
        state=InboxState.LEASED.value,
        next_at=bindparam("until"),
        leased_until=bindparam("until"),
        attempts=inbox.c.attempts + 1,
        fence=inbox.c.fence + 1,
    )
    .returning(
        inbox.c.brand,
        inbox.c.id,
        inbox.c.account,
        inbox.c.kind,
        inbox.c.event,
        inbox.c.crc,
        inbox.c.received_at,
        inbox.c.attempts,
        inbox.c.fence,
    )
)


def lease(tx: Connection, n: int, now: int, for_ms: int) -> list[InboxRow]:
    """Take at most `n` events whose turn it is, for `for_ms`: only the head of each order key, the longest due first.

    A row whose last worker fell silent is taken over; its fence grows, so that worker can no longer write about it. Attempts are
    counted here, because an event that kills the process leaves nobody to count afterwards.
    """
    found = tx.execute(_LEASE, {"at": now, "most": n, "until": now + for_ms})
    rows = [
        InboxRow(
            brand=BrandId(row.brand),
            id=InboxId(row.id),
            account=AccountId(row.account),
            kind=row.kind,
            event=row.event,
            crc=row.crc,
            received_at=row.received_at,
            attempts=row.attempts,
            fence=row.fence,
        )
        for row in found
    ]
    return sorted(rows, key=lambda row: row.id)


_MINE = and_(
    inbox.c.brand == bindparam("of_brand"),
    inbox.c.id == bindparam("of_id"),
    inbox.c.fence == bindparam("of_fence"),
    inbox.c.state == InboxState.LEASED.value,
)
_FINISH = update(inbox).where(_MINE).values(state=InboxState.DONE.value, done_at=bindparam("at"), error="")
_RETRY = (
    update(inbox)
    .where(_MINE)
    .values(state=InboxState.QUEUED.value, error=bindparam("why"), next_at=bindparam("at"), leased_until=0)
)
_PARK = (
    update(inbox).where(_MINE).values(state=InboxState.PARKED.value, error=bindparam("why"), done_at=bindparam("at"))
)
_RELEASE = (
    update(inbox)
    .where(_MINE)
    .values(state=InboxState.QUEUED.value, attempts=inbox.c.attempts - 1, next_at=bindparam("at"), leased_until=0)
)


def finish(tx: Connection, row: InboxRow, now: int) -> None:
    """The event is worked off. Raises LeaseLost; call it first in a unit, so that a worker that lost its row writes nothing."""
    _settle(tx, _FINISH, row, at=now)


def retry_later(tx: Connection, row: InboxRow, error: str, next_at: int) -> None:
    """The event failed and is tried again at `next_at` (ms); what is behind it in its key waits. Raises LeaseLost."""
    _settle(tx, _RETRY, row, at=next_at, why=error[:_ERROR_CHARS])


def park(tx: Connection, row: InboxRow, error: str, now: int) -> None:
    """The event failed for good: kept for a person, its key goes on. Raises LeaseLost."""
    _settle(tx, _PARK, row, at=now, why=error[:_ERROR_CHARS])


def release(tx: Connection, row: InboxRow, now: int) -> None:
    """Hand the event back untried, as if it had never been leased. Raises LeaseLost."""
    _settle(tx, _RELEASE, row, at=now)


def _settle(tx: Connection, statement: Any, row: InboxRow, **values: Any) -> None:
    key = {"of_brand": row.brand, "of_id": row.id, "of_fence": row.fence}
    if tx.execute(statement, {**key, **values}).rowcount != 1:
        raise LeaseLost(f"inbox row {row.id} was taken over by another worker")


def release_all(tx: Connection, now: int) -> int:
    """Hand every leased event back, because no other worker can be alive (one node on SQLite, at its start); returns how many."""
    leased = and_(one_of(inbox.c.state, ACTIVE), inbox.c.state == InboxState.LEASED.value)
    statement = update(inbox).where(leased).values(state=InboxState.QUEUED.value, next_at=now, leased_until=0)
    return tx.execute(statement).rowcount


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits: rows counted up to a limit, and when the oldest of them was received (ms; 0 when none waits)."""

    rows: int
    oldest_at: int


def backlog(tx: Connection, limit: int = 10_000) -> Backlog:
    """What waits in the inbox, counted up to `limit` so that looking stays cheap."""
    waiting = select(inbox.c.received_at).where(one_of(inbox.c.state, ACTIVE)).limit(limit).subquery()
    rows, oldest = tx.execute(select(func.count(), func.min(waiting.c.received_at))).one()
    return Backlog(rows, oldest or 0)
