"""The inbox on both engines: each event once, in the order of its key, by one worker at a time."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Image, Inbound, Kind, Text, WantedMedia
from storage import inbox
from storage.engine import Database
from storage.inbox import Arrival, InboxRow
from storage.leases import Damaged, LeaseLost
from storage.tables import queue
from storage.tables.talk import media
from tests.clock import START, FakeClock
from tests.plans import plan_of
from tests.racing import two_transactions

BRAND = BrandId("tea")
OA = AccountId("oa")
LEASE_MS = 1000


def event(number: int, order_key: str = "oa:o1", *, text: str = "好", account: AccountId = OA) -> Inbound:
    """An event; its number is what makes it itself."""
    return Inbound(account, Kind.MESSAGE, "o1", f"msg:{number}", order_key, START, Text(text))


def arrivals(*events: Inbound, at: int = START) -> list[tuple[Arrival, int]]:
    """Events on their way in."""
    return [(Arrival(BRAND, one, raw="<xml/>"), at) for one in events]


async def keep(db: Database, *events: Inbound, at: int = START) -> list[bool]:
    return await db.write(lambda tx: inbox.accept(tx, arrivals(*events, at=at)))


async def lease(db: Database, clock: FakeClock, n: int = 10) -> list[InboxRow]:
    return await db.write(lambda tx: inbox.lease(tx, n, clock.now, LEASE_MS))


def keys(rows: list[InboxRow]) -> list[str]:
    return [row.inbound.dedup_key for row in rows]


async def state_of(db: Database, row: InboxRow) -> tuple[str, int]:
    statement = select(queue.inbox.c.state, queue.inbox.c.attempts).where(queue.inbox.c.id == row.id)
    found = await db.read(lambda tx: tx.execute(statement).one())
    return found.state, found.attempts


async def test_an_event_is_kept_once_however_often_it_comes(db: Database) -> None:
    assert await keep(db, event(1), event(2), event(1)) == [True, True, False]
    assert await keep(db, event(2), event(3)) == [False, True]


async def test_the_same_key_in_another_account_is_another_event(db: Database) -> None:
    assert await keep(db, event(1), event(1, account=AccountId("oa2"))) == [True, True]


async def test_two_messages_with_the_same_text_are_both_kept(db: Database) -> None:
    assert await keep(db, event(1, text="好"), event(2, text="好")) == [True, True]


async def test_acceptance_can_be_merged(db: Database) -> None:
    kept = [await db.merged(inbox.accept, one) for one in arrivals(event(1), event(1), event(2))]
    assert kept == [True, False, True]


async def test_the_event_comes_back_as_it_went_in(db: Database, clock: FakeClock) -> None:
    original = event(1, text="你好 🍵 'quoted' \"双\" \\ \n")
    await keep(db, original)
    (row,) = await lease(db, clock)
    assert row.inbound == original
    assert (row.brand, row.account, row.kind, row.received_at) == (BRAND, OA, "message", START)


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d of a pair", "\ufeff\u202e"], ids=ascii)
async def test_text_no_engine_likes_is_still_kept(db: Database, clock: FakeClock, text: str) -> None:
    one = event(1, text=text, order_key=f"oa:{text}")
    assert await db.write(lambda tx: inbox.accept(tx, [(Arrival(BRAND, one, raw=text), START)])) == [True]
    (row,) = await lease(db, clock)
    assert isinstance(row.inbound.content, Text)


async def test_files_of_a_new_event_are_wanted_and_those_of_a_repeat_are_not(db: Database) -> None:
    def picture(media_id: str) -> Inbound:
        wanted = WantedMedia(MediaId(media_id), "platform-id", "image")
        return Inbound(OA, Kind.MESSAGE, "o1", "msg:1", "oa:o1", START, Image(wanted.id), media=(wanted,))

    await keep(db, picture("m1"))
    await keep(db, picture("m2"))
    rows = await db.read(lambda tx: tx.execute(select(media.c.id, media.c.state, media.c.origin)).all())
    assert [tuple(row) for row in rows] == [("m1", "wanted", "platform-id")]


async def test_only_the_head_of_each_key_is_leased_the_oldest_first(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1, "a"), event(2, "a"), event(3, "b"))
    assert keys(await lease(db, clock)) == ["msg:1", "msg:3"]
    assert await lease(db, clock) == []


async def test_no_more_are_leased_than_asked_for(db: Database, clock: FakeClock) -> None:
    await keep(db, *(event(number, f"key{number}") for number in range(5)))
    assert len(await lease(db, clock, 2)) == 2
    assert len(await lease(db, clock, 9)) == 3


async def test_the_next_of_a_key_follows_when_the_head_is_done(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1), event(2))
    (first,) = await lease(db, clock)
    await db.write(lambda tx: inbox.finish(tx, first, clock.now))
    (second,) = await lease(db, clock)
    assert second.inbound.dedup_key == "msg:2"
    assert await state_of(db, first) == ("done", 1)


async def test_a_failed_head_holds_its_key_until_it_is_tried_again(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1, "a"), event(2, "a"), event(3, "b"))
    head, other = await lease(db, clock)
    await db.write(lambda tx: inbox.retry_later(tx, head, "boom", clock.now + 500))
    await db.write(lambda tx: inbox.finish(tx, other, clock.now))
    assert await lease(db, clock) == []
    clock.advance(500)
    (again,) = await lease(db, clock)
    assert (again.id, again.attempts) == (head.id, 2)


async def test_a_parked_event_lets_its_key_go_on(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1), event(2))
    (head,) = await lease(db, clock)
    await db.write(lambda tx: inbox.park(tx, head, "boom", clock.now))
    assert keys(await lease(db, clock)) == ["msg:2"]
    assert await state_of(db, head) == ("parked", 1)


async def test_an_event_handed_back_untried_counts_no_attempt(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1))
    (row,) = await lease(db, clock)
    await db.write(lambda tx: inbox.release(tx, row, clock.now))
    (again,) = await lease(db, clock)
    assert again.attempts == 1


async def test_a_silent_worker_loses_its_row_and_can_write_nothing_about_it(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1))
    (stale,) = await lease(db, clock)
    assert await lease(db, clock) == []
    clock.advance(LEASE_MS)
    (taken_over,) = await lease(db, clock)
    assert (taken_over.fence, taken_over.attempts) == (stale.fence + 1, 2)
    for write in (
        lambda tx: inbox.finish(tx, stale, clock.now),
        lambda tx: inbox.retry_later(tx, stale, "x", clock.now),
        lambda tx: inbox.park(tx, stale, "x", clock.now),
        lambda tx: inbox.release(tx, stale, clock.now),
    ):
        with pytest.raises(LeaseLost):
            await db.write(write)
    await db.write(lambda tx: inbox.finish(tx, taken_over, clock.now))


async def test_a_row_is_finished_once(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1))
    (row,) = await lease(db, clock)
    await db.write(lambda tx: inbox.finish(tx, row, clock.now))
    with pytest.raises(LeaseLost):
        await db.write(lambda tx: inbox.finish(tx, row, clock.now))


async def test_a_damaged_event_is_noticed(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1, text="one"))
    flipped = func.replace(queue.inbox.c.event, "one", "two")
    await db.write(lambda tx: tx.execute(update(queue.inbox).values(event=flipped)))
    (row,) = await lease(db, clock)
    with pytest.raises(Damaged, match="is damaged"):
        _ = row.inbound


async def test_the_only_node_takes_back_what_a_dead_one_had_leased(db: Database, clock: FakeClock) -> None:
    await keep(db, event(1, "a"), event(2, "b"))
    leased = await lease(db, clock)
    assert await db.write(lambda tx: inbox.release_all(tx, clock.now)) == 2
    assert [row.id for row in await lease(db, clock)] == [row.id for row in leased]


async def test_the_backlog_is_what_is_not_done(db: Database, clock: FakeClock) -> None:
    assert await db.read(inbox.backlog) == inbox.Backlog(0, 0)
    await keep(db, event(1), at=START - 5000)
    await keep(db, event(2), event(3))
    (row,) = await lease(db, clock)
    assert await db.read(inbox.backlog) == inbox.Backlog(3, START - 5000)
    assert (await db.read(lambda tx: inbox.backlog(tx, 2))).rows == 2
    await db.write(lambda tx: inbox.finish(tx, row, clock.now))
    assert (await db.read(inbox.backlog)).rows == 2


async def test_looking_for_work_reads_nothing_that_is_done(db: Database) -> None:
    plan = await db.write(lambda tx: plan_of(tx, inbox.HEADS, at=START, most=5))
    assert "ix_inbox_due" in plan
    assert "ix_inbox_key" in plan


@pytest.mark.postgres
async def test_two_workers_never_get_the_same_row(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: inbox.accept(tx, arrivals(event(1, "a"), event(2, "a"), event(3, "b"))))
        await one.commit()
        first = await one.run(lambda tx: inbox.lease(tx, 1, START, LEASE_MS))
        second = await two.run(lambda tx: inbox.lease(tx, 9, START, LEASE_MS))
        assert keys(first) == ["msg:1"]
        assert keys(second) == ["msg:3"], "not the row that is taken, and not the one behind it"
        await one.commit()
        await two.commit()
        assert await two.run(lambda tx: inbox.lease(tx, 9, START, LEASE_MS)) == []


@pytest.mark.postgres
async def test_two_nodes_that_accept_the_same_repeats_do_not_block_each_other_for_ever(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        assert await one.run(lambda tx: inbox.accept(tx, arrivals(event(1), event(2)))) == [True, True]
        waiting = await two.starts_to_wait(lambda tx: inbox.accept(tx, arrivals(event(2), event(1), event(3))))
        await one.commit()
        assert await waiting == [False, False, True]
        await two.commit()
