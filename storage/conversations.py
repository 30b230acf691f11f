"""Conversations and their messages: numbering, claims, and which of them an advisor may answer in."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, or_, select, update

from domain.binding import ACTIVE
from domain.conversation import CLAIM_SILENT_MS, OPEN_MS, Conversation, Reachable, Step
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, InboxId, MessageId, new_id
from domain.messages import Content, decode, encode
from storage.dialect import insert
from storage.people import advisor
from storage.tables.people import advisors, bindings, customers, relations
from storage.tables.talk import conversations, messages

_ACTIVE = [state.value for state in ACTIVE]


def conversation_with(tx: Connection, brand: BrandId, account: AccountId, external_id: str) -> Conversation | None:
    """The conversation with a platform identity."""
    mine = and_(
        conversations.c.brand == brand,
        conversations.c.account == account,
        conversations.c.external_id == external_id,
    )
    row = tx.execute(select(conversations).where(mine)).first()
    return _read(tx, brand, row) if row else None


def _read(tx: Connection, brand: BrandId, row: Row[Any]) -> Conversation:
    claimed = advisor(tx, brand, AdvisorId(row.claimed_by)) if row.claimed_by else None
    return Conversation(
        ConversationId(row.id), CustomerId(row.customer_id), claimed, row.claim_until, row.waiting_since
    )


def ensure_conversation(
    tx: Connection,
    brand: BrandId,
    account: AccountId,
    external_id: str,
    customer: CustomerId,
    now: int,
) -> Conversation:
    """The conversation with a platform identity, begun now when there is none."""
    values = {
        "brand": brand,
        "id": new_id(now),
        "account": account,
        "external_id": external_id,
        "customer_id": customer,
        "created_at": now,
    }
    tx.execute(insert(tx, conversations).values(values).on_conflict_do_nothing())
    found = conversation_with(tx, brand, account, external_id)
    if found is None:
        raise LookupError(f"conversation with {account} vanished inside its own transaction")
    return found


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where a conversation's answers go: the customers' account and her id there."""

    account: AccountId
    external_id: str
    customer_id: CustomerId


def addressee(tx: Connection, brand: BrandId, conversation: ConversationId) -> Addressee:
    """Where the answers of this conversation go. Raises NoResultFound for an unknown one."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation)
    row = tx.execute(select(conversations).where(mine)).one()
    return Addressee(AccountId(row.account), row.external_id, CustomerId(row.customer_id))


def next_number(tx: Connection, brand: BrandId, conversation: ConversationId) -> int:
    """The next number of a conversation; the row stays locked until the transaction ends, so numbers are the order of commits."""
    statement = (
        update(conversations)
        .where(conversations.c.brand == brand, conversations.c.id == conversation)
        .values(next_seq=conversations.c.next_seq + 1)
        .returning(conversations.c.next_seq)
    )
    after: int = tx.execute(statement).scalar_one()
    return after - 1


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to keep. `author` is customer | advisor | system | campaign; `steps` tell why it went where it went."""

    conversation_id: ConversationId
    author: str
    content: Content
    occurred_at: int
    advisor_id: AdvisorId | None = None
    inbox_id: InboxId | None = None
    recipient: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept message: its id, and its number in the conversation."""

    id: MessageId
    seq: int


def keep_message(tx: Connection, brand: BrandId, message: NewMessage, now: int) -> Kept:
    """Keep a message under the next number of its conversation."""
    incoming = message.author == "customer"
    kept = Kept(MessageId(new_id(now)), next_number(tx, brand, message.conversation_id))
    decision = {"recipient": message.recipient, "steps": [asdict(step) for step in message.steps]}
    tx.execute(
        messages.insert().values(
            brand=brand,
            id=kept.id,
            conversation_id=message.conversation_id,
            seq=kept.seq,
            direction="in" if incoming else "out",
            author=message.author,
            advisor_id=message.advisor_id,
            content=json.dumps(encode(message.content), ensure_ascii=False),
            decision=json.dumps(decision, ensure_ascii=False),
            inbox_id=message.inbox_id,
            occurred_at=message.occurred_at,
            created_at=now,
        )
    )
    _note_activity(tx, brand, message, now)
    return kept


def _note_activity(tx: Connection, brand: BrandId, message: NewMessage, now: int) -> None:
    by_people = {"customer": conversations.c.last_in_at, "advisor": conversations.c.last_out_at}
    column = by_people.get(message.author)
    if column is None:
        return
    mine = and_(conversations.c.brand == brand, conversations.c.id == message.conversation_id)
    claim = case((conversations.c.claim_until > now, now + CLAIM_SILENT_MS), else_=conversations.c.claim_until)
    tx.execute(update(conversations).where(mine).values({column: now, conversations.c.claim_until: claim}))


def last_in_at(tx: Connection, brand: BrandId, conversation: ConversationId) -> int:
    """When the customer last wrote (ms); 0 when never."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation)
    found: int = tx.execute(select(conversations.c.last_in_at).where(mine)).scalar_one()
    return found


def start_waiting(tx: Connection, brand: BrandId, conversation: ConversationId, now: int) -> bool:
    """The conversation waits in a queue since now; False when it waits already."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation, conversations.c.waiting_since == 0)
    return tx.execute(update(conversations).where(mine).values(waiting_since=now)).rowcount == 1


def stop_waiting(tx: Connection, brand: BrandId, conversation: ConversationId) -> None:
    """Nobody has to take the conversation from a queue any more."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation)
    tx.execute(update(conversations).where(mine).values(waiting_since=0))


def claim(tx: Connection, brand: BrandId, conversation: ConversationId, by: AdvisorId, now: int) -> bool:
    """Take a waiting conversation from its queue; False when a colleague was first. The statement decides, not what was read before."""
    free = or_(
        conversations.c.claimed_by.is_(None),
        conversations.c.claim_until <= now,
        conversations.c.claimed_by == by,
    )
    statement = (
        update(conversations)
        .where(conversations.c.brand == brand, conversations.c.id == conversation, free)
        .values(claimed_by=by, claim_until=now + CLAIM_SILENT_MS, waiting_since=0)
    )
    return tx.execute(statement).rowcount == 1


def claimed_by(tx: Connection, brand: BrandId, conversation: ConversationId, now: int) -> AdvisorId | None:
    """Who has taken the conversation from a queue, while the claim lasts."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation, conversations.c.claim_until > now)
    found = tx.execute(select(conversations.c.claimed_by).where(mine)).scalar_one_or_none()
    return AdvisorId(found) if found else None


def waiting_since(tx: Connection, brand: BrandId, conversation: ConversationId) -> int:
    """Since when the conversation waits in a queue (ms); 0 when it does not."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation)
    found: int = tx.execute(select(conversations.c.waiting_since).where(mine)).scalar_one()
    return found


def unseen_contents(tx: Connection, brand: BrandId, conversation: ConversationId, since: int) -> Sequence[Content]:
    """What the customer wrote since she waits, without the first message, which every queue card showed."""
    waiting = and_(
        messages.c.brand == brand,
        messages.c.conversation_id == conversation,
        messages.c.direction == "in",
        messages.c.created_at >= since,
    )
    rows = tx.execute(select(messages.c.content).where(waiting).order_by(messages.c.seq)).all()
    return [decode(json.loads(row.content)) for row in rows[1:]]


def end_claim(tx: Connection, brand: BrandId, conversation: ConversationId) -> None:
    """The claim is over: the customer has an advisor of her own, or the talk was closed."""
    mine = and_(conversations.c.brand == brand, conversations.c.id == conversation)
    tx.execute(update(conversations).where(mine).values(claimed_by=None, claim_until=0, waiting_since=0))


def reachable(
    tx: Connection,
    brand: BrandId,
    by: AdvisorId,
    now: int,
    *,
    code: str = "",
    focus: ConversationId | None = None,
) -> Sequence[Reachable]:
    """The conversations `by` may be answering in: those open now, the one whose code he typed, the one he pressed.

    One for each customer, the latest. A conversation that a colleague has is listed only when it was named, with `taken_by`.
    """
    owner = advisors.alias("owner")
    bound_to = _bound_advisor()
    claimed_by = case((conversations.c.claim_until > now, conversations.c.claimed_by), else_=None)
    owner_id = func.coalesce(bound_to, claimed_by)
    named = or_(relations.c.code == code, conversations.c.id == (focus or ""))
    mine_or_waiting = or_(owner_id == by, and_(owner_id.is_(None), conversations.c.waiting_since > 0))
    recent = conversations.c.last_in_at > now - OPEN_MS
    statement = (
        select(
            conversations.c.id,
            conversations.c.customer_id,
            conversations.c.last_in_at,
            conversations.c.waiting_since,
            relations.c.code,
            relations.c.remark,
            customers.c.profile_name,
            owner.c.id.label("owner_id"),
            owner.c.name.label("owner_name"),
        )
        .select_from(relations)
        .join(
            conversations,
            and_(conversations.c.brand == relations.c.brand, conversations.c.customer_id == relations.c.customer_id),
        )
        .join(customers, and_(customers.c.brand == relations.c.brand, customers.c.id == relations.c.customer_id))
        .outerjoin(owner, and_(owner.c.brand == relations.c.brand, owner.c.id == owner_id))
        .where(relations.c.brand == brand, relations.c.advisor_id == by)
        .where(or_(named, and_(mine_or_waiting, recent)))
        .order_by(conversations.c.last_in_at.desc())
    )
    latest: dict[str, Reachable] = {}
    for row in tx.execute(statement):
        latest.setdefault(row.customer_id, _reachable(row, by, now))
    return list(latest.values())


def _bound_advisor() -> Any:
    return (
        select(bindings.c.advisor_id)
        .where(bindings.c.brand == conversations.c.brand, bindings.c.customer_id == conversations.c.customer_id)
        .where(bindings.c.state.in_(_ACTIVE))
        .scalar_subquery()
    )


def _reachable(row: Any, by: AdvisorId, now: int) -> Reachable:
    owned = row.owner_id == by
    lost = row.owner_id is not None and not owned
    return Reachable(
        id=ConversationId(row.id),
        customer_id=CustomerId(row.customer_id),
        code=row.code,
        name=row.remark or row.profile_name,
        owned=owned,
        open=row.last_in_at > now - OPEN_MS,
        taken_by=row.owner_name if lost else "",
    )
