"""Outcomes on both engines: recorded under the caller's fence, reported once, given up when the caller fell silent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select

from domain.calls import Lane, OutboxState
from domain.ids import BrandId, CustomerId
from domain.messages import Inbound, Kind
from domain.platforms.wechat import RULES
from domain.quota import Trigger
from storage import allowances, inbox, settlement, windows
from storage.calls import OutboxRow, Traffic
from storage.delivery import Begun
from storage.engine import Database
from storage.outbox import Promise
from storage.settlement import Outcome, Settlement
from storage.tables.queue import outbox
from tests.clock import START, FakeClock
from tests.promising import BRAND, CALLING_MS, FREE, OA, WECHAT, begin, lease, promise, promised, push, said, states
from tests.racing import two_transactions

MESSAGE = next(rule for rule in RULES.windows if rule.trigger is Trigger.MESSAGE)
ACCEPTED = Outcome(OutboxState.ACCEPTED, platform_id="m-1")


async def calling(db: Database, clock: FakeClock, one: Promise, *, window: bool = False) -> tuple[OutboxRow, Begun]:
    """A row that is being called."""

    def unit(tx: Any) -> tuple[OutboxRow, Begun]:
        promised(tx, one)
        if window:
            windows.grant(tx, BRAND, OA.id, one.recipient, MESSAGE, clock.now)
        (row,) = lease(tx, clock.now, Traffic.PUSH if one.lane is Lane.PUSH else Traffic.TALK)
        begun = begin(tx, row, clock.now, WECHAT if window else FREE)
        assert isinstance(begun, Begun)
        return row, begun

    return await db.write(unit)


async def settle(db: Database, clock: FakeClock, row: OutboxRow, outcome: Outcome, begun: Begun | None = None) -> bool:
    item = Settlement(row, outcome, begun.spent if begun else None, clock.now)
    return await db.merged(settlement.settle, item)


async def reports(db: Database, clock: FakeClock) -> list[Inbound]:
    """What the handlers are going to hear."""
    return [row.inbound for row in await db.write(lambda tx: inbox.lease(tx, 50, clock.now, 1))]


async def test_an_outcome_is_recorded(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise())
    clock.advance(70)
    assert await settle(db, clock, row, Outcome(OutboxState.ACCEPTED, platform_id="m-1", values={"url": "u"}))
    columns = (outbox.c.state, outbox.c.platform_id, outbox.c.result, outbox.c.done_at, outbox.c.leased_until)
    recorded = await db.read(lambda tx: tx.execute(select(*columns)).one())
    assert (recorded.state, recorded.platform_id, recorded.done_at, recorded.leased_until) == (
        "accepted",
        "m-1",
        START + 70,
        0,
    )
    assert json.loads(recorded.result) == {"url": "u"}


async def test_an_outcome_is_recorded_once(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise())
    assert await settle(db, clock, row, ACCEPTED)
    assert not await settle(db, clock, row, Outcome(OutboxState.REFUSED, "too_late"))
    assert (await db.read(states))[row.id] == ("accepted", "")


async def test_outcomes_recorded_together_are_told_apart(db: Database, clock: FakeClock) -> None:
    kept = [(await calling(db, clock, promise(stream=f"s{n}")))[0] for n in range(5)]
    late, _ = await calling(db, clock, promise(stream="late"))
    assert await settle(db, clock, late, Outcome(OutboxState.UNKNOWN, "node_lost"))
    settled = await asyncio.gather(*(settle(db, clock, row, ACCEPTED) for row in (*kept[:3], late, *kept[3:])))
    assert settled == [True, True, True, False, True, True]
    found = await db.read(states)
    assert [found[row.id] for row in kept] == [("accepted", "")] * 5
    assert found[late.id] == ("unknown", "node_lost")


async def test_a_row_that_is_tried_again_holds_its_stream_and_counts_its_calls(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise("1", n=1))
    await db.write(lambda tx: promised(tx, promise("2", n=2)))
    await settle(db, clock, row, Outcome(OutboxState.RETRY_AT, "busy", next_at=START + 1000))
    assert await db.write(lambda tx: lease(tx, clock.now)) == []
    clock.advance(1000)
    (again,) = await db.write(lambda tx: lease(tx, clock.now))
    assert (said([again]), again.attempts) == (["1"], 1)


async def test_a_block_is_recorded_with_the_outcome(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise())
    await settle(db, clock, row, Outcome(OutboxState.RETRY_AT, "too_often", next_at=START + 60_000, block="send"))
    found = await db.read(lambda tx: allowances.blocked_until(tx, BRAND, OA.id, ["send"], START))
    assert found == (START + 60_000, "too_often")


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome(OutboxState.ACCEPTED), 4),
        (Outcome(OutboxState.UNKNOWN, "cut"), 4),
        (Outcome(OutboxState.RETRY_AT, "busy", next_at=START + 1, took_nothing=True), 5),
        (Outcome(OutboxState.REFUSED, "blocked_by_user", took_nothing=True), 5),
        (Outcome(OutboxState.WAITING_WINDOW, "window_closed", closes_window=True), 0),
    ],
    ids=lambda value: value.state if isinstance(value, Outcome) else "",
)
async def test_the_window_is_charged_for_what_the_platform_may_have_taken(
    db: Database, clock: FakeClock, outcome: Outcome, left: int
) -> None:
    row, begun = await calling(db, clock, promise(), window=True)
    assert begun.spent is not None
    await settle(db, clock, row, outcome, begun)
    buckets = await db.read(lambda tx: windows.state(tx, BRAND, OA.id, "o1", clock.now))
    assert sum(bucket.left for bucket in buckets) == left


REPORTED = [
    # asked for a report, lane, state, told
    (True, Lane.COMMAND, OutboxState.ACCEPTED, True),
    (True, Lane.COMMAND, OutboxState.REFUSED, True),
    (True, Lane.TALK, OutboxState.ACCEPTED, True),
    (True, Lane.TALK, OutboxState.RETRY_AT, False),
    (True, Lane.PUSH, OutboxState.REFUSED, True),
    (False, Lane.TALK, OutboxState.ACCEPTED, False),
    (False, Lane.TALK, OutboxState.REFUSED, True),
    (False, Lane.TALK, OutboxState.UNKNOWN, True),
    (False, Lane.TALK, OutboxState.EXPIRED, True),
    (False, Lane.TALK, OutboxState.DEAD, True),
    (False, Lane.TALK, OutboxState.WAITING_WINDOW, True),
    (False, Lane.TALK, OutboxState.RETRY_AT, False),
    (False, Lane.WELCOME, OutboxState.REFUSED, True),
    (False, Lane.PUSH, OutboxState.REFUSED, False),
    (False, Lane.PUSH, OutboxState.UNKNOWN, False),
]


@pytest.mark.parametrize(("asked", "lane", "state", "told"), REPORTED)
async def test_who_must_hear_of_an_end_does(
    db: Database, clock: FakeClock, asked: bool, lane: Lane, state: OutboxState, told: bool
) -> None:
    one = promise(reports=asked, lane=lane, stream="s1")
    row, _ = await calling(db, clock, one) if lane is not Lane.PUSH else await calling_push(db, clock, one)
    await settle(db, clock, row, Outcome(state, "why", values={"url": "u"}, next_at=START + 1))
    heard = await reports(db, clock)
    assert bool(heard) is told
    if told:
        (event,) = heard
        assert event == Inbound(
            account=OA.id,
            kind=Kind.CALL_DONE,
            sender="",
            dedup_key=f"call:{row.id}:{state}",
            order_key="call:s1",
            occurred_at=clock.now,
            values={"url": "u", "outbox_id": row.id, "state": state.value, "reason": "why"},
        )


async def calling_push(db: Database, clock: FakeClock, one: Promise) -> tuple[OutboxRow, Begun]:
    """A push is only called for a bound customer; that is told elsewhere, so here its row is simply set."""

    def unit(tx: Any) -> tuple[OutboxRow, Begun]:
        promised(tx, one)
        (row,) = lease(tx, clock.now, Traffic.PUSH)
        tx.execute(outbox.update().values(state="calling", leased_until=clock.now + CALLING_MS))
        return row, Begun(row.call)

    return await db.write(unit)


async def test_what_ends_uncalled_is_reported_too(db: Database, clock: FakeClock) -> None:
    await db.write(lambda tx: promised(tx, promise(expires_at=START)))
    (row,) = await db.write(lambda tx: lease(tx, clock.now))
    await db.write(lambda tx: begin(tx, row, clock.now))
    assert [event.values["state"] for event in await reports(db, clock)] == ["expired"]


async def test_a_call_whose_caller_fell_silent_is_unknown_and_never_made_again(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise("1", n=1))
    await db.write(lambda tx: promised(tx, promise("2", n=2)))
    assert await db.write(lambda tx: settlement.recover(tx, [BRAND], clock.now)) == 0
    clock.advance(CALLING_MS)
    assert await db.write(lambda tx: settlement.recover(tx, [BRAND], clock.now)) == 1
    assert (await db.read(states))[row.id] == ("unknown", "node_lost")
    assert [event.values["reason"] for event in await reports(db, clock)] == ["node_lost"]
    assert said(await db.write(lambda tx: lease(tx, clock.now))) == ["2"], "its stream goes on"
    assert not await settle(db, clock, row, ACCEPTED), "whoever wakes late changes nothing"
    assert (await db.read(states))[row.id] == ("unknown", "node_lost")


async def test_other_brands_rows_are_left_alone(db: Database, clock: FakeClock) -> None:
    await calling(db, clock, promise())
    clock.advance(CALLING_MS)
    assert await db.write(lambda tx: settlement.recover(tx, [BrandId("coffee")], clock.now)) == 0


async def test_the_only_node_gives_up_at_once_what_a_dead_one_was_calling(db: Database, clock: FakeClock) -> None:
    row, _ = await calling(db, clock, promise())
    assert await db.write(lambda tx: settlement.recover(tx, [BRAND], clock.now, alone=True)) == 1
    assert (await db.read(states))[row.id] == ("unknown", "node_lost")


async def test_the_only_node_takes_back_what_was_leased_and_not_called(db: Database, clock: FakeClock) -> None:
    await db.write(lambda tx: promised(tx, promise()))
    await db.write(lambda tx: lease(tx, clock.now))
    assert await db.write(lambda tx: lease(tx, clock.now)) == []
    assert await db.write(lambda tx: settlement.release_all(tx, [BRAND])) == 1
    assert len(await db.write(lambda tx: lease(tx, clock.now))) == 1


async def test_many_rows_are_given_up_in_pages(db: Database, clock: FakeClock) -> None:
    for number in range(5):
        await calling(db, clock, promise(stream=f"s{number}"))
    clock.advance(CALLING_MS)
    pages = [await db.write(lambda tx: settlement.recover(tx, [BRAND], clock.now, limit=2)) for _ in range(4)]
    assert pages == [2, 2, 1, 0]


async def test_a_push_to_nobody_we_know_is_reported_to_nobody(db: Database, clock: FakeClock) -> None:
    await db.write(lambda tx: promised(tx, push("sale", CustomerId("stranger"), "o1")))
    (row,) = await db.write(lambda tx: lease(tx, clock.now, Traffic.PUSH))
    await db.write(lambda tx: begin(tx, row, clock.now))
    assert (await db.read(states))[row.id] == ("cancelled", "not_bound")
    assert await reports(db, clock) == []


@pytest.mark.postgres
async def test_an_outcome_and_giving_up_at_once_end_in_one_state(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: promised(tx, promise()))
        (row,) = await one.run(lambda tx: lease(tx, START))
        await one.run(lambda tx: begin(tx, row, START))
        await one.commit()
        late = START + CALLING_MS
        assert await one.run(lambda tx: settlement.settle(tx, [Settlement(row, ACCEPTED, None, late)])) == [True]
        assert await two.run(lambda tx: settlement.recover(tx, [BRAND], late)) == 0, "the row is in another's hands"
        await one.commit()
        await two.commit()
        assert (await two.run(states))[row.id] == ("accepted", "")
