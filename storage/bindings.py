"""The binding ledger and the consent receipts. One active binding for each customer is a unique index, not a promise of this code."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, select, update

from domain.binding import ACTIVE, PENDING_EXPIRES_MS, Binding, BindingState, PendingBinding
from domain.consent import Receipt
from domain.ids import AccountId, AdvisorId, BindingId, BrandId, CustomerId, new_id
from storage.people import read_advisor, select_advisor
from storage.tables.people import advisors, bindings, consents

_ACTIVE = [state.value for state in ACTIVE]
_PENDING = BindingState.PENDING_CONSENT.value


def active(tx: Connection, brand: BrandId, customer: CustomerId) -> Binding | None:
    """The active binding of a customer."""
    of_advisor = and_(bindings.c.brand == advisors.c.brand, bindings.c.advisor_id == advisors.c.id)
    statement = (
        select_advisor(bindings.c.id.label("binding_id"), bindings.c.state.label("binding_state"))
        .join(bindings, of_advisor)
        .where(bindings.c.brand == brand, bindings.c.customer_id == customer, bindings.c.state.in_(_ACTIVE))
    )
    row = tx.execute(statement).first()
    return Binding(BindingId(row.binding_id), read_advisor(row), BindingState(row.binding_state)) if row else None


def pending(tx: Connection, brand: BrandId, customer: CustomerId, now: int) -> Sequence[PendingBinding]:
    """Bindings that wait for this customer's consent, newest first."""
    statement = (
        select(bindings)
        .where(bindings.c.brand == brand, bindings.c.customer_id == customer, bindings.c.state == _PENDING)
        .where(bindings.c.expires_at > now)
        .order_by(bindings.c.created_at.desc(), bindings.c.id.desc())
    )
    return [
        PendingBinding(BindingId(row.id), AdvisorId(row.advisor_id), row.scene, row.policy_version, row.expires_at)
        for row in tx.execute(statement)
    ]


def open_pending(
    tx: Connection,
    brand: BrandId,
    customer: CustomerId,
    advisor: AdvisorId,
    scene: str,
    policy_version: str,
    now: int,
) -> BindingId:
    """A pending binding with this advisor: a new one, or the open one with a new expiry and what she is asked now."""
    mine = and_(
        bindings.c.brand == brand,
        bindings.c.customer_id == customer,
        bindings.c.advisor_id == advisor,
        bindings.c.state == _PENDING,
    )
    asked = {"scene": scene, "policy_version": policy_version, "expires_at": now + PENDING_EXPIRES_MS}
    renewed = update(bindings).where(mine, bindings.c.expires_at > now).values(asked).returning(bindings.c.id)
    row = tx.execute(renewed).first()
    if row:
        return BindingId(row.id)
    binding_id = BindingId(new_id(now))
    who = {"customer_id": customer, "advisor_id": advisor}
    tx.execute(bindings.insert().values(brand=brand, id=binding_id, state=_PENDING, created_at=now, **who, **asked))
    return binding_id


def bind(tx: Connection, brand: BrandId, binding_id: BindingId, actor: str, reason: str, now: int) -> AdvisorId | None:
    """Turn a pending binding into the active one; None when it is not pending any more.

    Raises the engine's unique violation (a Conflict) when another binding of the customer became active meanwhile.
    """
    statement = (
        update(bindings)
        .where(bindings.c.brand == brand, bindings.c.id == binding_id, bindings.c.state == _PENDING)
        .where(bindings.c.expires_at > now)
        .values(state=BindingState.BOUND.value, bound_at=now, expires_at=None, actor=actor, reason=reason)
        .returning(bindings.c.advisor_id)
    )
    row = tx.execute(statement).first()
    return AdvisorId(row.advisor_id) if row else None


def release(tx: Connection, brand: BrandId, binding_id: BindingId, actor: str, reason: str, now: int) -> None:
    """End a binding; its history stays."""
    mine = and_(bindings.c.brand == brand, bindings.c.id == binding_id)
    _release(tx, and_(mine, bindings.c.state != BindingState.RELEASED.value), actor, reason, now)


def release_other_pending(tx: Connection, brand: BrandId, customer: CustomerId, reason: str, now: int) -> None:
    """End whatever still waits for this customer's consent: she has decided."""
    others = and_(bindings.c.brand == brand, bindings.c.customer_id == customer, bindings.c.state == _PENDING)
    _release(tx, others, "system", reason, now)


def expire_pending(tx: Connection, now: int) -> int:
    """End the pending bindings whose time is over; returns how many."""
    over = and_(bindings.c.state == _PENDING, bindings.c.expires_at <= now)
    return _release(tx, over, "system", "expired", now)


def _release(tx: Connection, which: Any, actor: str, reason: str, now: int) -> int:
    ended = {"state": BindingState.RELEASED.value, "released_at": now, "actor": actor, "reason": reason}
    return tx.execute(update(bindings).where(which).values(ended)).rowcount


def keep_receipt(
    tx: Connection,
    brand: BrandId,
    customer: CustomerId,
    binding_id: BindingId | None,
    receipt: Receipt,
    account: AccountId,
    now: int,
) -> None:
    """Keep the proof of what she answered, to which words."""
    tx.execute(
        consents.insert().values(
            brand=brand,
            id=new_id(now),
            customer_id=customer,
            binding_id=binding_id,
            answer=receipt.answer.value,
            policy_version=receipt.policy_version,
            text_hash=receipt.text_hash,
            account=account,
            scene=receipt.scene,
            at=now,
        )
    )
