"""The frozen recipients of a run: who is to get it, who was skipped and why, and how each of them ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, select, update

from domain.campaign import RecipientState
from domain.ids import AdvisorId, BrandId, CustomerId, OutboxId, RunId
from storage.audiences import Member
from storage.campaigns import Run
from storage.tables.campaigns import recipients
from storage.tables.queue import outbox

FROZEN = RecipientState.FROZEN.value


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one recipient in her page: queued as an outbox row, or skipped with a reason."""

    customer_id: CustomerId
    outbox_id: OutboxId | None = None
    advisor_id: AdvisorId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many recipients of a run stand alike: `state` is frozen, skipped or the latest state of the outbox row."""

    run_id: RunId
    state: str
    reason: str
    count: int


def freeze(tx: Connection, run: Run, members: Sequence[Member]) -> None:
    """Add a page of the audience to the run's recipients."""
    rows = [
        {
            "brand": run.brand,
            "run_id": run.id,
            "customer_id": member.customer_id,
            "advisor_id": member.advisor_id,
            "state": FROZEN,
        }
        for member in members
    ]
    tx.execute(recipients.insert(), rows)


def page(tx: Connection, run: Run, limit: int) -> Sequence[CustomerId]:
    """The next recipients behind the run's cursor, in the order of their ids."""
    waiting = and_(
        recipients.c.brand == run.brand,
        recipients.c.run_id == run.id,
        recipients.c.customer_id > run.cursor,
        recipients.c.state == FROZEN,
    )
    statement = select(recipients.c.customer_id).where(waiting).order_by(recipients.c.customer_id).limit(limit)
    return [CustomerId(customer_id) for customer_id in tx.execute(statement).scalars()]


def settle(tx: Connection, run: Run, page_done: Sequence[Settled]) -> None:
    """Record what became of a page of recipients."""
    hers = and_(
        recipients.c.brand == run.brand,
        recipients.c.run_id == run.id,
        recipients.c.customer_id == bindparam("who"),
    )
    changed: dict[str, Any] = {
        "state": bindparam("new_state"),
        "reason": bindparam("why"),
        "outbox_id": bindparam("promise"),
        "advisor_id": func.coalesce(bindparam("advisor"), recipients.c.advisor_id),
    }
    rows = [
        {
            "who": one.customer_id,
            "new_state": (RecipientState.QUEUED if one.outbox_id else RecipientState.SKIPPED).value,
            "why": one.reason,
            "promise": one.outbox_id,
            "advisor": one.advisor_id,
        }
        for one in page_done
    ]
    tx.execute(update(recipients).where(hers).values(changed), rows)


def outcomes(tx: Connection, brand: BrandId, of_runs: Sequence[RunId]) -> Sequence[Outcome]:
    """The recipients of these runs, counted by where they stand now: each recipient counts exactly once."""
    is_queued = recipients.c.state == RecipientState.QUEUED.value
    state = case((is_queued, func.coalesce(outbox.c.state, recipients.c.state)), else_=recipients.c.state)
    reason = case((is_queued, func.coalesce(outbox.c.reason, "")), else_=recipients.c.reason)
    promised = and_(outbox.c.brand == recipients.c.brand, outbox.c.id == recipients.c.outbox_id)
    standing = (
        select(recipients.c.run_id, state.label("state"), reason.label("reason"))
        .select_from(recipients.outerjoin(outbox, promised))
        .where(recipients.c.brand == brand, recipients.c.run_id.in_(of_runs))
        .subquery()
    )
    alike = (standing.c.run_id, standing.c.state, standing.c.reason)
    rows = tx.execute(select(*alike, func.count()).group_by(*alike).order_by(*alike))
    return [Outcome(RunId(run_id), state, reason, count) for run_id, state, reason, count in rows]
