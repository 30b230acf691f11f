"""Which conversations an advisor may mean when he answers: the ground on which domain.conversation.address never guesses."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from domain.binding import ACTIVE
from domain.conversation import OPEN_MS, SHOWN_MS, Reachable
from domain.ids import AdvisorId, BrandId, ConversationId, CustomerId
from storage.people import at_work
from storage.tables.people import advisors, bindings, relations
from storage.tables.queue import outbox
from storage.tables.talk import conversations, messages

_ACTIVE = [state.value for state in ACTIVE]


def reachable(
    tx: Connection,
    brand: BrandId,
    by: AdvisorId,
    now: int,
    *,
    code: str = "",
    focus: ConversationId | None = None,
) -> Sequence[Reachable]:
    """The conversations `by` may mean when he answers: those open that are his, wait, or lately were his; and what he named,
    by a typed code or a pressed card.

    One for each customer: the pressed one before his own before the latest. What a colleague has comes with `taken_by`.
    """
    statement = _meant_by(brand, by, now, code, focus).order_by(conversations.c.last_in_at.desc())
    found = [_reachable(row, by, now) for row in tx.execute(statement)]
    found.sort(key=lambda item: (item.id != focus, not item.owned))
    one_each: dict[str, Reachable] = {}
    for item in found:
        one_each.setdefault(item.customer_id, item)
    return list(one_each.values())


def _meant_by(brand: BrandId, by: AdvisorId, now: int, code: str, focus: ConversationId | None) -> Select[Any]:
    owner = advisors.alias("owner")
    owner_id = func.coalesce(_bound_advisor(), _claimer(now))
    named = or_(relations.c.code == code, conversations.c.id == (focus or ""))
    recent = conversations.c.last_in_at > now - OPEN_MS
    may_answer = or_(owner_id == by, and_(owner_id.is_(None), conversations.c.waiting_since > 0))
    same_customer = and_(
        conversations.c.brand == relations.c.brand, conversations.c.customer_id == relations.c.customer_id
    )
    return (
        select(
            conversations.c.id,
            conversations.c.customer_id,
            conversations.c.last_in_at,
            relations.c.code,
            owner.c.id.label("owner_id"),
            owner.c.name.label("owner_name"),
        )
        .select_from(relations)
        .join(conversations, same_customer)
        .outerjoin(owner, and_(owner.c.brand == relations.c.brand, owner.c.id == owner_id))
        .where(relations.c.brand == brand, relations.c.advisor_id == by)
        .where(or_(named, and_(recent, or_(may_answer, _had(by, now), _was_shown(by, now)))))
    )


def _bound_advisor() -> Any:
    its_advisor = and_(advisors.c.brand == bindings.c.brand, advisors.c.id == bindings.c.advisor_id, at_work(advisors))
    return (
        select(bindings.c.advisor_id)
        .join(advisors, its_advisor)
        .where(bindings.c.brand == conversations.c.brand, bindings.c.customer_id == conversations.c.customer_id)
        .where(bindings.c.state.in_(_ACTIVE))
        .scalar_subquery()
    )


def _claimer(now: int) -> Any:
    return (
        select(advisors.c.id)
        .where(advisors.c.brand == conversations.c.brand, advisors.c.id == conversations.c.claimed_by)
        .where(at_work(advisors), conversations.c.claim_until > now)
        .scalar_subquery()
    )


def _had(by: AdvisorId, now: int) -> ColumnElement[bool]:
    # He talked with her while the conversation is still open to his mind: his claim may have lapsed, or a colleague may have her.
    return exists().where(
        messages.c.brand == conversations.c.brand,
        messages.c.conversation_id == conversations.c.id,
        messages.c.advisor_id == by,
        messages.c.author.in_(("advisor", "customer")),
        messages.c.created_at > now - OPEN_MS,
    )


def _was_shown(by: AdvisorId, now: int) -> ColumnElement[bool]:
    # She waited in the queue and a colleague was faster: the card is still on his screen, and nothing on it has changed.
    shown = exists().where(
        outbox.c.brand == conversations.c.brand,
        outbox.c.conversation_id == conversations.c.id,
        outbox.c.advisor_id == by,
        outbox.c.created_at > now - SHOWN_MS,
    )
    return and_(conversations.c.last_in_at > now - SHOWN_MS, shown)


def _reachable(row: Any, by: AdvisorId, now: int) -> Reachable:
    owned = row.owner_id == by
    lost = row.owner_id is not None and not owned
    return Reachable(
        id=ConversationId(row.id),
        customer_id=CustomerId(row.customer_id),
        code=row.code,
        owned=owned,
        open=row.last_in_at > now - OPEN_MS,
        taken_by=row.owner_name if lost else "",
    )
