"""What people look at in the queues: rows of inbox and outbox that wait for somebody, conversations, counts. Nothing is changed here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from domain.calls import Command, Outbound, OutboxState, decode_call
from domain.ids import BrandId, ConversationId
from domain.messages import Content, decode
from storage.tables.people import customers
from storage.tables.queue import inbox, outbox
from storage.tables.talk import conversations, messages


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A promise to send and where it stands. Times are ms."""

    id: str
    account: str
    stream: str
    n: int
    lane: str
    recipient: str
    call: Outbound | Command
    state: OutboxState
    reason: str
    attempts: int
    conversation_id: str | None
    customer_id: str | None
    advisor_id: str | None
    message_id: str | None
    run_id: str | None
    created_at: int
    called_at: int | None
    done_at: int | None


def outbox_rows(tx: Connection, brand: BrandId, state: OutboxState, after: str, limit: int) -> Sequence[OutboxRow]:
    """Rows of one state, the oldest first, behind the id `after`."""
    mine = and_(outbox.c.brand == brand, outbox.c.state == state.value, outbox.c.id > after)
    rows = tx.execute(select(outbox).where(mine).order_by(outbox.c.id).limit(limit))
    return [_read_outbox(row) for row in rows]


def outbox_row(tx: Connection, brand: BrandId, outbox_id: str) -> OutboxRow | None:
    """The row of that id."""
    row = tx.execute(select(outbox).where(outbox.c.brand == brand, outbox.c.id == outbox_id)).first()
    return _read_outbox(row) if row else None


def _read_outbox(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        id=row.id,
        account=row.account,
        stream=row.stream,
        n=row.n,
        lane=row.lane,
        recipient=row.recipient,
        call=decode_call(json.loads(row.call)),
        state=OutboxState(row.state),
        reason=row.reason,
        attempts=row.attempts,
        conversation_id=row.conversation_id,
        customer_id=row.customer_id,
        advisor_id=row.advisor_id,
        message_id=row.message_id,
        run_id=row.run_id,
        created_at=row.created_at,
        called_at=row.called_at,
        done_at=row.done_at,
    )


@dataclass(frozen=True, slots=True)
class InboxRow:
    """An event that came in. `raw` is what it was read from; times are ms."""

    id: str
    account: str
    kind: str
    state: str
    attempts: int
    error: str
    raw: str
    received_at: int


def parked_rows(tx: Connection, brand: BrandId, after: str, limit: int) -> Sequence[InboxRow]:
    """Events whose handling failed again and again, the oldest first."""
    return _inbox_rows(tx, and_(inbox.c.brand == brand, inbox.c.state == "parked"), after, limit)


def unparsed_rows(tx: Connection, brand: BrandId, after: str, limit: int) -> Sequence[InboxRow]:
    """Events nobody could read, the oldest first."""
    return _inbox_rows(tx, and_(inbox.c.brand == brand, inbox.c.kind == "unparsed"), after, limit)


def _inbox_rows(tx: Connection, which: Any, after: str, limit: int) -> Sequence[InboxRow]:
    rows = tx.execute(select(inbox).where(which, inbox.c.id > after).order_by(inbox.c.id).limit(limit))
    return [
        InboxRow(row.id, row.account, row.kind, row.state, row.attempts, row.error, row.raw, row.received_at)
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class ConversationHead:
    """A conversation and whom it is with."""

    id: str
    account: str
    customer_id: str
    customer_reference: str | None
    last_in_at: int


def conversation(tx: Connection, brand: BrandId, conversation_id: ConversationId) -> ConversationHead | None:
    """The conversation of that id."""
    row = tx.execute(_heads().where(conversations.c.brand == brand, conversations.c.id == conversation_id)).first()
    return _read_head(row) if row else None


def latest_conversations(tx: Connection, brand: BrandId, after: str, limit: int) -> Sequence[ConversationHead]:
    """The conversations of a brand in the order they began, behind the id `after`."""
    mine = and_(conversations.c.brand == brand, conversations.c.id > after)
    return [_read_head(row) for row in tx.execute(_heads().where(mine).order_by(conversations.c.id).limit(limit))]


def _heads() -> Any:
    whom = and_(customers.c.brand == conversations.c.brand, customers.c.id == conversations.c.customer_id)
    return select(conversations, customers.c.reference).join(customers, whom)


def _read_head(row: Row[Any]) -> ConversationHead:
    return ConversationHead(row.id, row.account, row.customer_id, row.reference, row.last_in_at)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation; times are ms."""

    id: str
    conversation_id: str
    seq: int
    direction: str
    author: str
    advisor_id: str | None
    content: Content
    decision: Mapping[str, Any]
    inbox_id: str | None
    occurred_at: int


def messages_of(
    tx: Connection, brand: BrandId, conversation_id: ConversationId, after: int, limit: int
) -> Sequence[Message]:
    """The messages of a conversation in their order, behind the number `after`."""
    mine = and_(messages.c.brand == brand, messages.c.conversation_id == conversation_id, messages.c.seq > after)
    return [
        _read_message(row) for row in tx.execute(select(messages).where(mine).order_by(messages.c.seq).limit(limit))
    ]


def _read_message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        direction=row.direction,
        author=row.author,
        advisor_id=row.advisor_id,
        content=decode(json.loads(row.content)),
        decision=json.loads(row.decision),
        inbox_id=row.inbox_id,
        occurred_at=row.occurred_at,
    )


def states_of_messages(tx: Connection, brand: BrandId, message_ids: Sequence[str]) -> dict[str, list[str]]:
    """The states of the outbox rows that carry these messages, by message."""
    mine = and_(outbox.c.brand == brand, outbox.c.message_id.in_(list(message_ids)))
    found: dict[str, list[str]] = {}
    for row in tx.execute(select(outbox.c.message_id, outbox.c.state).where(mine).order_by(outbox.c.id)):
        found.setdefault(row.message_id, []).append(row.state)
    return found


def count_outbox(tx: Connection, brand: BrandId) -> dict[str, int]:
    """How many outbox rows are in each state."""
    rows = tx.execute(
        select(outbox.c.state, func.count().label("total")).where(outbox.c.brand == brand).group_by(outbox.c.state)
    )
    return {row.state: row.total for row in rows}


def count_inbox(tx: Connection, brand: BrandId) -> dict[str, int]:
    """How many inbox rows are in each state."""
    rows = tx.execute(
        select(inbox.c.state, func.count().label("total")).where(inbox.c.brand == brand).group_by(inbox.c.state)
    )
    return {row.state: row.total for row in rows}
