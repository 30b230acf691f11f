"""From the callback to the call, with a channel of a few lines: nothing lost, nothing twice, everything in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import select, update

from domain.calls import Call, Lane, Outbound, OutboxState
from domain.messages import Text
from domain.platforms.wechat import RULES
from domain.quota import Trigger
from gateway import app, intake, outbox, webhook
from gateway.channels.errors import Refused, Retry, Unknown, WindowClosed
from gateway.retry import INBOX_ATTEMPTS, SEND_ATTEMPTS
from gateway.runner import Crew
from storage import alarms, delivery, inbox, windows
from storage.calls import Traffic
from storage.engine import Database
from storage.errors import Conflict, Unavailable
from storage.outbox import checksum
from storage.tables import queue
from tests.clock import FakeClock
from tests.flow.plant import BRAND, OA, Plant, listening, reply

MESSAGE = next(rule for rule in RULES.windows if rule.trigger is Trigger.MESSAGE)
AWAY = Retry("not_connected")


@pytest.fixture
def plant(sqlite_db: Database, clock: FakeClock, tmp_path: Path) -> Plant:
    return Plant(sqlite_db, clock, tmp_path)


@pytest.fixture
async def served(plant: Plant) -> AsyncIterator[Plant]:
    async with listening(plant):
        yield plant


@pytest.fixture
async def on_each_engine(db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Plant]:
    async with listening(Plant(db, clock, tmp_path)) as plant:
        yield plant


async def rows(plant: Plant, *columns: Any) -> list[tuple[Any, ...]]:
    """Those columns of the outbox, in the order of making."""
    statement = select(*columns).order_by(queue.outbox.c.id)
    return [tuple(row) for row in await plant.db.read(lambda tx: tx.execute(statement).all())]


async def states(plant: Plant) -> list[str]:
    return [state for (state,) in await rows(plant, queue.outbox.c.state)]


async def reasons(plant: Plant) -> list[tuple[str, str]]:
    return [(state, reason) for state, reason in await rows(plant, queue.outbox.c.state, queue.outbox.c.reason)]


async def alarm_kinds(plant: Plant) -> list[str]:
    return [alarm.kind for alarm in await plant.db.read(alarms.open_alarms)]


def say(n: int, to: str = "o1", **more: Any) -> Any:
    """A promise with a number for its text."""
    now = more.pop("now", 0) or FakeClock().now
    return reply(to, Text(str(n)), now, n=n, **more)


# The way in


async def test_a_callback_is_answered_after_its_event_is_kept_and_answered_in_the_talk(on_each_engine: Plant) -> None:
    plant = on_each_engine
    assert await plant.callback({"id": "1", "from": "o1", "text": "你好"}) == 200
    backlog = await plant.db.read(inbox.backlog)
    assert backlog.rows == 1
    await plant.work()
    assert plant.channel.texts == ["你好"]
    assert await states(plant) == ["accepted"]
    assert (await plant.db.read(inbox.backlog)).rows == 0


async def test_the_same_callback_eight_times_at_once_is_applied_once(on_each_engine: Plant) -> None:
    plant = on_each_engine
    repeats = [plant.callback({"id": "1", "from": "o1", "text": "hi"}) for _ in range(8)]
    assert await asyncio.gather(*repeats) == [200] * 8
    await plant.work()
    assert plant.echo.applied == ["1"]
    assert plant.channel.texts == ["hi"]


@pytest.mark.parametrize(
    ("body", "signature", "status"),
    [(b"[]", "bad", 401), (b"nothing", "good", 400), (b" " * (64 * 1024 + 1), "good", 413)],
)
async def test_what_is_not_genuine_or_no_message_is_not_kept(
    served: Plant, body: bytes, signature: str, status: int
) -> None:
    async with ClientSession() as session:
        assert await served.post(session, body, signature) == status
    assert (await served.db.read(inbox.backlog)).rows == 0


async def test_a_door_that_breaks_stays_shut(served: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise KeyError("a fault of ours")

    async with ClientSession() as session:
        refused = await served.post(session, b"[]", "bad")
        monkeypatch.setattr(served.channel, "verify", broken)
        assert await served.post(session, b"[]") == refused == 401


async def test_a_genuine_callback_that_breaks_the_parser_is_kept_raw(served: Plant) -> None:
    async with ClientSession() as session:
        assert await served.post(session, b'[{"id": "1"}]') == 200
        assert await served.post(session, b'[{"id": "1"}]') == 200
    kept = await served.db.read(lambda tx: tx.execute(select(queue.inbox.c.kind, queue.inbox.c.raw)).all())
    assert [tuple(row) for row in kept] == [("unparsed", '[{"id": "1"}]')]


async def test_what_cannot_be_stored_is_never_acknowledged(
    sqlite_db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    async def full(_db: Database, _received: object) -> list[bool]:
        raise Unavailable("the disk is full")

    async with listening(Plant(sqlite_db, clock, tmp_path, keep=full)) as plant:
        assert await plant.callback({"id": "1", "from": "o1", "text": "hi"}) == 503


async def test_a_storage_that_hangs_is_answered_before_the_platform_gives_up(
    sqlite_db: Database, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def hang(_db: Database, _received: object) -> list[bool]:
        await never.wait()
        return []

    assert webhook.ACCEPT_SECONDS < 5
    monkeypatch.setattr(webhook, "ACCEPT_SECONDS", 0.01)
    async with listening(Plant(sqlite_db, clock, tmp_path, keep=hang)) as plant:
        assert await plant.callback({"id": "1", "from": "o1", "text": "hi"}) == 503


async def test_a_mutant_is_only_for_tests() -> None:
    assert app._keeper({}) is intake.keep_durably
    assert app._keeper({"GATEWAY_MUTANT": "ack_before_commit"}) is not intake.keep_durably
    with pytest.raises(AttributeError):
        app._keeper({"GATEWAY_MUTANT": "no_such_mutant"})


# What events mean


async def test_a_stale_decision_is_made_again(plant: Plant) -> None:
    await plant.arrives(1)
    # One rerun of the unit by the database is not enough: the third conflict in a row reaches the worker.
    plant.echo.trouble.extend([Conflict("stale")] * 5)
    await plant.work()
    assert plant.echo.applied == ["msg:1"]
    assert plant.echo.decided == 2


async def test_a_poison_event_is_parked_and_holds_up_nobody(plant: Plant, clock: FakeClock) -> None:
    plant.echo.poison = "msg:1"
    for number, sender in ((1, "o1"), (2, "o1"), (3, "o2")):
        await plant.arrives(number, sender=sender)
    await plant.work()
    assert plant.echo.applied == ["msg:3"], "its own key waits, others do not"
    for _ in range(INBOX_ATTEMPTS):
        clock.advance(minutes=5)
        await plant.work()
    assert plant.echo.applied == ["msg:3", "msg:2"]
    assert await alarm_kinds(plant) == ["event_parked"]
    parked = select(queue.inbox.c.state, queue.inbox.c.attempts, queue.inbox.c.error).where(
        queue.inbox.c.state == "parked"
    )
    found = await plant.db.read(lambda tx: tx.execute(parked).one())
    assert (found.attempts, found.error) == (INBOX_ATTEMPTS, "ValueError: this event is poison")


async def test_an_event_that_ends_the_process_each_time_is_parked_untried(plant: Plant, clock: FakeClock) -> None:
    await plant.arrives(1)
    await plant.db.write(lambda tx: tx.execute(update(queue.inbox).values(attempts=INBOX_ATTEMPTS)))
    await plant.work()
    assert plant.echo.decided == 0
    assert await alarm_kinds(plant) == ["event_parked"]


async def test_a_damaged_event_is_parked_at_once(plant: Plant) -> None:
    await plant.arrives(1)
    await plant.db.write(lambda tx: tx.execute(update(queue.inbox).values(crc=1)))
    await plant.work()
    assert plant.echo.decided == 0
    assert await alarm_kinds(plant) == ["event_parked"]


async def test_a_failed_apply_leaves_nothing_behind(plant: Plant, clock: FakeClock) -> None:
    await plant.arrives(1)
    plant.echo.trouble.append(ValueError("a passing fault"))
    await plant.work()
    assert await states(plant) == []
    clock.advance(minutes=1)
    await plant.work()
    assert plant.channel.texts == ["text 1"]


@pytest.mark.parametrize("step", ["read", "write"])
async def test_a_node_that_stops_hands_its_events_back(
    plant: Plant, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await plant.arrives(1)
    held, never, real = asyncio.Event(), asyncio.Event(), getattr(plant.db, step)

    async def hang(unit: Any) -> Any:
        if step == "write" and not plant.echo.decided:
            return await real(unit)
        result = await real(unit)
        if held.is_set():
            return result
        held.set()
        await never.wait()
        return None

    monkeypatch.setattr(plant.db, step, hang)
    running = asyncio.create_task(plant.inbox.pump.run())
    await held.wait()
    await plant.inbox.pump.stop(0.01)
    await running
    row = select(queue.inbox.c.state, queue.inbox.c.attempts)
    assert tuple(await plant.db.read(lambda tx: tx.execute(row).one())) == (
        ("queued", 0) if step == "read" else ("done", 1)
    )


# Order


async def test_order_out_is_order_in_whatever_fails_on_the_way(plant: Plant, clock: FakeClock) -> None:
    for number in range(12):
        await plant.arrives(number)
    plant.echo.trouble.append(ValueError("the first one stumbles"))
    done: list[str] = []

    async def stumble(call: Call) -> None:
        assert isinstance(call, Outbound) and isinstance(call.content, Text)
        if len(plant.channel.called) % 3 == 0:
            raise Retry("busy", after_ms=2000)
        done.append(call.content.text)

    plant.channel.before = stumble
    for _ in range(40):
        await plant.work()
        clock.advance(minutes=1)
    assert done == [f"text {number}" for number in range(12)]
    assert set(await states(plant)) == {"accepted"}


async def test_one_conversation_that_fails_does_not_delay_the_others(plant: Plant) -> None:
    await plant.promise(say(1, "o1"), say(2, "o1"), say(3, "o2"))
    plant.channel.answers.append(Retry("busy", after_ms=60_000))
    await plant.send()
    assert sorted(plant.channel.texts) == ["1", "3"]
    assert await states(plant) == ["retry_at", "queued", "accepted"]


# Slots


@pytest.mark.parametrize("stuck", Traffic)
async def test_neither_traffic_holds_up_the_other(
    plant: Plant, stuck: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_BEGIN", dict.fromkeys(Traffic, delivery._BEGIN[Traffic.TALK]))
    gate, waiting = asyncio.Event(), Lane.PUSH if stuck is Traffic.PUSH else Lane.TALK

    async def hold(call: Call) -> None:
        assert isinstance(call, Outbound)
        if call.to.startswith("stuck"):
            await gate.wait()

    plant.channel.before = hold
    size = outbox.SLOTS[stuck]
    await plant.promise(*(say(n, f"stuck{n}", lane=waiting, stream=f"s{n}") for n in range(2 * size)))
    other = Lane.TALK if stuck is Traffic.PUSH else Lane.PUSH
    crew = Crew()
    for pump in plant.sender.pumps.values():
        crew.start(pump.name, pump.run())
    try:
        await plant.channel.reaches(lambda: len(plant.channel.called) == size)
        await plant.promise(say(999, "free", lane=other, stream="free"))
        plant.wake()
        await plant.channel.reaches(lambda: "999" in plant.channel.texts)
        assert len(plant.channel.called) == size + 1, "the stuck ones take their own slots and no more"
    finally:
        gate.set()
        crew.let_go()
        await asyncio.gather(*(pump.stop(5) for pump in plant.sender.pumps.values()))
        await crew.stop()
    assert "unknown" not in await states(plant)


# What came of it


OUTCOMES = [
    # what the channel raises, the row's state and reason, whether it is called again
    (None, ("accepted", ""), False),
    (Refused("blocked_by_customer"), ("refused", "blocked_by_customer"), False),
    (WindowClosed("window_closed"), ("waiting_window", "window_closed"), False),
    (Unknown("connection_broken"), ("unknown", "connection_broken"), False),
    (RuntimeError("a fault of ours"), ("unknown", "internal_error"), False),
    (Retry("busy", after_ms=5000), ("retry_at", "busy"), True),
]


@pytest.mark.parametrize(("answer", "ends", "again"), OUTCOMES, ids=[str(case[0]) for case in OUTCOMES])
async def test_every_answer_has_its_end(
    plant: Plant, clock: FakeClock, answer: Exception | None, ends: tuple[str, str], again: bool
) -> None:
    await plant.promise(say(1))
    if answer is not None:
        plant.channel.answers.append(answer)
    await plant.send()
    assert await reasons(plant) == [ends]
    clock.advance(hours=20)
    await plant.send()
    assert len(plant.channel.called) == (2 if again else 1)


async def test_an_unknown_outcome_is_told_and_never_repeated(plant: Plant, clock: FakeClock) -> None:
    plant.echo.answers = False
    await plant.promise(say(1))
    plant.channel.answers.append(Unknown("connection_broken"))
    await plant.work()
    assert [key.split(":")[::2] for key in plant.echo.applied] == [["call", "unknown"]]
    for _ in range(20):
        clock.advance(hours=1)
        await plant.work()
    assert len(plant.channel.called) == 1


async def test_a_channel_that_never_answers_is_unknown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    never = asyncio.Event()
    monkeypatch.setattr(outbox, "CALL_SECONDS", 0.01)

    async def hang(_call: Call) -> None:
        await never.wait()

    plant.channel.before = hang
    await plant.promise(say(1))
    await plant.send()
    assert await reasons(plant) == [("unknown", "timeout")]


async def test_a_call_is_recorded_before_it_is_made(plant: Plant) -> None:
    seen: list[list[str]] = []

    async def look(_call: Call) -> None:
        seen.append(await states(plant))

    plant.channel.before = look
    await plant.promise(say(1))
    await plant.send()
    assert seen == [["calling"]]


async def test_a_node_that_stops_waits_for_its_calls_and_then_leaves_them_unknown(plant: Plant) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def hang(_call: Call) -> None:
        started.set()
        await never.wait()

    plant.channel.before = hang
    await plant.promise(say(1))
    pump = plant.sender.pumps[Traffic.TALK]
    running = asyncio.create_task(pump.run())
    await started.wait()
    await pump.stop(0.01)
    await running
    assert await reasons(plant) == [("unknown", "node_stopped")]


async def test_a_retry_ends_with_the_message_s_own_life(plant: Plant, clock: FakeClock) -> None:
    await plant.promise(say(1))
    plant.channel.answers.append(Retry("until_midnight", after_ms=25 * 3600 * 1000))
    await plant.send()
    assert await reasons(plant) == [("expired", "until_midnight")]


async def test_a_call_that_never_succeeds_is_given_up_with_an_alarm(plant: Plant, clock: FakeClock) -> None:
    await plant.promise(say(1))
    plant.channel.answers.extend([Retry("busy")] * 100)
    for _ in range(100):
        await plant.send()
        clock.advance(minutes=6)
    assert await reasons(plant) == [("dead", "busy")]
    assert len(plant.channel.called) == SEND_ATTEMPTS
    assert await alarm_kinds(plant) == ["send_busy"]


@pytest.mark.parametrize("error", [Refused("no_permission", alarm=True), Retry("wrong_secret", block="*", alarm=True)])
async def test_what_a_person_must_mend_raises_an_alarm(plant: Plant, error: Exception) -> None:
    await plant.promise(say(1))
    plant.channel.answers.append(error)
    await plant.send()
    assert len(await alarm_kinds(plant)) == 1


FOREIGN = '{"command": "dance"}'


@pytest.mark.parametrize("damage", [{"crc": 1}, {"call": FOREIGN, "crc": checksum(FOREIGN)}], ids=["bytes", "kind"])
async def test_a_row_that_cannot_be_read_ends_and_holds_up_nobody(plant: Plant, damage: dict[str, Any]) -> None:
    await plant.promise(say(1))
    await plant.db.write(lambda tx: tx.execute(update(queue.outbox).values(damage)))
    await plant.promise(say(2))
    await plant.send()
    assert await reasons(plant) == [("dead", "damaged"), ("accepted", "")]


async def test_a_block_stops_every_call_of_the_account_until_it_ends(plant: Plant, clock: FakeClock) -> None:
    await plant.promise(*(say(n, f"o{n}") for n in range(5)))
    plant.channel.answers.append(Retry("too_often", after_ms=60_000, block="*"))
    await plant.send()
    called = len(plant.channel.called)
    await plant.promise(say(9, "o9"))
    await plant.send()
    assert len(plant.channel.called) == called, "no call while the block lasts"
    clock.advance(seconds=80)
    await plant.send()
    assert len(plant.channel.called) == called + 2, "the one that was refused and the new one"


async def test_two_workers_after_the_last_message_of_a_window(db: Database, clock: FakeClock, tmp_path: Path) -> None:
    plant = Plant(db, clock, tmp_path, rules=RULES)
    await db.write(lambda tx: windows.grant(tx, BRAND, OA.id, "o1", MESSAGE, clock.now))
    for _ in range(4):
        await db.write(lambda tx: windows.spend(tx, BRAND, OA.id, "o1", 0, clock.now))
    await plant.promise(say(1, stream="a"), say(2, stream="b"))
    other = plant.new_sender()
    both = [sender.pumps[Traffic.TALK].once() for sender in (plant.sender, other)]
    await asyncio.gather(*both)
    assert len(plant.channel.called) == 1
    assert sorted(await states(plant)) == ["accepted", "waiting_window"]


async def test_a_platform_that_says_closed_is_believed(sqlite_db: Database, clock: FakeClock, tmp_path: Path) -> None:
    plant = Plant(sqlite_db, clock, tmp_path, rules=RULES)
    await plant.db.write(lambda tx: windows.grant(tx, BRAND, OA.id, "o1", MESSAGE, clock.now))
    await plant.promise(say(1))
    plant.channel.answers.append(WindowClosed("window_closed"))
    await plant.send()
    await plant.promise(say(2))
    await plant.send()
    assert len(plant.channel.called) == 1
    assert await states(plant) == ["waiting_window", "waiting_window"]


# A platform that is away


async def test_a_platform_that_is_away_is_left_alone_then_asked_once(plant: Plant, clock: FakeClock) -> None:
    await plant.promise(*(say(n, f"o{n}") for n in range(40)))
    plant.channel.answers.extend([AWAY] * 300)
    await plant.send()
    first = len(plant.channel.called)
    assert first <= outbox.PAGE, "what was under way when it opened, and no more"
    assert await alarm_kinds(plant) == ["platform_down"]
    await plant.send()
    assert len(plant.channel.called) == first
    clock.advance(seconds=5)
    await plant.send()
    assert len(plant.channel.called) == first + 1, "one probe"
    clock.advance(seconds=5)
    await plant.send()
    assert len(plant.channel.called) == first + 1, "twice as long after a failed probe"
    plant.channel.answers.clear()
    clock.advance(minutes=5)
    await plant.send()
    assert await alarm_kinds(plant) == []
    clock.advance(minutes=5)
    await plant.send()
    assert set(await states(plant)) == {OutboxState.ACCEPTED.value}


async def test_while_the_probe_is_out_nothing_else_is_called(
    plant: Plant, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_BEGIN", dict.fromkeys(Traffic, delivery._BEGIN[Traffic.TALK]))
    await plant.promise(*(say(n, f"o{n}") for n in range(8)), say(9, "p", lane=Lane.PUSH, stream="p"))
    plant.channel.answers.extend([AWAY] * 8)
    await plant.sender.pumps[Traffic.TALK].once()
    clock.advance(minutes=1)
    gate, before = asyncio.Event(), len(plant.channel.called)

    async def hold(_call: Call) -> None:
        await gate.wait()

    plant.channel.before = hold
    probe = asyncio.create_task(plant.sender.pumps[Traffic.TALK].once())
    await plant.channel.reaches(lambda: len(plant.channel.called) == before + 1)
    assert await plant.sender.pumps[Traffic.PUSH].once() == 0
    gate.set()
    await probe
    assert await plant.sender.pumps[Traffic.PUSH].once() == 1


async def test_a_probe_that_finds_nothing_to_send_is_left_for_the_next_row(plant: Plant, clock: FakeClock) -> None:
    await plant.promise(*(say(n, f"o{n}") for n in range(5)))
    plant.channel.answers.extend([Unknown("timeout")] * 5)
    await plant.send()
    clock.advance(minutes=1)
    assert await plant.send() == 0, "five unknown ones, and nothing else"
    await plant.promise(say(9, "o9"))
    assert await plant.send() == 1


# Files


async def test_a_picture_is_fetched_and_then_sent(plant: Plant) -> None:
    plant.channel.files["p1"] = b"\x89PNG\r\n\x1a\n"
    await plant.arrives(1, picture="p1")
    await plant.work()
    await plant.work()
    assert plant.channel.texts == ["<Image>"]


async def test_words_go_ahead_of_a_picture_that_is_late_and_it_follows(plant: Plant, clock: FakeClock) -> None:
    plant.channel.fetch_problem = Retry("busy")
    await plant.arrives(1, picture="p1")
    await plant.arrives(2, "next")
    await plant.work()
    assert plant.channel.texts == [], "it waits, and so does what is behind it"
    clock.advance(seconds=21)
    await plant.work()
    assert plant.channel.texts == ["relay.picture_follows in zh-CN", "next"]
    plant.channel.fetch_problem = None
    plant.channel.files["p1"] = b"\x89PNG\r\n\x1a\n"
    clock.advance(minutes=5)
    await plant.work()
    assert plant.channel.texts[2:] == ["<Image>"]
    assert set(await states(plant)) == {"accepted"}


async def test_a_lost_picture_becomes_words(plant: Plant, clock: FakeClock) -> None:
    await plant.arrives(1, picture="gone")
    await plant.work()
    clock.advance(seconds=1)
    await plant.work()
    assert plant.channel.texts == ["relay.picture_lost in zh-CN"]


async def test_a_picture_that_follows_and_is_lost_after_all_becomes_words(plant: Plant, clock: FakeClock) -> None:
    plant.channel.fetch_problem = Retry("busy")
    await plant.arrives(1, picture="p1")
    await plant.work()
    clock.advance(seconds=21)
    await plant.work()
    plant.channel.fetch_problem = Refused("gone")
    clock.advance(minutes=5)
    await plant.work()
    assert plant.channel.texts == ["relay.picture_follows in zh-CN", "relay.picture_lost in zh-CN"]
