"""Reply windows: how many messages may still go to a person, and until when. One bucket for each trigger that opened one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, bindparam, func, select, update

from domain.ids import AccountId, BrandId
from domain.quota import Trigger, WindowRule
from storage.dialect import insert
from storage.tables.queue import windows


@dataclass(frozen=True, slots=True)
class Bucket:
    """An open window: `left` of `messages` may still be sent before `closes_at` (ms)."""

    trigger: Trigger
    messages: int
    left: int
    opened_at: int
    closes_at: int


@dataclass(frozen=True, slots=True)
class Spent:
    """The bucket a message was taken from, so that it can be given back when nothing was sent after all."""

    trigger: Trigger
    opened_at: int


def grant(tx: Connection, brand: BrandId, account: AccountId, external_id: str, rule: WindowRule, now: int) -> None:
    """The person did what opens a window: her bucket of that trigger starts anew, with nothing used."""
    fresh = {"messages": rule.messages, "used": 0, "opened_at": now, "closes_at": now + rule.lasts_ms}
    statement = insert(tx, windows).values(
        brand=brand, account=account, external_id=external_id, trigger=rule.trigger.value, **fresh
    )
    keys = ["brand", "account", "external_id", "trigger"]
    # A slower worker's older trigger must not shorten a window that a newer one has opened.
    tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=fresh, where=windows.c.opened_at <= now))


def _whose(table: FromClause) -> ColumnElement[bool]:
    return and_(
        table.c.brand == bindparam("of_brand"),
        table.c.account == bindparam("of_account"),
        table.c.external_id == bindparam("of_person"),
    )


def _is_open(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.used < table.c.messages, table.c.closes_at > bindparam("at"))


_every = windows.alias("every_bucket")
_left = select(func.coalesce(func.sum(_every.c.messages - _every.c.used), 0)).where(_whose(_every), _is_open(_every))
_soonest = (
    select(windows.c.trigger)
    .where(_whose(windows), _is_open(windows), _left.scalar_subquery() > bindparam("keep"))
    .order_by(windows.c.closes_at, windows.c.trigger)
    .limit(1)
    .with_for_update()
    .cte("soonest")
)
_SPEND = (
    update(windows)
    .where(_whose(windows), windows.c.trigger == _soonest.c.trigger)
    .values(used=windows.c.used + 1)
    .returning(windows.c.trigger, windows.c.opened_at)
)


def spend(tx: Connection, brand: BrandId, account: AccountId, external_id: str, keep: int, now: int) -> Spent | None:
    """Take one message out of the bucket that closes soonest; None when there is none, or when fewer than `keep` would be left.

    One statement, so two workers after the last message cannot both get it.
    """
    values = {**_person(brand, account, external_id), "at": now, "keep": keep}
    row = tx.execute(_SPEND, values).first()
    return Spent(Trigger(row.trigger), row.opened_at) if row else None


def give_back(tx: Connection, brand: BrandId, account: AccountId, external_id: str, spent: Spent) -> None:
    """Put a message back: the platform took nothing. Does nothing when the window was opened anew meanwhile."""
    same = and_(
        _whose(windows),
        windows.c.trigger == spent.trigger.value,
        windows.c.opened_at == spent.opened_at,
        windows.c.used > 0,
    )
    tx.execute(update(windows).where(same).values(used=windows.c.used - 1), _person(brand, account, external_id))


def close(tx: Connection, brand: BrandId, account: AccountId, external_id: str, now: int) -> None:
    """The platform says that nothing more may be sent: whatever our books say, every window that is open now is used up."""
    still_open = and_(_whose(windows), windows.c.closes_at > bindparam("at"))
    used_up = update(windows).where(still_open).values(used=windows.c.messages)
    tx.execute(used_up, {**_person(brand, account, external_id), "at": now})


def state(tx: Connection, brand: BrandId, account: AccountId, external_id: str, now: int) -> Sequence[Bucket]:
    """The windows in which something may still be sent, the one that closes soonest first."""
    statement = select(windows).where(_whose(windows), _is_open(windows)).order_by(windows.c.closes_at)
    return [
        Bucket(Trigger(row.trigger), row.messages, row.messages - row.used, row.opened_at, row.closes_at)
        for row in tx.execute(statement, {**_person(brand, account, external_id), "at": now})
    ]


def _person(brand: BrandId, account: AccountId, external_id: str) -> dict[str, Any]:
    return {"of_brand": brand, "of_account": account, "of_person": external_id}
