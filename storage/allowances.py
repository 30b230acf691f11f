"""What a platform lets an account do: calls within sliding windows, and blocks after it said "too often"."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select

from domain.ids import AccountId, BrandId
from domain.quota import AllowanceRule
from storage.dialect import insert
from storage.tables.queue import allowances, blocks

_SLICES = 20
"""A window slides in steps of a twentieth: never more calls than allowed in any window, at worst a twentieth fewer."""

EVERYTHING = "*"
"""The scope of a block that holds the whole account."""

_KEYS = ["brand", "account", "scope", "window_ms", "slice_at"]
_scope = and_(
    allowances.c.brand == bindparam("of_brand"),
    allowances.c.account == bindparam("of_account"),
    allowances.c.scope == bindparam("of_scope"),
)


def debit(
    tx: Connection, brand: BrandId, account: AccountId, scope: str, rules: Sequence[AllowanceRule], now: int
) -> int:
    """Count one call against every rule of `scope` ("member:zhang", "account"), or none of them.

    Returns 0 when it was counted, else the time (ms) from which it can be asked again.
    """
    whose = {"brand": brand, "account": account, "scope": scope}
    _take_turns(tx, whose)
    until = max((_full_until(tx, whose, rule, now) for rule in rules), default=0)
    if until == 0:
        for rule in rules:
            _count(tx, whose, rule, now)
    return until


def _take_turns(tx: Connection, whose: Mapping[str, Any]) -> None:
    """Let one transaction at a time count for this scope: a row that is always there is written, and stays locked."""
    turn = insert(tx, allowances).values(**whose, window_ms=0, slice_at=0, used=0)
    tx.execute(turn.on_conflict_do_update(index_elements=_KEYS, set_={"used": 0}))


def _full_until(tx: Connection, whose: Mapping[str, Any], rule: AllowanceRule, now: int) -> int:
    """0 when there is room for a call now, else when the oldest slice that still counts has left the window."""
    step = rule.window_ms // _SLICES
    counted = and_(
        _scope, allowances.c.window_ms == rule.window_ms, allowances.c.slice_at > now - rule.window_ms - step
    )
    used, oldest = tx.execute(
        select(func.coalesce(func.sum(allowances.c.used), 0), func.min(allowances.c.slice_at)).where(counted),
        {f"of_{name}": value for name, value in whose.items()},
    ).one()
    return 0 if used < rule.calls else int(oldest) + rule.window_ms + step


def _count(tx: Connection, whose: Mapping[str, Any], rule: AllowanceRule, now: int) -> None:
    step = rule.window_ms // _SLICES
    counted = insert(tx, allowances).values(**whose, window_ms=rule.window_ms, slice_at=now - now % step, used=1)
    upsert = counted.on_conflict_do_update(index_elements=_KEYS, set_={"used": allowances.c.used + 1})
    used = tx.execute(upsert.returning(allowances.c.used)).scalar_one()
    if used == 1:
        old = and_(
            _scope, allowances.c.window_ms == rule.window_ms, allowances.c.slice_at <= now - rule.window_ms - step
        )
        tx.execute(delete(allowances).where(old), {f"of_{name}": value for name, value in whose.items()})


def block(tx: Connection, brand: BrandId, account: AccountId, scope: str, reason: str, until: int) -> None:
    """The platform wants to be left alone until `until` (ms): the whole account (`*`) or one api. A longer block stays."""
    values = {"until": until, "reason": reason}
    statement = insert(tx, blocks).values(brand=brand, account=account, scope=scope, **values)
    keys = ["brand", "account", "scope"]
    tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=blocks.c.until < until))


def blocked_until(
    tx: Connection, brand: BrandId, account: AccountId, apis: Collection[str] | None, now: int
) -> tuple[int, str]:
    """Until when a call must wait (0: it need not), and why. `apis` are those it uses; None: not known, so any block holds it."""
    mine = and_(blocks.c.brand == brand, blocks.c.account == account, blocks.c.until > now)
    if apis is not None:
        mine = and_(mine, or_(blocks.c.scope == EVERYTHING, blocks.c.scope.in_(apis)))
    row = tx.execute(select(blocks.c.until, blocks.c.reason).where(mine).order_by(blocks.c.until.desc())).first()
    return (row.until, row.reason) if row else (0, "")
