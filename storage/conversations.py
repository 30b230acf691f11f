"""Conversations and their messages: numbering, waiting and claims. Which of them an advisor may mean: storage/reachable.py."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select, update

from domain.conversation import CLAIM_SILENT_MS, Conversation, Step
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, InboxId, MessageId, new_id
from domain.messages import Card, Content, decode, encode
from storage.dialect import insert
from storage.people import advisor, at_work
from storage.tables.people import advisors
from storage.tables.talk import conversations, messages


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


def start_waiting(tx: Connection, brand: BrandId, conversation: ConversationId, now: int) -> None:
    """The conversation waits in a queue since now."""
    tx.execute(update(conversations).where(_this(brand, conversation)).values(waiting_since=now))


def stop_waiting(tx: Connection, brand: BrandId, conversation: ConversationId) -> None:
    """Nobody has to take the conversation from a queue any more."""
    tx.execute(update(conversations).where(_this(brand, conversation)).values(waiting_since=0))


def _this(brand: BrandId, conversation: ConversationId) -> ColumnElement[bool]:
    return and_(conversations.c.brand == brand, conversations.c.id == conversation)


def claim(tx: Connection, brand: BrandId, conversation: ConversationId, by: AdvisorId, now: int) -> bool:
    """Take a waiting conversation from its queue; False when a colleague was first. The statement decides, not what was read before."""
    claimer_there = exists().where(
        advisors.c.brand == conversations.c.brand, advisors.c.id == conversations.c.claimed_by, at_work(advisors)
    )
    free = or_(conversations.c.claim_until <= now, conversations.c.claimed_by == by, ~claimer_there)
    statement = (
        update(conversations)
        .where(_this(brand, conversation), free)
        .values(claimed_by=by, claim_until=now + CLAIM_SILENT_MS, waiting_since=0)
    )
    return tx.execute(statement).rowcount == 1


def claimed_by(tx: Connection, brand: BrandId, conversation: ConversationId, now: int) -> AdvisorId | None:
    """Who has taken the conversation from a queue, while the claim lasts."""
    mine = and_(_this(brand, conversation), conversations.c.claim_until > now)
    found = tx.execute(select(conversations.c.claimed_by).where(mine)).scalar_one_or_none()
    return AdvisorId(found) if found else None


def waiting_of(tx: Connection, brand: BrandId, customer: CustomerId) -> Sequence[ConversationId]:
    """The conversations in which this customer waits in a queue."""
    waiting = and_(_of(brand, customer), conversations.c.waiting_since > 0)
    return [ConversationId(found) for found in tx.execute(select(conversations.c.id).where(waiting)).scalars()]


def end_claims(tx: Connection, brand: BrandId, customer: CustomerId) -> None:
    """The customer has an advisor of her own: whoever took her from a queue has her no more, and nobody has to."""
    ended = {"claimed_by": None, "claim_until": 0, "waiting_since": 0}
    tx.execute(update(conversations).where(_of(brand, customer)).values(ended))


def _of(brand: BrandId, customer: CustomerId) -> ColumnElement[bool]:
    return and_(conversations.c.brand == brand, conversations.c.customer_id == customer)


@dataclass(frozen=True, slots=True)
class Unseen:
    """A message of a customer that no advisor has been brought."""

    id: MessageId
    content: Content


def unseen(tx: Connection, brand: BrandId, conversation: ConversationId) -> Sequence[Unseen]:
    """What the customer wrote while nobody had her: everything since an advisor last answered her or was brought a message."""
    here = and_(messages.c.brand == brand, messages.c.conversation_id == conversation)
    had_her = and_(messages.c.author.in_(("advisor", "customer")), messages.c.advisor_id.is_not(None))
    last = select(func.coalesce(func.max(messages.c.seq), 0)).where(here, had_her).scalar_subquery()
    since = and_(here, messages.c.author == "customer", messages.c.seq > last)
    rows = tx.execute(select(messages.c.id, messages.c.content).where(since).order_by(messages.c.seq))
    return [Unseen(MessageId(row.id), decode(json.loads(row.content))) for row in rows]


def last_said(tx: Connection, brand: BrandId, conversation: ConversationId) -> Content | None:
    """The last message to the customer, whoever said it."""
    here = and_(messages.c.brand == brand, messages.c.conversation_id == conversation, messages.c.direction == "out")
    row = tx.execute(select(messages.c.content).where(here).order_by(messages.c.seq.desc()).limit(1)).first()
    return decode(json.loads(row.content)) if row else None


def last_card(tx: Connection, brand: BrandId, customer: CustomerId, key: str) -> Card | None:
    """The last card shown to this customer with a button that answers `key`."""
    of_talk = and_(conversations.c.brand == messages.c.brand, conversations.c.id == messages.c.conversation_id)
    statement = (
        select(messages.c.content)
        .join(conversations, of_talk)
        .where(_of(brand, customer), messages.c.author == "system", messages.c.content.contains(key, autoescape=True))
        .order_by(messages.c.id.desc())
        .limit(1)
    )
    row = tx.execute(statement).first()
    content = decode(json.loads(row.content)) if row else None
    return content if isinstance(content, Card) else None
