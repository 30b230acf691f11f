"""What came of calls: recorded under the fence of whoever made them, or given up when he fell silent."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, true, update

from domain.calls import OutboxState
from domain.ids import BrandId
from storage import allowances, windows
from storage.calls import COLUMNS, FINAL, SENDABLE, OutboxRow, key, mine, read_row, report
from storage.errors import Conflict
from storage.leases import one_of
from storage.tables.queue import outbox


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. `took_nothing`: the platform kept nothing, so the window gets its message back.

    `next_at` (ms) with `retry_at`. `block`: leave this api, or everything (`*`), alone until then. `closes_window`: it says so.
    """

    state: OutboxState
    reason: str = ""
    platform_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    next_at: int = 0
    block: str = ""
    took_nothing: bool = False
    closes_window: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of one begun row, at `at` (ms)."""

    row: OutboxRow
    outcome: Outcome
    spent: windows.Spent | None
    at: int


_SETTLE = (
    update(outbox)
    .where(mine, outbox.c.state == OutboxState.CALLING.value)
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        platform_id=bindparam("their_id"),
        result=bindparam("values"),
        next_at=bindparam("next"),
        done_at=bindparam("done"),
        leased_until=0,
    )
)


def settle(tx: Connection, settlements: Sequence[Settlement]) -> list[bool]:
    """Record what came of calls; False where the row had been given up meanwhile, which is then left as it is.

    For `Database.merged`. Raises Conflict when one of several was given up: handed over again in halves, it ends up alone.
    """
    # Where the driver counts them, plain rows go in one statement: a third of the cost of one each (measured).
    if len(settlements) > 1 and tx.dialect.supports_sane_multi_rowcount and all(_is_plain(one) for one in settlements):
        if tx.execute(_SETTLE, [_values(item) for item in settlements]).rowcount != len(settlements):
            raise Conflict("one of these rows was given up meanwhile")
        return [True] * len(settlements)
    return [_settle(tx, item) for item in settlements]


def _is_plain(item: Settlement) -> bool:
    """Nothing but its row changes."""
    return item.outcome.state is OutboxState.ACCEPTED and not item.row.reports


def _values(item: Settlement) -> dict[str, Any]:
    outcome = item.outcome
    return {
        **key(item.row),
        "new_state": outcome.state.value,
        "why": outcome.reason,
        "their_id": outcome.platform_id,
        "values": json.dumps(dict(outcome.values), ensure_ascii=False),
        "next": outcome.next_at or item.at,
        "done": item.at if outcome.state in FINAL else None,
    }


def _settle(tx: Connection, item: Settlement) -> bool:
    row, outcome = item.row, item.outcome
    who = (row.brand, row.account, row.recipient)
    if outcome.closes_window:
        windows.close(tx, *who, item.at)
    elif outcome.took_nothing and item.spent is not None:
        windows.give_back(tx, *who, item.spent)
    if tx.execute(_SETTLE, _values(item)).rowcount != 1:
        return False
    if outcome.block:
        allowances.block(tx, row.brand, row.account, outcome.block, outcome.reason, outcome.next_at)
    report(tx, row, outcome.state, outcome.reason, outcome.values, item.at)
    return True


def recover(tx: Connection, brands: Collection[BrandId], now: int, *, alone: bool = False, limit: int = 200) -> int:
    """Give up rows whose caller fell silent: their outcome is unknown, and nobody will call them again. Returns how many.

    `alone`: no other worker can be alive (one node on SQLite, at its start), so every `calling` row is such a one.
    """
    silent = (
        select(outbox.c.brand, outbox.c.id)
        .where(outbox.c.brand.in_(brands), outbox.c.state == OutboxState.CALLING.value)
        .where(true() if alone else outbox.c.leased_until <= now)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("silent")
    )
    given_up = {"state": OutboxState.UNKNOWN.value, "reason": "node_lost", "done_at": now}
    statement = (
        update(outbox)
        .where(outbox.c.brand == silent.c.brand, outbox.c.id == silent.c.id)
        .values(given_up)
        .returning(*COLUMNS)
    )
    rows = [read_row(row) for row in tx.execute(statement)]
    for row in rows:
        report(tx, row, OutboxState.UNKNOWN, "node_lost", {}, now)
    return len(rows)


def release_all(tx: Connection, brands: Collection[BrandId]) -> int:
    """Hand back every row that was leased and not called, because no other worker can be alive; returns how many."""
    leased = and_(outbox.c.brand.in_(brands), one_of(outbox.c.state, SENDABLE), outbox.c.leased_until > 0)
    return tx.execute(update(outbox).where(leased).values(leased_until=0)).rowcount
