"""Decisions a person makes over work that a machine must not decide: send an unknown one again, give it up, redrive what is parked."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from domain.calls import DAY, DUE_MS, EXPIRES_MS, Call, Command, Lane, OutboxState
from domain.errors import ConflictError, NotFoundError
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, MessageId, OutboxId, new_id
from domain.messages import Card, Text
from services.text import split_text
from services.wording import signature_bytes
from services.world import World
from storage import audit, decisions, inspection
from storage.inspection import OutboxRow
from storage.outbox import Promise, enqueue

MAYBE_TWICE = "【可能重复 · may be a repeat】"
"""What a text or card that is sent again begins with: nobody knows whether the first one arrived."""

REDRIVE_LIMIT = 500
"""Most events queued again in one unit of work."""


def send_again(tx: Connection, world: World, brand: BrandId, outbox_id: str, actor: str, now: int) -> None:
    """Send a row whose outcome is unknown once more, marked as a possible repeat. Raises NotFoundError or ConflictError.

    A picture or voice cannot carry the mark; it goes as it was.
    """
    row = _unknown(tx, brand, outbox_id)
    lane = Lane(row.lane)
    due_by = now + DUE_MS.get(lane, DAY)
    expires_at = now + EXPIRES_MS.get(lane, DAY)
    first, *rest = marked(row.call, world.rules_of(AccountId(row.account)).text_bytes)
    if not decisions.send_again(tx, brand, outbox_id, first, due_by, expires_at, now):
        raise ConflictError("somebody else has decided over it meanwhile")
    # What the mark pushed over the platform's limit follows at the same place of the stream: a later id sorts behind.
    enqueue(tx, [_behind(brand, row, part, due_by, expires_at, now) for part in rest], now)
    audit.record(tx, brand, actor, "outbox.resend", outbox_id, {"called_at": row.called_at}, now)


def _behind(brand: BrandId, row: OutboxRow, call: Call, due_by: int, expires_at: int, now: int) -> Promise:
    return Promise(
        brand=brand,
        id=OutboxId(new_id(now)),
        account=AccountId(row.account),
        stream=row.stream,
        n=row.n,
        lane=Lane(row.lane),
        recipient=row.recipient,
        call=call,
        due_by=due_by,
        expires_at=expires_at,
        conversation_id=ConversationId(row.conversation_id) if row.conversation_id else None,
        customer_id=CustomerId(row.customer_id) if row.customer_id else None,
        advisor_id=AdvisorId(row.advisor_id) if row.advisor_id else None,
        message_id=MessageId(row.message_id) if row.message_id else None,
    )


def give_up(tx: Connection, brand: BrandId, outbox_id: str, actor: str, now: int) -> None:
    """Never send a row whose outcome is unknown. Raises NotFoundError or ConflictError."""
    row = _unknown(tx, brand, outbox_id)
    if not decisions.give_up(tx, brand, outbox_id, now):
        raise ConflictError("somebody else has decided over it meanwhile")
    audit.record(tx, brand, actor, "outbox.give_up", outbox_id, {"called_at": row.called_at}, now)


def _unknown(tx: Connection, brand: BrandId, outbox_id: str) -> OutboxRow:
    row = inspection.outbox_row(tx, brand, outbox_id)
    if row is None:
        raise NotFoundError("there is no such outbox row")
    if row.state is not OutboxState.UNKNOWN:
        raise ConflictError(f"it is {row.state}: only a row whose outcome is unknown needs a decision")
    return row


def marked(call: Call, limit: int) -> list[Call]:
    """The call with the mark of a possible repeat, once; a text that is over `limit` bytes with it becomes several calls."""
    if isinstance(call, Command):
        return [call]
    match call.content:
        case Text(text) if not text.startswith(MAYBE_TWICE):
            signature = signature_bytes(call.persona.name) if call.persona else 0
            parts = split_text(MAYBE_TWICE + text, limit - signature)
            return [replace(call, content=Text(part)) for part in parts]
        case Card(body=body) as card if not body.startswith(MAYBE_TWICE):
            return [replace(call, content=replace(card, body=MAYBE_TWICE + body))]
        case _:
            return [call]


def redrive(tx: Connection, brand: BrandId, ids: Collection[str] | None, actor: str, now: int) -> list[str]:
    """Queue parked events again: these, or the oldest ones. Returns the ids that were; doing it twice queues nothing twice."""
    again = decisions.redrive(tx, brand, ids, REDRIVE_LIMIT, now)
    if again:
        audit.record(tx, brand, actor, "inbox.redrive", again[0], {"events": len(again)}, now)
    return again
