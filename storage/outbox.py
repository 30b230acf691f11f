"""Promises to send: how they enter the outbox, are cancelled, and counted. The worker's side is storage/delivery.py."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from domain.calls import OPEN, Call, Lane, OutboxState, decode_call, encode_call
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, MessageId, OutboxId, RunId
from storage.tables.queue import outbox


@dataclass(frozen=True, slots=True)
class Promise:
    """A call to be made. Rows of one `stream` go out in the order of `n`; `due_by` and `expires_at` are ms."""

    brand: BrandId
    id: OutboxId
    account: AccountId
    stream: str
    n: int
    lane: Lane
    recipient: str
    call: Call
    due_by: int
    expires_at: int
    reports: bool = False
    conversation_id: ConversationId | None = None
    customer_id: CustomerId | None = None
    advisor_id: AdvisorId | None = None
    message_id: MessageId | None = None
    run_id: RunId | None = None


def talk_stream(conversation: ConversationId) -> str:
    """The stream of answers to a customer."""
    return f"{conversation}:customer:talk"


def push_stream(conversation: ConversationId) -> str:
    """The stream of pushes to a customer: apart from the talk, so that a push never holds a reply."""
    return f"{conversation}:customer:push"


def advisor_stream(conversation: ConversationId, advisor: AdvisorId) -> str:
    """The stream of one customer's messages to one advisor."""
    return f"{conversation}:advisor:{advisor}"


def checksum(text: str) -> int:
    """The CRC-32 kept beside a payload and checked when it is read."""
    return zlib.crc32(text.encode())


def enqueue(tx: Connection, promises: Sequence[Promise], now: int) -> None:
    """Add promises; each is durable with the transaction that made it."""
    if promises:
        tx.execute(outbox.insert(), [_row(promise, now) for promise in promises])


def _row(promise: Promise, now: int) -> dict[str, Any]:
    call = json.dumps(encode_call(promise.call), ensure_ascii=False, separators=(",", ":"))
    return {
        "brand": promise.brand,
        "id": promise.id,
        "account": promise.account,
        "stream": promise.stream,
        "n": promise.n,
        "lane": promise.lane.value,
        "recipient": promise.recipient,
        "call": call,
        "crc": checksum(call),
        "state": OutboxState.QUEUED.value,
        "due_by": promise.due_by,
        "expires_at": promise.expires_at,
        "next_at": now,
        "reports": promise.reports,
        "conversation_id": promise.conversation_id,
        "customer_id": promise.customer_id,
        "advisor_id": promise.advisor_id,
        "message_id": promise.message_id,
        "run_id": promise.run_id,
        "created_at": now,
    }


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A promised call with the people it is about. `to_customer`: it goes to a customer, not to an advisor or to the platform."""

    call: Call
    to_customer: bool
    customer_id: CustomerId | None
    advisor_id: AdvisorId | None


def call_of(tx: Connection, brand: BrandId, outbox_id: str) -> CallRecord | None:
    """The call of an outbox row."""
    row = tx.execute(select(outbox).where(outbox.c.brand == brand, outbox.c.id == outbox_id)).first()
    if row is None:
        return None
    return CallRecord(
        call=decode_call(json.loads(row.call)),
        to_customer=row.stream.endswith((":customer:talk", ":customer:push")),
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        advisor_id=AdvisorId(row.advisor_id) if row.advisor_id else None,
    )


def cancel_pushes(
    tx: Connection, brand: BrandId, customer: CustomerId, reason: str, now: int, *, account: AccountId | None = None
) -> int:
    """Cancel every push to this customer that was not called yet, in one `account` or in all; returns how many."""
    hers = and_(outbox.c.brand == brand, outbox.c.customer_id == customer, outbox.c.lane == Lane.PUSH.value)
    return _cancel(tx, hers if account is None else and_(hers, outbox.c.account == account), reason, now)


def _cancel(tx: Connection, which: Any, reason: str, now: int) -> int:
    uncalled = [state.value for state in OPEN if state is not OutboxState.CALLING]
    statement = (
        update(outbox)
        .where(which, outbox.c.state.in_(uncalled))
        .values(state=OutboxState.CANCELLED.value, reason=reason, done_at=now)
    )
    return tx.execute(statement).rowcount


def waiting_for_window(tx: Connection, brand: BrandId, conversation: ConversationId) -> int:
    """How many messages of this conversation wait until the customer writes again; one in several parts counts once."""
    statement = select(func.count(outbox.c.message_id.distinct())).where(_waiting(brand, conversation))
    return tx.execute(statement).scalar_one()


def release_waiting(
    tx: Connection, brand: BrandId, conversation: ConversationId, now: int, *, younger_than: int | None = None
) -> int:
    """Queue the waiting answers again, only those made after `younger_than` (ms) where it is given; returns how many."""
    which = _waiting(brand, conversation)
    if younger_than is not None:
        which = and_(which, outbox.c.created_at >= younger_than)
    statement = update(outbox).where(which).values(state=OutboxState.QUEUED.value, reason="", next_at=now)
    return tx.execute(statement).rowcount


def discard_waiting(tx: Connection, brand: BrandId, conversation: ConversationId, now: int) -> int:
    """Cancel the waiting answers by the advisor's decision; returns how many."""
    cancelled = {"state": OutboxState.CANCELLED.value, "reason": "discarded_by_advisor", "done_at": now}
    return tx.execute(update(outbox).where(_waiting(brand, conversation)).values(cancelled)).rowcount


def _waiting(brand: BrandId, conversation: ConversationId) -> Any:
    return and_(
        outbox.c.brand == brand,
        outbox.c.conversation_id == conversation,
        outbox.c.state == OutboxState.WAITING_WINDOW.value,
    )
