"""A row of the outbox in the hands of a worker, and how its end is told to the handlers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam

from domain.calls import Call, Lane, OutboxState, decode_call
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, MessageId, OutboxId, RunId
from domain.messages import Inbound, Kind
from storage import inbox
from storage.leases import Damaged, one_of, require_intact
from storage.tables.queue import outbox


class Traffic(StrEnum):
    """The two kinds of traffic that share an account: people talking, and pushes, which never hold them up."""

    TALK = "talk"
    PUSH = "push"


SENDABLE = (OutboxState.QUEUED, OutboxState.RETRY_AT)
"""States from which a row may be called."""

FINAL = (
    OutboxState.ACCEPTED,
    OutboxState.REFUSED,
    OutboxState.UNKNOWN,
    OutboxState.EXPIRED,
    OutboxState.CANCELLED,
    OutboxState.DEAD,
)
"""States in which nothing more is done with a row by us."""

TOLD = (OutboxState.REFUSED, OutboxState.UNKNOWN, OutboxState.EXPIRED, OutboxState.DEAD, OutboxState.WAITING_WINDOW)
"""States of a message in a talk that somebody must hear about, whether he asked for a report or not."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A leased promise. `fence` proves the lease; `payload` is the stored call; `attempts` counts the calls made so far."""

    brand: BrandId
    id: OutboxId
    account: AccountId
    stream: str
    n: int
    lane: Lane
    recipient: str
    payload: str
    crc: int
    attempts: int
    due_by: int
    expires_at: int
    fence: int
    reports: bool
    conversation_id: ConversationId | None
    customer_id: CustomerId | None
    advisor_id: AdvisorId | None
    message_id: MessageId | None
    run_id: RunId | None
    created_at: int

    @property
    def call(self) -> Call:
        """What is to be called. Raises Damaged when it is not what was promised, or nothing this program knows."""
        require_intact(self.payload, self.crc, f"outbox row {self.id}")
        try:
            return decode_call(json.loads(self.payload))
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"outbox row {self.id} holds a call this program cannot read: {error!r}") from error

    @property
    def traffic(self) -> Traffic:
        """Which of the two kinds of traffic the row belongs to."""
        return Traffic.PUSH if self.lane is Lane.PUSH else Traffic.TALK


COLUMNS = [outbox.c.call.label("payload") if f.name == "payload" else outbox.c[f.name] for f in fields(OutboxRow)]
"""What a statement must return for `read_row`."""


def read_row(row: Any) -> OutboxRow:
    """The row of a statement that returned COLUMNS."""
    return OutboxRow(**{**row._mapping, "lane": Lane(row.lane), "reports": bool(row.reports)})


mine = and_(
    outbox.c.brand == bindparam("of_brand"),
    outbox.c.id == bindparam("of_id"),
    outbox.c.fence == bindparam("of_fence"),
)
"""The row of `key`, while its lease holds."""

sendable = and_(mine, one_of(outbox.c.state, SENDABLE))
"""The same, not called yet."""


def key(row: OutboxRow) -> dict[str, Any]:
    """The parameters of `mine`."""
    return {"of_brand": row.brand, "of_id": row.id, "of_fence": row.fence}


def report(
    tx: Connection, row: OutboxRow, state: OutboxState, reason: str, values: Mapping[str, str], now: int
) -> None:
    """Tell the handlers how a row ended, where they want to know or must."""
    ended = state in FINAL or state in TOLD
    if not ended or not (row.reports or (row.traffic is Traffic.TALK and state in TOLD)):
        return
    done = Inbound(
        account=row.account,
        kind=Kind.CALL_DONE,
        sender="",
        dedup_key=f"call:{row.id}:{state.value}",
        order_key=f"call:{row.stream}",
        occurred_at=now,
        values={**values, "outbox_id": row.id, "state": state.value, "reason": reason},
    )
    inbox.accept(tx, [(inbox.Arrival(row.brand, done), now)])
