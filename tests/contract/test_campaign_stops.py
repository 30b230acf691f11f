"""Campaigns that are stopped, late or stuck, on each engine: nothing goes out that should not, nothing is skipped silently."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from domain.calls import DAY, HOUR, MINUTE, OutboxState
from domain.campaign import CampaignState, RunState
from scheduler import campaigns as runner
from scheduler import firing
from scheduler.guard import STUCK
from services.campaign_status import Count
from storage import campaigns
from storage.alarms import open_alarms
from storage.engine import Database
from storage.tables.campaigns import campaigns as campaigns_table
from storage.tables.campaigns import runs
from storage.tables.people import identities
from storage.tables.queue import outbox
from tests.builders import BRAND
from tests.clock import FakeClock
from tests.contract.campaigning import Node, counted, freeze, outbox_rows, recipient_rows, send, town


@pytest.fixture
async def node(db: Database, clock: FakeClock) -> Node:
    await town(db, clock)
    return Node(db, clock)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three customers are two pages."""
    monkeypatch.setattr(runner, "PAGE", 2)
    monkeypatch.setattr(runner, "STOP_PAGE", 2)


async def states(node: Node) -> list[tuple[str, str]]:
    return [(row.state, row.reason) for row in await outbox_rows(node.db)]


async def test_a_pause_holds_what_is_queued_and_a_resume_releases_it(node: Node) -> None:
    campaign = await node.schedule()
    await node.tick()
    await send(node.db, node.clock, limit=1)
    await node.pause(campaign)
    assert await states(node) == [("accepted", ""), ("held", "campaign_paused"), ("held", "campaign_paused")]
    await node.tick()
    assert (await node.only_run(campaign)).state is RunState.SENDING
    await node.resume(campaign)
    assert await states(node) == [("accepted", ""), ("queued", ""), ("queued", "")]


async def test_a_pause_before_and_while_freezing_and_queueing_stops_it_there(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PAGE", 1)
    campaign = await node.schedule()
    await node.pause(campaign)
    await node.tick()
    assert await counted(node.db, select(runs)) == 0
    await node.resume(campaign)
    await node.fire()
    for _ in range(12):
        (run,) = await node.db.read(campaigns.all_at_work)
        if run.state is RunState.SENDING:
            break
        prepared = await node.db.read(partial(runner.prepare, world=node.world, run=run))
        await node.pause(campaign)
        before = await recipient_rows(node.db), await outbox_rows(node.db)
        # A page that was read and written out before the pause must not be queued after it.
        await node.db.write(partial(runner.work, run=run, page=prepared))
        await node.work()
        assert (await recipient_rows(node.db), await outbox_rows(node.db)) == before
        await node.resume(campaign)
        await runner.step(node.shift, run)
    run_status = await node.only_run(campaign)
    assert (run_status.state, run_status.audience, run_status.total("queued")) == (RunState.SENDING, 3, 3)


async def test_a_pause_between_finding_a_due_time_and_firing_it_wins(node: Node) -> None:
    campaign = await node.schedule()
    (due,) = await node.db.read(lambda tx: campaigns.due(tx, node.clock(), 10))
    await node.pause(campaign)
    assert await node.db.write(partial(firing.fire, brand=node.world.brands[BRAND], campaign=due)) is None
    assert await counted(node.db, select(runs)) == 0


@pytest.mark.parametrize("repeat", range(5))
async def test_a_pause_in_the_middle_of_the_work_leaves_nothing_to_send(
    node: Node, monkeypatch: pytest.MonkeyPatch, repeat: int
) -> None:
    monkeypatch.setattr(runner, "PAGE", 1)
    campaign = await node.schedule()
    await node.fire()
    working = asyncio.gather(node.work(), node.work())
    wanted = node.db.commits + 1 + repeat
    while node.db.commits < wanted and not working.done():
        # Commits may come in one burst, and the work may need fewer of them than this case waits for.
        commit = asyncio.ensure_future(node.db.committed_beyond(node.db.commits))
        either: set[asyncio.Future[Any]] = {commit, working}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        commit.cancel()
    await node.pause(campaign)
    assert {state for state, _ in await states(node)} <= {"held"}
    await working
    assert {state for state, _ in await states(node)} <= {"held"}
    await node.resume(campaign)
    await node.work()
    assert [state for state, _ in await states(node)] == ["queued"] * 3


@pytest.mark.postgres
async def test_a_pause_waits_for_the_page_at_work_on_another_node(
    postgres_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    async with await Database.open(postgres_url, data_dir=tmp_path, clock=clock, min_free_mb=1) as db:
        await town(db, clock)
        node = Node(db, clock)
        campaign = await node.schedule()
        await node.fire()
        await freeze(node)
        (run,) = await db.read(campaigns.all_at_work)
        page = await db.read(partial(runner.prepare, world=node.world, run=run))
        at_work, paused = asyncio.Event(), asyncio.Event()

        def slowly(tx: Connection) -> None:
            runner.work(tx, run=run, page=page)
            at_work.set()
            while not paused.is_set() and not tx.execute(_SOMEBODY_WAITS).scalar_one():
                tx.execute(text("SELECT pg_sleep(0.01)"))

        async def pause() -> None:
            await at_work.wait()
            await node.pause(campaign)
            paused.set()

        await asyncio.gather(db.write(slowly), pause())
        assert [state for state, _ in await states(node)] == ["held"] * 3


_SOMEBODY_WAITS = text(
    "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
)


@pytest.mark.usefixtures("small_pages")
async def test_more_rows_than_the_marketers_own_transaction_stops_are_stopped_by_the_node(
    db: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.campaigns.STOP_PAGE", 1)
    await town(db, clock, customers=6)
    node = Node(db, clock)
    campaign = await node.schedule()
    await node.tick()
    await node.pause(campaign)
    assert sorted(state for state, _ in await states(node)) == ["held", *["queued"] * 5]
    await node.work()
    assert {state for state, _ in await states(node)} == {"held"}
    await node.resume(campaign)
    await node.work()
    assert {state for state, _ in await states(node)} == {"queued"}
    await node.cancel(campaign)
    await node.work()
    assert set(await states(node)) == {("cancelled", "campaign_cancelled")}


async def test_a_row_that_comes_back_for_a_retry_while_paused_is_held_too(node: Node) -> None:
    campaign = await node.schedule()
    await node.tick()
    await _set_states(node, OutboxState.CALLING)
    await node.pause(campaign)
    assert {state for state, _ in await states(node)} == {"calling"}
    await _set_states(node, OutboxState.RETRY_AT)
    await node.work()
    assert set(await states(node)) == {("held", "campaign_paused")}


async def _set_states(node: Node, state: OutboxState) -> None:
    await node.db.write(lambda tx: tx.execute(update(outbox).values(state=state.value)))


async def test_a_cancel_ends_everything_that_was_not_called_yet(node: Node) -> None:
    campaign = await node.schedule(at="", cron="0 10 * * *")
    node.clock.now = (await node.status(campaign)).campaign.next_at or 0
    await node.tick()
    first = (await outbox_rows(node.db))[0]
    await node.db.write(lambda tx: tx.execute(update(outbox).where(outbox.c.id == first.id).values(state="calling")))
    await node.cancel(campaign)
    await node.tick()
    assert sorted(state for state, _ in await states(node)) == ["calling", "cancelled", "cancelled"]
    # What was being called when the marketer cancelled still counts, however it ends.
    assert (await node.only_run(campaign)).state is RunState.SENDING
    await node.db.write(lambda tx: tx.execute(update(outbox).where(outbox.c.id == first.id).values(state="accepted")))
    await node.tick()
    run = await node.only_run(campaign)
    assert (run.state, run.total("accepted"), run.total("cancelled")) == (RunState.CANCELLED, 1, 2)
    node.clock.advance(days=3)
    await node.tick()
    assert await counted(node.db, select(runs)) == 1
    assert (await node.status(campaign)).campaign.state is CampaignState.CANCELLED


@pytest.mark.usefixtures("small_pages")
async def test_recipients_of_a_run_that_was_cancelled_early_count_as_cancelled(node: Node) -> None:
    campaign = await node.schedule()
    await node.fire()
    await freeze(node)
    (run,) = await node.db.read(campaigns.all_at_work)
    await runner.step(node.shift, run)
    assert (await node.only_run(campaign)).total("waiting") == 1
    await node.cancel(campaign)
    await node.tick()
    ended = await node.only_run(campaign)
    assert (ended.state, ended.audience, ended.total("cancelled")) == (RunState.CANCELLED, 3, 3)


async def test_what_is_late_beyond_its_expiry_is_expired_also_while_paused(node: Node) -> None:
    campaign = await node.schedule(expiry_ms=HOUR)
    await node.tick()
    await node.pause(campaign)
    node.clock.advance(hours=1)
    await node.tick()
    assert set(await states(node)) == {("expired", "expired")}
    await node.resume(campaign)
    await node.tick()
    assert (await node.only_run(campaign)).state is RunState.DONE


async def test_recipients_whose_page_comes_after_the_expiry_are_skipped(node: Node) -> None:
    campaign = await node.schedule(expiry_ms=HOUR)
    await node.fire()
    await freeze(node)
    node.clock.advance(hours=1)
    await node.tick()
    run = await node.only_run(campaign)
    assert run.outcomes == (Count("skipped", "expired", 3),)
    assert run.state is RunState.DONE


async def test_missed_due_times_are_shown_and_told_and_the_latest_still_runs(node: Node) -> None:
    campaign = await node.schedule(at="", cron="0 10 * * *")
    first = (await node.status(campaign)).campaign.next_at or 0
    node.clock.now = first + 2 * DAY + 30 * MINUTE
    await node.tick()
    status = await node.status(campaign)
    assert [(run.due_at, run.state) for run in status.runs] == [
        (first + 2 * DAY, RunState.SENDING),
        (first + DAY, RunState.MISSED),
        (first, RunState.MISSED),
    ]
    assert status.campaign.next_at == first + 3 * DAY
    (alarm,) = await node.db.read(open_alarms)
    assert (alarm.kind, alarm.subject, alarm.count) == ("campaign_missed", campaign, 1)
    assert "2026-09-22 10:00 至 2026-09-23 10:00 共 2 次" in alarm.text


async def test_a_thousand_missed_due_times_are_all_shown(node: Node) -> None:
    campaign = await node.schedule(at="", cron="0 * * * *")
    first = (await node.status(campaign)).campaign.next_at or 0
    node.clock.now = first + 999 * HOUR + 2 * HOUR
    await node.tick()
    status = await node.status(campaign)
    assert status.runs_by_state == {RunState.MISSED: 1001, RunState.SENDING: 1}


async def test_a_single_campaign_that_was_missed_is_over(node: Node) -> None:
    campaign = await node.schedule(at="2026-12-01 10:00")
    node.clock.now = ((await node.status(campaign)).campaign.next_at or 0) + HOUR + 1
    await node.tick()
    status = await node.status(campaign)
    assert [run.state for run in status.runs] == [RunState.MISSED]
    assert status.campaign.state is CampaignState.FINISHED
    assert await outbox_rows(node.db) == []


async def test_a_due_time_that_passes_during_a_pause_runs_on_resume_within_the_grace(node: Node) -> None:
    campaign = await node.schedule(at="2026-12-01 10:00")
    await node.pause(campaign)
    node.clock.now = ((await node.status(campaign)).campaign.next_at or 0) + HOUR
    await node.tick()
    assert await counted(node.db, select(runs)) == 0
    await node.resume(campaign)
    await node.tick()
    assert (await node.only_run(campaign)).state is RunState.SENDING


async def test_one_campaign_that_cannot_go_on_is_told_and_does_not_stop_the_others(
    db: Database, clock: FakeClock
) -> None:
    await town(db, clock)
    node = Node(db, clock)
    stuck, fine = await node.schedule(), await node.schedule(name="另一个")
    lost = update(campaigns_table).where(campaigns_table.c.id == stuck).values(account="gone")
    await db.write(lambda tx: tx.execute(lost))
    await db.write(
        lambda tx: tx.execute(update(identities).where(identities.c.customer_id != "").values(account="gone"))
    )
    await db.write(_follow_both)
    await node.tick()
    assert (await node.only_run(fine)).state is RunState.SENDING
    assert (await node.only_run(stuck)).state is RunState.QUEUEING
    (alarm,) = await db.read(open_alarms)
    assert (alarm.kind, alarm.subject) == (STUCK, stuck)
    assert "account gone is not in config.yaml any more: put it back, or cancel the campaign" in alarm.text
    await db.write(lambda tx: tx.execute(update(campaigns_table).values(account="oa")))
    await node.tick()
    await send(db, clock)
    await node.tick()
    assert (await node.only_run(stuck)).state is RunState.DONE
    assert await db.read(open_alarms) == []


def _follow_both(tx: Connection) -> None:
    known = [row._asdict() for row in tx.execute(select(identities))]
    tx.execute(identities.insert(), [{**row, "account": "oa"} for row in known])
