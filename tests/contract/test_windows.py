"""Reply windows on both engines: one bucket for each trigger, spent from the one that closes first, never more than there is."""

from __future__ import annotations

from functools import partial

import pytest

from domain.calls import HOUR, MINUTE
from domain.ids import AccountId, BrandId
from domain.platforms.wechat import RULES
from domain.quota import KEEP_FOR_TALK, Trigger
from storage import windows
from storage.engine import Database
from storage.windows import Spent
from tests.clock import START
from tests.racing import two_transactions

TEA, OA = BrandId("tea"), AccountId("oa")
RULE = {rule.trigger: rule for rule in RULES.windows}


async def grant(db: Database, trigger: Trigger, at: int = START, person: str = "o1") -> None:
    await db.write(lambda tx: windows.grant(tx, TEA, OA, person, RULE[trigger], at))


async def spend(db: Database, at: int = START, keep: int = 0, person: str = "o1") -> Spent | None:
    return await db.write(lambda tx: windows.spend(tx, TEA, OA, person, keep, at))


async def left(db: Database, at: int = START) -> list[tuple[Trigger, int]]:
    buckets = await db.read(lambda tx: windows.state(tx, TEA, OA, "o1", at))
    return [(bucket.trigger, bucket.left) for bucket in buckets]


async def test_without_a_window_nothing_may_be_sent(db: Database) -> None:
    assert await spend(db) is None
    assert await left(db) == []


async def test_a_message_allows_five_and_the_sixth_is_refused(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    assert [bool(await spend(db)) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(("late_ms", "allowed"), [(48 * HOUR - 1, True), (48 * HOUR, False)])
async def test_a_window_closes_on_time(db: Database, late_ms: int, allowed: bool) -> None:
    await grant(db, Trigger.MESSAGE)
    assert bool(await spend(db, START + late_ms)) is allowed


async def test_the_bucket_that_closes_first_is_spent_first(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    await grant(db, Trigger.SCAN)
    assert await left(db) == [(Trigger.SCAN, 3), (Trigger.MESSAGE, 5)]
    for _ in range(4):
        await spend(db)
    assert await left(db) == [(Trigger.MESSAGE, 4)]


async def test_the_same_trigger_again_opens_its_bucket_anew(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    for _ in range(5):
        await spend(db)
    await grant(db, Trigger.MESSAGE, START + HOUR)
    assert await left(db, START + 48 * HOUR) == [(Trigger.MESSAGE, 5)]


async def test_a_slower_worker_s_older_trigger_changes_nothing(db: Database) -> None:
    await grant(db, Trigger.MESSAGE, START + MINUTE)
    await spend(db, START + MINUTE)
    await grant(db, Trigger.MESSAGE, START)
    assert await left(db, START + MINUTE) == [(Trigger.MESSAGE, 4)]


async def test_a_push_leaves_the_last_messages_to_the_advisor(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    assert [bool(await spend(db, keep=KEEP_FOR_TALK)) for _ in range(4)] == [True, True, True, False]
    assert bool(await spend(db))


async def test_what_is_kept_may_lie_in_several_buckets(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    for _ in range(5):
        await spend(db)
    await grant(db, Trigger.SCAN)
    assert [bool(await spend(db, keep=KEEP_FOR_TALK)) for _ in range(2)] == [True, False]


async def test_a_message_that_was_not_taken_is_given_back(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    spent = await spend(db)
    assert spent
    await db.write(lambda tx: windows.give_back(tx, TEA, OA, "o1", spent))
    assert await left(db) == [(Trigger.MESSAGE, 5)]
    await db.write(lambda tx: windows.give_back(tx, TEA, OA, "o1", spent))
    assert await left(db) == [(Trigger.MESSAGE, 5)], "never more than there were"


async def test_nothing_is_given_back_to_a_window_that_was_opened_anew(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    spent = await spend(db)
    assert spent
    await grant(db, Trigger.MESSAGE, START + 1)
    await spend(db, START + 1)
    await db.write(lambda tx: windows.give_back(tx, TEA, OA, "o1", spent))
    assert await left(db, START + 1) == [(Trigger.MESSAGE, 4)]


async def test_when_the_platform_says_closed_every_bucket_is_used_up_until_the_next_trigger(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    await grant(db, Trigger.FOLLOW)
    await grant(db, Trigger.MESSAGE, person="o2")
    await db.write(lambda tx: windows.close(tx, TEA, OA, "o1", START))
    assert await spend(db) is None
    assert await spend(db, person="o2")
    await grant(db, Trigger.MESSAGE, START + 1)
    assert await spend(db, START + 1)


async def test_people_accounts_and_brands_are_apart(db: Database) -> None:
    await grant(db, Trigger.MESSAGE)
    assert await spend(db, person="o2") is None
    for brand, account in ((BrandId("coffee"), OA), (TEA, AccountId("oa2"))):
        assert (
            await db.write(partial(windows.spend, brand=brand, account=account, external_id="o1", keep=0, now=START))
            is None
        )


@pytest.mark.postgres
async def test_two_nodes_after_the_last_message_do_not_both_get_it(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: windows.grant(tx, TEA, OA, "o1", RULE[Trigger.SCAN], START))
        for _ in range(2):
            await one.run(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        await one.commit()
        assert await one.run(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        waiting = await two.starts_to_wait(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        await one.commit()
        assert await waiting is None
        await two.commit()


@pytest.mark.postgres
async def test_whoever_loses_the_last_of_one_bucket_gets_the_next_bucket(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: windows.grant(tx, TEA, OA, "o1", RULE[Trigger.MESSAGE], START))
        await one.run(lambda tx: windows.grant(tx, TEA, OA, "o1", RULE[Trigger.SCAN], START))
        for _ in range(2):
            await one.run(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        await one.commit()
        last = await one.run(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        waiting = await two.starts_to_wait(lambda tx: windows.spend(tx, TEA, OA, "o1", 0, START))
        await one.commit()
        other = await waiting
        await two.commit()
        assert last and other
        assert (last.trigger, other.trigger) == (Trigger.SCAN, Trigger.MESSAGE)
