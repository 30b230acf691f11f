"""Allowances and blocks on both engines: never more calls in any window than a rule allows."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import func, select

from domain.calls import HOUR, MINUTE, SECOND
from domain.ids import AccountId, BrandId
from domain.quota import AllowanceRule
from storage import allowances
from storage.engine import Database
from storage.tables import queue
from tests.clock import START
from tests.racing import two_transactions

TEA, WORK = BrandId("tea"), AccountId("work")
A_MINUTE = AllowanceRule("member", 28, MINUTE, "https://example.com")
AN_HOUR = AllowanceRule("member", 100, HOUR, "https://example.com")


async def debit(db: Database, at: int, *rules: AllowanceRule, scope: str = "member:lan") -> int:
    return await db.write(lambda tx: allowances.debit(tx, TEA, WORK, scope, rules or (A_MINUTE,), at))


async def test_the_call_over_the_limit_must_wait_until_there_is_room(db: Database) -> None:
    for _ in range(A_MINUTE.calls):
        assert await debit(db, START) == 0
    until = await debit(db, START)
    assert MINUTE < until - START <= MINUTE + MINUTE // 20
    assert await debit(db, until - 1) == until
    assert await debit(db, until) == 0


async def test_scopes_are_apart(db: Database) -> None:
    for _ in range(A_MINUTE.calls):
        await debit(db, START)
    assert await debit(db, START, scope="member:mei") == 0


async def test_a_call_refused_by_one_rule_is_counted_by_none(db: Database) -> None:
    tight = AllowanceRule("member", 1, HOUR, "https://example.com")
    assert await debit(db, START, A_MINUTE, tight) == 0
    for _ in range(50):
        assert await debit(db, START, A_MINUTE, tight) > START
    assert await debit(db, START, A_MINUTE) == 0, "the minute has counted one call, not fifty-one"


@pytest.mark.parametrize("seed", range(3))
async def test_no_window_ever_holds_more_than_allowed_and_little_is_wasted(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    at, called = START, []
    while at < START + 5 * MINUTE:
        if await debit(db, at, A_MINUTE, AN_HOUR) == 0:
            called.append(at)
        at += chance.choice((50, 400, 1 * SECOND, 2500))
    for first in called:
        assert sum(first <= one < first + MINUTE for one in called) <= A_MINUTE.calls
    assert len(called) <= AN_HOUR.calls
    assert len(called) == AN_HOUR.calls or len(called) >= 0.85 * 5 * A_MINUTE.calls


async def test_old_slices_are_swept(db: Database) -> None:
    for minute in range(30):
        await debit(db, START + minute * MINUTE)
    rows = await db.read(lambda tx: tx.execute(select(func.count()).select_from(queue.allowances)).scalar_one())
    assert rows <= 4


@pytest.mark.parametrize(
    ("scope", "apis", "held"),
    [
        ("*", ["send"], True),
        ("*", [], True),
        ("send", ["send"], True),
        ("send", ["upload"], False),
        ("upload", ["send", "upload"], True),
        ("upload", None, True),
    ],
)
async def test_a_block_holds_what_it_names(db: Database, scope: str, apis: list[str] | None, held: bool) -> None:
    await db.write(lambda tx: allowances.block(tx, TEA, WORK, scope, "too often", START + MINUTE))
    until, reason = await db.read(lambda tx: allowances.blocked_until(tx, TEA, WORK, apis, START))
    assert (until, reason) == ((START + MINUTE, "too often") if held else (0, ""))


async def test_a_block_ends_and_a_longer_one_is_never_cut_short(db: Database) -> None:
    await db.write(lambda tx: allowances.block(tx, TEA, WORK, "*", "until midnight", START + HOUR))
    await db.write(lambda tx: allowances.block(tx, TEA, WORK, "*", "a minute", START + MINUTE))
    assert await db.read(lambda tx: allowances.blocked_until(tx, TEA, WORK, None, START + MINUTE)) == (
        START + HOUR,
        "until midnight",
    )
    assert await db.read(lambda tx: allowances.blocked_until(tx, TEA, WORK, None, START + HOUR)) == (0, "")


@pytest.mark.postgres
async def test_two_nodes_after_the_last_call_do_not_both_get_it(postgres_url: str) -> None:
    once = (AllowanceRule("member", 1, MINUTE, "https://example.com"),)
    async with two_transactions(postgres_url) as (one, two):
        assert await one.run(lambda tx: allowances.debit(tx, TEA, WORK, "member:lan", once, START)) == 0
        waiting = await two.starts_to_wait(lambda tx: allowances.debit(tx, TEA, WORK, "member:lan", once, START))
        await one.commit()
        assert await waiting > START
        await two.commit()
