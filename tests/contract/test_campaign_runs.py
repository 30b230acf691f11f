"""Runs of campaigns on each engine: fired once, frozen and queued in pages through crashes, stopped at once, counted to the last person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select, update

from domain.calls import DAY, HOUR, Lane, Outbound, OutboxState, Persona, decode_call
from domain.campaign import CampaignState, RunState
from domain.ids import AccountId, AdvisorId, CustomerId
from domain.messages import Text, encode
from scheduler import campaigns as runner
from scheduler import firing
from scheduler.clock import Clock
from scheduler.jobs import JOBS
from services.campaign_status import Count
from storage import campaigns
from storage.engine import Database
from storage.outbox import push_stream
from storage.tables.campaigns import runs
from storage.tables.people import bindings, customers, identities
from storage.tables.queue import outbox
from storage.tables.talk import conversations, messages
from tests.builders import BRAND, Builder, external_id
from tests.clock import FakeClock
from tests.contract.campaigning import (
    Node,
    counted,
    freeze,
    outbox_rows,
    recipient_rows,
    rows,
    save,
    send,
    town,
)

T = TypeVar("T")


@pytest.fixture
async def node(db: Database, clock: FakeClock) -> Node:
    await town(db, clock)
    return Node(db, clock)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three customers are two pages."""
    monkeypatch.setattr(runner, "PAGE", 2)
    monkeypatch.setattr(runner, "STOP_PAGE", 2)


async def test_a_push_goes_to_each_customer_under_her_advisors_face(node: Node) -> None:
    campaign = await node.schedule(expiry_ms=2 * HOUR)
    await node.tick()
    assert node.queued > 0
    pushes = await outbox_rows(node.db)
    talks = {talk.customer_id: talk for talk in await rows(node.db, select(conversations))}
    kept = {message.id: message for message in await rows(node.db, select(messages))}
    assert len(pushes) == len(talks) == len(kept) == 3
    for number, push in enumerate(sorted(pushes, key=lambda push: push.customer_id)):
        talk, message = talks[push.customer_id], kept[push.message_id]
        text = Text(f"顾客{number}您好，静安店新茶到了\n回复TD退订")
        external = external_id(CustomerId(push.customer_id))
        assert decode_call(json.loads(push.call)) == Outbound(external, text, Persona("小兰", "kf2001@linjian"))
        assert (push.lane, push.state, push.account, push.recipient) == (Lane.PUSH, OutboxState.QUEUED, "oa", external)
        assert (push.stream, push.n) == (push_stream(talk.id), node.clock())
        assert push.due_by == push.expires_at == node.clock() + 2 * HOUR
        assert (push.conversation_id, push.advisor_id) == (talk.id, message.advisor_id)
        assert (message.conversation_id, message.direction, message.author) == (talk.id, "out", "campaign")
        assert json.loads(message.content) == encode(text)
        assert (message.seq, talk.next_seq, talk.external_id) == (1, 2, external)
        assert json.loads(message.decision)["steps"][0]["rule"] == "campaign"
    run = await node.only_run(campaign)
    assert (run.state, run.audience, run.total("queued")) == (RunState.SENDING, 3, 3)


async def test_a_second_campaign_continues_the_same_conversations(node: Node) -> None:
    await node.schedule()
    await node.tick()
    await node.schedule(name="再一次")
    await node.tick()
    assert await counted(node.db, select(conversations)) == 3
    assert {talk.next_seq for talk in await rows(node.db, select(conversations))} == {3}
    assert sorted(message.seq for message in await rows(node.db, select(messages))) == [1, 1, 1, 2, 2, 2]


async def test_nothing_happens_before_the_due_time_and_a_single_campaign_ends_with_its_run(node: Node) -> None:
    campaign = await node.schedule(at="2026-12-01 10:00")
    await node.tick()
    assert await counted(node.db, select(runs)) == 0
    node.clock.now = (await node.status(campaign)).campaign.next_at or 0
    await node.tick()
    assert (await node.only_run(campaign)).state is RunState.SENDING
    assert (await node.status(campaign)).campaign.state is CampaignState.SCHEDULED
    await send(node.db, node.clock)
    await node.tick()
    run = await node.only_run(campaign)
    assert (run.state, run.total("accepted"), run.done_at) == (RunState.DONE, 3, node.clock())
    assert (await node.status(campaign)).campaign.state is CampaignState.FINISHED


async def test_a_recurring_campaign_has_a_run_for_each_due_time(node: Node) -> None:
    campaign = await node.schedule(at="", cron="0 10 * * *")
    for _ in range(3):
        node.clock.now = (await node.status(campaign)).campaign.next_at or 0
        await node.tick()
        await send(node.db, node.clock)
    await node.tick()
    status = await node.status(campaign)
    assert [run.state for run in status.runs] == [RunState.DONE] * 3
    assert [status.runs[n].due_at - status.runs[n + 1].due_at for n in range(2)] == [DAY, DAY]
    assert status.runs_by_state == {RunState.DONE: 3}
    assert status.campaign.state is CampaignState.SCHEDULED
    assert len(await outbox_rows(node.db)) == 9


@pytest.mark.parametrize("repeat", range(5))
async def test_three_nodes_fire_a_due_time_once(node: Node, repeat: int) -> None:
    campaign = await node.schedule()
    (due,) = await node.db.read(lambda tx: campaigns.due(tx, node.clock(), 10))
    brand = node.world.brands[BRAND]
    await asyncio.gather(*(node.db.write(partial(firing.fire, brand=brand, campaign=due)) for _ in range(3)))
    await asyncio.gather(*(node.tick() for _ in range(3)))
    await node.tick()
    run = await node.only_run(campaign)
    assert (run.state, run.audience, run.total("queued")) == (RunState.SENDING, 3, 3)
    assert len(await outbox_rows(node.db)) == 3


@pytest.mark.usefixtures("small_pages")
async def test_three_nodes_work_off_a_run_without_doubling_anybody(node: Node) -> None:
    campaign = await node.schedule()
    await node.fire()
    await asyncio.gather(*(node.work() for _ in range(3)))
    await node.work()
    run = await node.only_run(campaign)
    assert (run.state, run.audience, run.total("queued")) == (RunState.SENDING, 3, 3)
    assert len({push.customer_id for push in await outbox_rows(node.db)}) == 3


class Killed(BaseException):
    """The node dies here."""


class Mortal:
    """A database whose node dies in its `after`-th unit of work, once that has run and before it is committed."""

    def __init__(self, db: Database, after: int) -> None:
        self._db, self._left = db, after
        self.read = db.read

    async def write(self, unit: Callable[[Connection], T]) -> T:
        def dying(tx: Connection) -> T:
            result = unit(tx)
            self._left -= 1
            if self._left == 0:
                raise Killed
            return result

        return await self._db.write(dying)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("units", range(1, 8))
async def test_a_node_killed_in_any_unit_leaves_a_run_that_goes_on(node: Node, clock: FakeClock, units: int) -> None:
    campaign = await node.schedule()
    mortal: Any = Mortal(node.db, units)
    dying = Node(mortal, clock)
    with pytest.raises(Killed):
        await dying.tick()
        await send(node.db, clock)
        await dying.tick()
    await node.tick()
    await send(node.db, clock)
    await node.tick()
    run = await node.only_run(campaign)
    assert (run.state, run.audience, run.total("accepted")) == (RunState.DONE, 3, 3)
    assert len(await outbox_rows(node.db)) == await counted(node.db, select(messages)) == 3
    assert (await node.status(campaign)).campaign.state is CampaignState.FINISHED


async def test_a_restart_finds_everything_in_the_tables(db_url: str, tmp_path: Path, clock: FakeClock) -> None:
    async def opened() -> Database:
        return await Database.open(db_url, data_dir=tmp_path, clock=clock, min_free_mb=1)

    async with await opened() as first:
        await town(first, clock)
        campaign = await Node(first, clock).schedule()
        await Node(first, clock).fire()
    async with await opened() as second:
        node = Node(second, clock)
        await node.tick()
        assert (await node.only_run(campaign)).total("queued") == 3


async def test_who_cannot_get_it_is_skipped_with_the_reason(db: Database, clock: FakeClock) -> None:
    build = Builder()
    lan = build.advisor(build.shop("jingan"), "lan")
    build.customer(lan, "好的")
    nameless = build.customer(lan)
    refuses, leaves, unbound, gone = (build.customer(lan, name) for name in ("退订", "取关", "解绑", "合并"))
    shut = build.customer(build.advisor(build.shop("pudong"), "bo", active=False), "离职")
    long = build.customer(lan, "长" * 500)
    await db.write(build.insert)
    await save(
        db,
        clock,
        {
            "kind": "text",
            "text": "{{ customer.name }}您好{% if customer.name == '" + "长" * 8 + "' %}{% endif %}" + "好" * 200,
        },
    )
    node = Node(db, clock)
    campaign = await node.schedule()
    await node.fire()
    await freeze(node)

    def change(tx: Connection) -> None:
        tx.execute(update(customers).where(customers.c.id == refuses).values(opted_out_at=1))
        tx.execute(update(identities).where(identities.c.customer_id == leaves).values(unfollowed_at=1))
        tx.execute(update(bindings).where(bindings.c.customer_id == unbound).values(state="released"))
        tx.execute(customers.delete().where(customers.c.id == gone))

    await db.write(change)
    await node.work()
    found = {row.customer_id: (row.state, row.reason) for row in await recipient_rows(db)}
    assert found[nameless] == ("skipped", "missing_value: customer.name")
    assert found[refuses] == ("skipped", "opted_out")
    assert found[leaves] == ("skipped", "unfollowed")
    assert found[unbound] == ("skipped", "not_bound")
    assert found[gone] == ("skipped", "not_bound")
    assert found[shut] == ("skipped", "advisor_inactive")
    assert found[long] == ("skipped", "text_too_long")
    run = await node.only_run(campaign)
    assert run.audience == 8
    assert (run.total("queued"), run.total("skipped")) == (1, 7)
    assert Count("skipped", "not_bound", 2) in run.outcomes


async def test_who_comes_after_the_freeze_is_not_in_the_run(db: Database, clock: FakeClock) -> None:
    build = Builder()
    lan = build.advisor(build.shop("jingan"), "lan")
    build.customer(lan, "先来")
    await db.write(build.insert)
    await save(db, clock)
    node = Node(db, clock)
    campaign = await node.schedule()
    await node.fire()
    await freeze(node)
    build.customer(lan, "后到")
    await db.write(build.insert)
    await node.work()
    assert (await node.only_run(campaign)).audience == len(await outbox_rows(db)) == 1


async def test_a_person_with_two_ids_in_the_account_gets_one_message_at_the_id_she_used_last(
    db: Database, clock: FakeClock
) -> None:
    build = Builder()
    both = build.customer(build.advisor(build.shop("jingan"), "lan"), "王女士")
    build.identity(both, "o-newer", followed_at=clock() + 1)
    build.identity(both, "o-older", followed_at=clock() - 1)
    build.identity(both, "o-left", followed_at=clock() + 2, follows=False)
    build.identity(both, "o-elsewhere", followed_at=clock() + 3, account=AccountId("oa2"))
    await db.write(build.insert)
    await save(db, clock)
    node = Node(db, clock)
    await node.schedule()
    await node.tick()
    assert [push.recipient for push in await outbox_rows(db)] == ["o-newer"]


async def test_she_who_got_another_advisor_meanwhile_hears_from_the_new_one(db: Database, clock: FakeClock) -> None:
    build = Builder()
    shop = build.shop("jingan")
    lan, bo = build.advisor(shop, "lan", "小兰"), build.advisor(shop, "bo", "小博", persona="kf2002@linjian")
    wang = build.customer(lan, "王女士")
    await db.write(build.insert)
    await save(db, clock)
    node = Node(db, clock)
    await node.schedule()
    await node.fire()
    await freeze(node)
    await db.write(lambda tx: tx.execute(update(bindings).where(bindings.c.customer_id == wang).values(advisor_id=bo)))
    await node.work()
    (push,), (recipient,) = await outbox_rows(db), await recipient_rows(db)
    assert decode_call(json.loads(push.call)).persona == Persona("小博", "kf2002@linjian")  # type: ignore[union-attr]
    assert AdvisorId(push.advisor_id) == recipient.advisor_id == bo


@pytest.mark.usefixtures("small_pages")
async def test_outcomes_are_the_latest_and_sum_to_the_audience_at_every_step(db: Database, clock: FakeClock) -> None:
    await town(db, clock, customers=7)
    node = Node(db, clock)
    campaign = await node.schedule()
    await node.fire()
    while (at_work := await db.read(campaigns.all_at_work)) and at_work[0].state is not RunState.SENDING:
        await runner.step(node.shift, at_work[0])
        await node.only_run(campaign)
    ends = [
        (OutboxState.ACCEPTED, "", 2),
        (OutboxState.REFUSED, "window_closed", 1),
        (OutboxState.UNKNOWN, "", 1),
        (OutboxState.CANCELLED, "opted_out", 1),
        (OutboxState.EXPIRED, "expired", 1),
        (OutboxState.DELIVERED, "", 1),
    ]
    for state, reason, count in ends:
        assert (await node.only_run(campaign)).state is RunState.SENDING
        await send(db, clock, state, reason, count)
        await node.tick()
    run = await node.only_run(campaign)
    assert run.state is RunState.DONE
    assert set(run.outcomes) == {Count(state.value, reason, count) for state, reason, count in ends}
    # A platform may turn accepted into refused later; counts follow.
    turned = update(outbox).where(outbox.c.state == "accepted").values(state="refused", reason="blocked_by_customer")
    await db.write(lambda tx: tx.execute(turned))
    assert Count("refused", "blocked_by_customer", 2) in (await node.only_run(campaign)).outcomes


async def test_the_clock_of_a_node_runs_the_jobs_of_the_table(node: Node) -> None:
    campaign = await node.schedule()
    queued = asyncio.Event()
    jobs = [replace(job, every_ms=20) for job in JOBS if job.name.startswith("campaigns.")]
    clock = Clock(node.db, node.world, jobs, queued.set)
    clock.start()
    async with asyncio.timeout(30):
        await queued.wait()
    await clock.stop()
    assert (await node.only_run(campaign)).audience == 3


async def test_an_audience_that_is_empty_by_now_ends_at_once(db: Database, clock: FakeClock) -> None:
    await town(db, clock, customers=0)
    node = Node(db, clock)
    campaign = await node.schedule()
    await node.tick()
    run = await node.only_run(campaign)
    assert (run.state, run.audience, run.outcomes) == (RunState.DONE, 0, ())
