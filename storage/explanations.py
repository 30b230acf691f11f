"""What is kept about a message, for `why`: its decision, the event it came from, and what became of its sends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from domain.ids import AdvisorId, BrandId, MessageId
from storage.people import advisor
from storage.tables.queue import inbox, outbox
from storage.tables.talk import conversations, messages


@dataclass(frozen=True, slots=True)
class SendRecord:
    """One outbox row of a message: to whom, through which account, where it stands and why."""

    id: str
    account: str
    recipient: str
    lane: str
    state: str
    reason: str
    attempts: int
    created_at: int
    called_at: int | None
    done_at: int | None


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message as it was kept. `decision` holds the recipient and the steps; `account` is the customer's side of the talk."""

    id: str
    conversation_id: str
    customer_id: str
    account: str
    seq: int
    author: str
    advisor_name: str
    content: Mapping[str, Any]
    decision: Mapping[str, Any]
    occurred_at: int
    created_at: int
    inbox_id: str
    inbox_received_at: int | None
    sends: Sequence[SendRecord]


def find(tx: Connection, brand: BrandId, wanted: str) -> MessageRecord | None:
    """The message that `wanted` names: its own id, or the id of its inbox event or of one of its outbox rows."""
    of_outbox = select(outbox.c.message_id).where(outbox.c.brand == brand, outbox.c.id == wanted).scalar_subquery()
    named = or_(messages.c.id == wanted, messages.c.inbox_id == wanted, messages.c.id == of_outbox)
    of_talk = and_(conversations.c.brand == messages.c.brand, conversations.c.id == messages.c.conversation_id)
    of_event = and_(inbox.c.brand == messages.c.brand, inbox.c.id == messages.c.inbox_id)
    statement = (
        select(messages, conversations.c.customer_id, conversations.c.account, inbox.c.received_at)
        .join(conversations, of_talk)
        .outerjoin(inbox, of_event)
        .where(messages.c.brand == brand, named)
        .order_by(messages.c.seq)
        .limit(1)
    )
    row = tx.execute(statement).first()
    return _read(tx, brand, row) if row else None


def _read(tx: Connection, brand: BrandId, row: Any) -> MessageRecord:
    guide = advisor(tx, brand, AdvisorId(row.advisor_id)) if row.advisor_id else None
    return MessageRecord(
        id=row.id,
        conversation_id=row.conversation_id,
        customer_id=row.customer_id,
        account=row.account,
        seq=row.seq,
        author=row.author,
        advisor_name=guide.name if guide else "",
        content=json.loads(row.content),
        decision=json.loads(row.decision),
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        inbox_id=row.inbox_id or "",
        inbox_received_at=row.received_at,
        sends=_sends(tx, brand, MessageId(row.id)),
    )


def _sends(tx: Connection, brand: BrandId, message: MessageId) -> Sequence[SendRecord]:
    mine = and_(outbox.c.brand == brand, outbox.c.message_id == message)
    rows = tx.execute(select(outbox).where(mine).order_by(outbox.c.stream, outbox.c.n, outbox.c.id))
    return [
        SendRecord(
            id=row.id,
            account=row.account,
            recipient=row.recipient,
            lane=row.lane,
            state=row.state,
            reason=row.reason,
            attempts=row.attempts,
            created_at=row.created_at,
            called_at=row.called_at,
            done_at=row.done_at,
        )
        for row in rows
    ]
