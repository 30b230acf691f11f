"""The outbox on both engines: heads of streams in order, and one deciding statement before anything is called."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from domain.calls import HOUR, MINUTE, Command, CommandName, Lane, OutboxState
from domain.ids import AdvisorId, CustomerId
from domain.platforms.wechat import RULES
from domain.quota import Trigger
from storage import allowances, delivery, windows
from storage.calls import OutboxRow, Traffic
from storage.delivery import Begun, Stopped
from storage.engine import Database
from storage.outbox import Promise, cancel_pushes
from storage.people import set_opted_out
from storage.tables.campaigns import campaigns, runs
from storage.tables.people import bindings, identities
from storage.tables.queue import outbox
from tests.builders import Builder, external_id
from tests.clock import START, FakeClock
from tests.plans import plan_of
from tests.promising import (
    BRAND,
    CALLING_MS,
    LEASE_MS,
    OA,
    WECHAT,
    WECOM,
    WORK,
    begin,
    lease,
    promise,
    promised,
    push,
    said,
    states,
    text_of,
)
from tests.racing import two_transactions

MESSAGE = next(rule for rule in RULES.windows if rule.trigger is Trigger.MESSAGE)


async def put(db: Database, *promises: Promise) -> None:
    await db.write(lambda tx: promised(tx, *promises))


async def take(db: Database, clock: FakeClock, traffic: Traffic = Traffic.TALK, n: int = 10) -> list[OutboxRow]:
    return await db.write(lambda tx: lease(tx, clock.now, traffic, n))


async def start(db: Database, clock: FakeClock, row: OutboxRow, **more: Any) -> Begun | Stopped | None:
    return await db.write(lambda tx: begin(tx, row, clock.now, **more))


async def state_of(db: Database, row: OutboxRow | Promise) -> tuple[str, str]:
    return (await db.read(states))[row.id]


async def test_only_the_head_of_a_stream_is_leased(db: Database, clock: FakeClock) -> None:
    await put(db, promise("1", n=1), promise("2", n=2), promise("other", stream="b"))
    assert said(await take(db, clock)) == ["1", "other"]
    assert await take(db, clock) == []


async def test_rows_with_the_same_number_go_in_the_order_they_were_made(db: Database, clock: FakeClock) -> None:
    await put(db, promise("first"), promise("second"))
    assert said(await take(db, clock)) == ["first"]


async def test_what_is_due_first_goes_first(db: Database, clock: FakeClock) -> None:
    await put(
        db,
        promise("card", stream="a", lane=Lane.CARD),
        promise("reply", stream="b"),
        promise("welcome", stream="c", lane=Lane.WELCOME),
    )
    assert said(await take(db, clock, n=2)) == ["welcome", "reply"]


async def test_talk_pushes_and_accounts_are_leased_apart(db: Database, clock: FakeClock) -> None:
    await put(
        db,
        push("sale", CustomerId("c"), "o1", due_by=START),
        promise("reply"),
        promise("elsewhere", account=WORK.id, stream="w"),
    )
    assert said(await take(db, clock)) == ["reply"]
    assert said(await take(db, clock, Traffic.PUSH)) == ["sale"]


@pytest.mark.parametrize("state", ["calling", "retry_at", "queued"])
async def test_a_head_that_is_not_settled_holds_those_behind_it(db: Database, clock: FakeClock, state: str) -> None:
    await put(db, promise("1", n=1), promise("2", n=2))
    await set_state(db, "1", state, next_at=START + HOUR)
    assert await take(db, clock) == []


@pytest.mark.parametrize(
    "state", ["accepted", "refused", "unknown", "expired", "held", "waiting_window", "cancelled", "dead"]
)
async def test_a_head_that_is_settled_or_waits_for_a_person_does_not(
    db: Database, clock: FakeClock, state: str
) -> None:
    await put(db, promise("1", n=1), promise("2", n=2))
    await set_state(db, "1", state)
    assert said(await take(db, clock)) == ["2"]


async def set_state(db: Database, text: str, state: str, **more: Any) -> None:
    matching = outbox.c.call.contains(f'"{text}"')
    await db.write(lambda tx: tx.execute(update(outbox).where(matching).values(state=state, **more)))


async def test_a_row_waits_for_its_time(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    await set_state(db, "好", "retry_at", next_at=START + 1)
    assert await take(db, clock) == []
    clock.advance(1)
    assert len(await take(db, clock)) == 1


async def test_a_worker_that_falls_silent_before_calling_loses_the_row(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    (stale,) = await take(db, clock)
    clock.advance(LEASE_MS)
    (fresh,) = await take(db, clock)
    assert await start(db, clock, stale) is None
    assert isinstance(await start(db, clock, fresh), Begun)


async def test_beginning_records_the_call_before_it_is_made(db: Database, clock: FakeClock) -> None:
    await put(db, promise("hello"))
    (row,) = await take(db, clock)
    begun = await start(db, clock, row)
    assert isinstance(begun, Begun) and text_of(begun.call) == "hello"
    columns = (outbox.c.state, outbox.c.attempts, outbox.c.called_at, outbox.c.leased_until)
    recorded = await db.read(lambda tx: tx.execute(select(*columns)).one())
    assert tuple(recorded) == ("calling", 1, START, START + CALLING_MS)


async def test_a_row_is_begun_once(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    (row,) = await take(db, clock)
    assert isinstance(await start(db, clock, row), Begun)
    assert await start(db, clock, row) is None


async def test_a_row_handed_back_is_looked_at_again_later(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    (row,) = await take(db, clock)
    await db.write(lambda tx: delivery.postpone(tx, row, START + 500))
    assert await start(db, clock, row) is not None, "until somebody else takes it, it is still this worker's"
    assert await state_of(db, row) == ("calling", "")


async def test_what_is_too_late_expires_uncalled(db: Database, clock: FakeClock) -> None:
    await put(db, promise(expires_at=START + 1))
    clock.advance(1)
    (row,) = await take(db, clock)
    assert await start(db, clock, row) == Stopped(OutboxState.EXPIRED, "expired")
    assert await state_of(db, row) == ("expired", "expired")


async def test_a_damaged_call_is_never_made(db: Database, clock: FakeClock) -> None:
    await put(db, promise("one"))
    await db.write(lambda tx: tx.execute(update(outbox).values(call=func.replace(outbox.c.call, "one", "two"))))
    (row,) = await take(db, clock)
    assert await start(db, clock, row) == Stopped(OutboxState.DEAD, "damaged")


async def test_a_block_holds_the_account_until_it_ends(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    await db.write(lambda tx: allowances.block(tx, BRAND, OA.id, "*", "too often", START + MINUTE))
    (row,) = await take(db, clock)
    stopped = await start(db, clock, row)
    assert stopped == Stopped(OutboxState.QUEUED, "blocked: too often", START + MINUTE, holds_account=True)
    assert await take(db, clock) == []
    clock.advance(minutes=1)
    (again,) = await take(db, clock)
    assert isinstance(await start(db, clock, again), Begun)


@pytest.mark.parametrize(
    ("scope", "apis", "goes"),
    [
        ("upload", ["send"], True),
        ("upload", ["upload", "send"], False),
        ("upload", None, False),
        ("upload", ["a", "b", "c", "d"], False),
        ("*", ["send"], False),
        ("*", [], False),
    ],
)
async def test_a_block_of_an_api_holds_what_uses_it(
    db: Database, clock: FakeClock, scope: str, apis: list[str] | None, goes: bool
) -> None:
    """A call that uses more apis than the statement has room for is held by any block."""
    await put(db, promise())
    await db.write(lambda tx: allowances.block(tx, BRAND, OA.id, scope, "too often", START + MINUTE))
    (row,) = await take(db, clock)
    assert isinstance(await start(db, clock, row, apis=apis), Begun) is goes


async def test_a_member_s_allowance_is_debited_and_never_exceeded(db: Database, clock: FakeClock) -> None:
    await put(db, *(promise(str(n), account=WORK.id, stream=f"s{n}", to="Lan") for n in range(30)))
    rows = await db.write(lambda tx: lease(tx, clock.now, n=30, account=WORK))
    answers = [await start(db, clock, row, rules=WECOM) for row in rows]
    assert sum(isinstance(one, Begun) for one in answers) == 28
    refused = [one for one in answers if isinstance(one, Stopped)]
    assert {(one.state, one.reason, one.holds_account) for one in refused} == {
        (OutboxState.QUEUED, "allowance_member", False)
    }
    assert all(START < one.next_at <= START + 2 * MINUTE for one in refused)


async def test_an_answer_without_a_window_waits_for_the_customer(db: Database, clock: FakeClock) -> None:
    await put(db, promise())
    (row,) = await take(db, clock)
    assert await start(db, clock, row, rules=WECHAT) == Stopped(OutboxState.WAITING_WINDOW, "window_closed")
    assert await state_of(db, row) == ("waiting_window", "window_closed")


async def test_the_window_is_judged_when_it_is_sent_not_when_it_was_queued(db: Database, clock: FakeClock) -> None:
    await put(db, promise(expires_at=START + 100 * HOUR))
    await db.write(lambda tx: windows.grant(tx, BRAND, OA.id, "o1", MESSAGE, START))
    clock.advance(hours=48)
    (row,) = await take(db, clock)
    assert isinstance(await start(db, clock, row, rules=WECHAT), Stopped)


async def test_a_window_takes_five_messages_and_no_sixth(db: Database, clock: FakeClock) -> None:
    await db.write(lambda tx: windows.grant(tx, BRAND, OA.id, "o1", MESSAGE, START))
    await put(db, *(promise(str(n), stream=f"s{n}") for n in range(6)))
    rows = await take(db, clock)
    begun = [await start(db, clock, row, rules=WECHAT) for row in rows]
    assert sum(isinstance(one, Begun) for one in begun) == 5


async def test_a_command_needs_no_window(db: Database, clock: FakeClock) -> None:
    await put(db, promise(call=Command(CommandName.MAKE_CODE, {"scene": "s1"}), lane=Lane.COMMAND))
    (row,) = await take(db, clock)
    assert isinstance(await start(db, clock, row, rules=WECHAT), Begun)


async def test_a_row_that_may_not_go_costs_no_window(db: Database, clock: FakeClock) -> None:
    await db.write(lambda tx: windows.grant(tx, BRAND, OA.id, "o1", MESSAGE, START))
    await db.write(lambda tx: allowances.block(tx, BRAND, OA.id, "*", "x", START + MINUTE))
    await put(db, promise())
    (row,) = await take(db, clock)
    await start(db, clock, row, rules=WECHAT)
    (bucket,) = await db.read(lambda tx: windows.state(tx, BRAND, OA.id, "o1", START))
    assert bucket.left == 5


@pytest.fixture
async def bound(db: Database) -> tuple[CustomerId, AdvisorId]:
    """A customer who follows, is bound and wants pushes; with a running campaign."""
    build = Builder()
    advisor = build.advisor(build.shop("jingan"), "lan")
    customer = build.customer(advisor)
    await db.write(build.insert)
    await db.write(campaign)
    return customer, advisor


def campaign(tx: Any) -> None:
    common = {"brand": BRAND, "state": "scheduled", "account": OA.id, "template": "t", "template_version": 1}
    more = {"audience": "{}", "timezone": "UTC", "expiry_ms": 1, "grace_ms": 1, "created_at": 0}
    tx.execute(campaigns.insert().values(id="campaign", name="autumn", **common, **more))
    tx.execute(
        runs.insert().values(brand=BRAND, id="run", campaign_id="campaign", due_at=0, state="sending", started_at=0)
    )


async def pushed(
    db: Database, clock: FakeClock, bound: tuple[CustomerId, AdvisorId], **more: Any
) -> tuple[OutboxRow, Begun | Stopped | None]:
    """A push to the bound customer, leased, and the answer to its begin."""
    customer, advisor = bound
    to = external_id(customer)
    await put(db, push("sale", customer, to, **{"advisor_id": advisor, **more}))
    (row,) = await take(db, clock, Traffic.PUSH)
    return row, await start(db, clock, row)


async def test_a_push_to_whoever_wants_it_goes(
    db: Database, clock: FakeClock, bound: tuple[CustomerId, AdvisorId]
) -> None:
    _, answer = await pushed(db, clock, bound)
    assert isinstance(answer, Begun)


def _opts_out(tx: Any, customer: CustomerId) -> None:
    set_opted_out(tx, BRAND, customer, START)


def _leaves(tx: Any, customer: CustomerId) -> None:
    mine = identities.c.customer_id == customer
    tx.execute(update(identities).where(mine).values(unfollowed_at=START))


def _is_released(tx: Any, customer: CustomerId) -> None:
    tx.execute(update(bindings).where(bindings.c.customer_id == customer).values(state="released"))


def _is_rebound(tx: Any, customer: CustomerId) -> None:
    tx.execute(update(bindings).where(bindings.c.customer_id == customer).values(advisor_id="somebody else"))


def _campaign_is(state: str) -> Any:
    return lambda tx, _customer: tx.execute(update(campaigns).values(state=state))


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (_opts_out, Stopped(OutboxState.CANCELLED, "opted_out")),
        (_leaves, Stopped(OutboxState.CANCELLED, "unfollowed")),
        (_is_released, Stopped(OutboxState.CANCELLED, "not_bound")),
        (_is_rebound, Stopped(OutboxState.CANCELLED, "not_bound")),
        (_campaign_is("paused"), Stopped(OutboxState.HELD, "campaign_paused")),
        (_campaign_is("cancelled"), Stopped(OutboxState.CANCELLED, "campaign_cancelled")),
    ],
    ids=["opted out", "unfollowed", "released", "rebound", "paused", "cancelled"],
)
async def test_what_changed_since_a_push_was_queued_counts(
    db: Database, clock: FakeClock, bound: tuple[CustomerId, AdvisorId], change: Any, ends: Stopped
) -> None:
    await db.write(lambda tx: change(tx, bound[0]))
    row, answer = await pushed(db, clock, bound)
    assert answer == ends
    assert await state_of(db, row) == (ends.state, ends.reason)


async def test_a_push_without_a_window_is_over(
    db: Database, clock: FakeClock, bound: tuple[CustomerId, AdvisorId]
) -> None:
    customer, _ = bound
    await put(db, push("sale", customer, external_id(customer)))
    (row,) = await take(db, clock, Traffic.PUSH)
    assert await start(db, clock, row, rules=WECHAT) == Stopped(OutboxState.REFUSED, "window_closed")


async def test_a_push_cancelled_between_lease_and_call_is_not_called(
    db: Database, clock: FakeClock, bound: tuple[CustomerId, AdvisorId]
) -> None:
    customer, _ = bound
    await put(db, push("sale", customer, external_id(customer)))
    (row,) = await take(db, clock, Traffic.PUSH)
    assert await db.write(lambda tx: cancel_pushes(tx, BRAND, customer, "opted_out", START)) == 1
    assert await start(db, clock, row) is None


@pytest.mark.parametrize("traffic", Traffic)
async def test_looking_for_work_reads_no_other_traffic(db: Database, traffic: Traffic) -> None:
    values = {"of_brand": BRAND, "of_account": OA.id, "at": START, "most": 5}
    plan = await db.write(lambda tx: plan_of(tx, delivery.HEADS[traffic], **values))
    assert f"ix_outbox_{traffic.value}" in plan
    assert "ix_outbox_head" in plan


@pytest.mark.postgres
async def test_two_workers_never_lease_the_same_row(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: promised(tx, promise("1", n=1), promise("2", n=2), promise("other", stream="b")))
        await one.commit()
        assert said(await one.run(lambda tx: lease(tx, START, n=1))) == ["1"]
        assert said(await two.run(lambda tx: lease(tx, START))) == ["other"]
        await one.commit()
        await two.commit()


@pytest.mark.postgres
async def test_two_workers_with_the_same_row_do_not_both_call_it(postgres_url: str) -> None:
    async with two_transactions(postgres_url) as (one, two):
        await one.run(lambda tx: promised(tx, promise()))
        (row,) = await one.run(lambda tx: lease(tx, START))
        await one.commit()
        assert isinstance(await one.run(lambda tx: begin(tx, row, START)), Begun)
        waiting = await two.starts_to_wait(lambda tx: begin(tx, row, START))
        await one.commit()
        assert await waiting is None
        await two.commit()


@pytest.mark.postgres
async def test_an_opt_out_and_a_push_at_once_end_in_one_of_two_ways(postgres_url: str) -> None:
    build = Builder()
    customer = build.customer(build.advisor(build.shop("jingan"), "lan"))
    async with two_transactions(postgres_url) as (one, two):
        await one.run(build.insert)
        await one.run(lambda tx: promised(tx, push("sale", customer, external_id(customer))))
        (row,) = await one.run(lambda tx: lease(tx, START, Traffic.PUSH))
        await one.commit()
        await one.run(lambda tx: set_opted_out(tx, BRAND, customer, START))
        await one.run(lambda tx: cancel_pushes(tx, BRAND, customer, "opted_out", START))
        waiting = await two.starts_to_wait(lambda tx: begin(tx, row, START))
        await one.commit()
        assert await waiting is None, "cancelled first, so it is not called"
        await two.commit()
        assert (await two.run(states))[row.id] == ("cancelled", "opted_out")
