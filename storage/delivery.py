"""The outbox as its worker sees it: take the head of a stream, and record that it is being called. What came of it: settlement.py.

Nothing is called that is not recorded as `calling` first, and the statement that records it decides that it may be called.
Drawn in docs/states/outbox.md.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
    update,
)

from domain.binding import ACTIVE
from domain.calls import BLOCKING, Call, Lane, Outbound, OutboxState
from domain.campaign import CampaignState
from domain.people import Account
from domain.quota import KEEP_FOR_TALK, PlatformRules
from storage import allowances, windows
from storage.calls import COLUMNS, FINAL, SENDABLE, OutboxRow, Traffic, key, mine, read_row, report, sendable
from storage.leases import Damaged, one_of
from storage.pushes import CANCELLED, PAUSED
from storage.tables.campaigns import campaigns, runs
from storage.tables.people import bindings, customers, identities
from storage.tables.queue import blocks, outbox


def _heads(traffic: Traffic) -> Select[Any]:
    """Rows of one account whose turn it is: nothing that still holds its stream is before them."""
    # Spelled as in the partial indexes, which serve nothing else.
    is_push = outbox.c.lane == literal_column(f"'{Lane.PUSH.value}'")
    earlier = outbox.alias("earlier")
    is_before = or_(earlier.c.n < outbox.c.n, earlier.c.id < outbox.c.id)
    held = exists().where(
        earlier.c.brand == outbox.c.brand,
        earlier.c.stream == outbox.c.stream,
        earlier.c.n <= outbox.c.n,
        is_before,
        one_of(earlier.c.state, BLOCKING),
    )
    return (
        select(outbox.c.brand, outbox.c.id)
        .where(
            outbox.c.brand == bindparam("of_brand"),
            outbox.c.account == bindparam("of_account"),
            one_of(outbox.c.state, SENDABLE),
            is_push if traffic is Traffic.PUSH else ~is_push,
            outbox.c.next_at <= bindparam("at"),
            outbox.c.leased_until <= bindparam("at"),
            ~held,
        )
        .order_by(outbox.c.due_by, outbox.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


HEADS = {traffic: _heads(traffic) for traffic in Traffic}
"""Rows whose turn it is."""


def _lease(traffic: Traffic) -> Any:
    due = HEADS[traffic].cte("due")
    return (
        update(outbox)
        .where(outbox.c.brand == due.c.brand, outbox.c.id == due.c.id)
        .values(leased_until=bindparam("until"), fence=outbox.c.fence + 1)
        .returning(*COLUMNS)
    )


_LEASE = {traffic: _lease(traffic) for traffic in Traffic}


def lease(tx: Connection, account: Account, traffic: Traffic, n: int, now: int, for_ms: int) -> list[OutboxRow]:
    """Take at most `n` rows of `account` for `for_ms`: heads of their streams, those due first before others."""
    values = {"of_brand": account.brand, "of_account": account.id, "at": now, "most": n, "until": now + for_ms}
    return sorted((read_row(row) for row in tx.execute(_LEASE[traffic], values)), key=lambda row: (row.due_by, row.id))


_RELEASE = update(outbox).where(sendable).values(leased_until=0, next_at=bindparam("next"))


def postpone(tx: Connection, row: OutboxRow, next_at: int) -> None:
    """Hand a row back uncalled, to be looked at again from `next_at` (ms). Does nothing when it is no longer this worker's."""
    tx.execute(_RELEASE, {**key(row), "next": next_at})


NameApis = Callable[[Call], Collection[str]]
"""Names the apis a call uses, as blocks name them."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The row is recorded as `calling`: call it now, once. `spent` is what its reply window was charged."""

    call: Call
    spent: windows.Spent | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The row may not be called now: it ended in `state`, or (`queued`) is looked at again from `next_at` (ms).

    `holds_account`: what stopped it stops every other row of its kind in this account, too.
    """

    state: OutboxState
    reason: str
    next_at: int = 0
    holds_account: bool = False


# A fixed number, because a list of any length is written out anew for each row, at half the price of the whole statement.
_APIS = ("api_1", "api_2", "api_3")
_blocked = exists().where(
    blocks.c.brand == outbox.c.brand,
    blocks.c.account == outbox.c.account,
    blocks.c.until > bindparam("at"),
    or_(bindparam("any_api"), blocks.c.scope.in_([bindparam(name) for name in ("everything", *_APIS)])),
)
_refuses_pushes = exists().where(
    customers.c.brand == outbox.c.brand,
    customers.c.id == outbox.c.customer_id,
    customers.c.opted_out_at.is_not(None),
)
_left_us = exists().where(
    identities.c.brand == outbox.c.brand,
    identities.c.account == outbox.c.account,
    identities.c.external_id == outbox.c.recipient,
    identities.c.unfollowed_at.is_not(None),
)
_bound = exists().where(
    bindings.c.brand == outbox.c.brand,
    bindings.c.customer_id == outbox.c.customer_id,
    one_of(bindings.c.state, ACTIVE),
    or_(outbox.c.advisor_id.is_(None), bindings.c.advisor_id == outbox.c.advisor_id),
)


def _campaign_is(*states: CampaignState) -> ColumnElement[bool]:
    return exists().where(
        runs.c.brand == outbox.c.brand,
        runs.c.id == outbox.c.run_id,
        campaigns.c.brand == runs.c.brand,
        campaigns.c.id == runs.c.campaign_id,
        one_of(campaigns.c.state, states),
    )


_paused = _campaign_is(CampaignState.PAUSED)
_cancelled = _campaign_is(CampaignState.CANCELLED)
_calling = {
    "state": OutboxState.CALLING.value,
    "attempts": outbox.c.attempts + 1,
    "called_at": bindparam("at"),
    "leased_until": bindparam("until"),
}
_BEGIN = {
    Traffic.TALK: update(outbox).where(sendable, ~_blocked).values(_calling),
    Traffic.PUSH: update(outbox)
    .where(
        sendable,
        ~_blocked,
        ~_refuses_pushes,
        ~_left_us,
        _bound,
        ~_campaign_is(CampaignState.PAUSED, CampaignState.CANCELLED),
    )
    .values(_calling),
}


def begin(
    tx: Connection,
    row: OutboxRow,
    rules: PlatformRules,
    now: int,
    for_ms: int,
    apis: NameApis | None = None,
) -> Begun | Stopped | None:
    """Record that a row is being called, if it may be; else what it waits for or ended as. None: it is no longer this worker's.

    Decided and recorded together: the fence, its expiry, blocks, the reply window (a push leaves KEEP_FOR_TALK to the talk), the
    allowances, and for a push that the customer still wants and may get it. Whoever holds `calling` longer than `for_ms` without
    a word is taken for dead, and the outcome for unknown. `apis` names those a call uses; None: any block holds it.
    """
    if row.expires_at <= now:
        return _stop(tx, row, Stopped(OutboxState.EXPIRED, "expired"), now)
    try:
        call = row.call
    except Damaged:
        return _stop(tx, row, Stopped(OutboxState.DEAD, "damaged"), now)
    debited = _debit(tx, row, call, rules, now)
    if isinstance(debited, Stopped):
        return _stop(tx, row, debited, now)
    used = apis(call) if apis else None
    if tx.execute(_BEGIN[row.traffic], {**key(row), "at": now, "until": now + for_ms, **_scopes(used)}).rowcount == 1:
        return Begun(call, debited)
    if debited is not None:
        windows.give_back(tx, row.brand, row.account, row.recipient, debited)
    why = _why_not(tx, row, used, now)
    return _stop(tx, row, why, now) if why else None


def _scopes(apis: Collection[str] | None) -> dict[str, Any]:
    """The parameters of `_blocked`: the apis, or that any block counts, because they are not known or too many."""
    names = tuple(apis or ())
    known = apis is not None and len(names) <= len(_APIS)
    padded = (*names, *_APIS)[: len(_APIS)] if known else _APIS
    return {"any_api": not known, "everything": allowances.EVERYTHING, **dict(zip(_APIS, padded, strict=True))}


def _debit(
    tx: Connection, row: OutboxRow, call: Call, rules: PlatformRules, now: int
) -> windows.Spent | Stopped | None:
    """Charge allowances and window before the row itself is touched: everybody locks in this order."""
    for scope in ("account", "member") if isinstance(call, Outbound) else ("account",):
        name = scope if scope == "account" else f"{scope}:{row.recipient.casefold()}"
        asked = [rule for rule in rules.allowances if rule.scope == scope]
        until = allowances.debit(tx, row.brand, row.account, name, asked, now) if asked else 0
        if until:
            return Stopped(OutboxState.QUEUED, f"allowance_{scope}", until, holds_account=scope == "account")
    if not rules.windows or not isinstance(call, Outbound):
        return None
    keep = KEEP_FOR_TALK if row.traffic is Traffic.PUSH else 0
    spent = windows.spend(tx, row.brand, row.account, row.recipient, keep, now)
    return spent or Stopped(no_window(row.traffic), "window_closed")


def no_window(traffic: Traffic) -> OutboxState:
    """What becomes of a row whose reply window is closed: an answer waits for the customer, a push is over."""
    return OutboxState.WAITING_WINDOW if traffic is Traffic.TALK else OutboxState.REFUSED


_ENDS = (
    (_cancelled.label("cancelled"), Stopped(OutboxState.CANCELLED, CANCELLED)),
    (_paused.label("paused"), Stopped(OutboxState.HELD, PAUSED)),
    (_refuses_pushes.label("opted_out"), Stopped(OutboxState.CANCELLED, "opted_out")),
    (_left_us.label("unfollowed"), Stopped(OutboxState.CANCELLED, "unfollowed")),
    ((~_bound).label("not_bound"), Stopped(OutboxState.CANCELLED, "not_bound")),
)
_ASK = select(*(condition for condition, _ in _ENDS)).select_from(outbox).where(mine)


def _why_not(tx: Connection, row: OutboxRow, apis: Collection[str] | None, now: int) -> Stopped | None:
    """Why the deciding statement found no row; None when the row is no longer this worker's, or may be called after all."""
    until, reason = allowances.blocked_until(tx, row.brand, row.account, apis, now)
    if until:
        return Stopped(OutboxState.QUEUED, f"blocked: {reason}", until, holds_account=True)
    answers = tx.execute(_ASK, key(row)).first()
    if answers is None or row.traffic is Traffic.TALK:
        return None
    return next((stopped for holds, (_, stopped) in zip(answers, _ENDS, strict=True) if holds), None)


_STOP = (
    update(outbox)
    .where(sendable)
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        next_at=bindparam("next"),
        done_at=bindparam("done"),
        leased_until=0,
    )
)


def _stop(tx: Connection, row: OutboxRow, stopped: Stopped, now: int) -> Stopped | None:
    values = {
        "new_state": stopped.state.value,
        "why": stopped.reason,
        "next": stopped.next_at or now,
        "done": now if stopped.state in FINAL else None,
    }
    if tx.execute(_STOP, {**key(row), **values}).rowcount != 1:
        return None
    report(tx, row, stopped.state, stopped.reason, {}, now)
    return stopped
