"""The main job on both engines: scan, consent, relay, answer, queue, claim; judged by what was promised to whom."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from domain.errors import NotFoundError
from domain.ids import MediaId
from domain.messages import Card, Image, Kind, Location, Text, Unparsed
from services.why import why
from storage.engine import Database
from storage.tables.people import advisors, bindings, consents, customers
from storage.tables.queue import outbox
from storage.tables.talk import messages
from storage.tables.work import alarms
from tests.clock import FakeClock
from tests.stage import WORLD, Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock) -> Stage:
    return await Stage(db, clock).set_up()


async def count(stage: Stage, what: object) -> int:
    return await stage.db.read(lambda tx: tx.execute(select(func.count()).select_from(what)).scalar_one())  # type: ignore[arg-type]


def keys(content: object) -> list[str]:
    assert isinstance(content, Card)
    return [button.key for button in content.buttons]


async def test_scan_consent_welcome(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    card = (await stage.last("anna")).content
    assert isinstance(card, Card)
    assert "小兰" in card.body
    assert not await count(stage, bindings.select().where(bindings.c.state == "bound").subquery())
    await stage.writes("anna", "同意", key=card.buttons[0].key)
    welcome = await stage.last("anna")
    assert welcome.persona == "小兰"
    assert "静安店" in welcome.text
    assert "新顾客" in (await stage.last("guide0")).text
    receipts = await stage.db.read(lambda tx: tx.execute(select(consents)).all())
    assert [(row.answer, row.scene, len(row.text_hash)) for row in receipts] == [("yes", "scene0", 64)]


async def test_declining_binds_nobody(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    await stage.writes("anna", "暂不")
    states = await stage.db.read(lambda tx: tx.execute(select(bindings.c.state)).scalars().all())
    assert states == ["released"]


async def test_a_bound_customer_keeps_her_advisor_and_both_are_told(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    assert "小兰" in (await stage.last("anna")).text
    assert "归属没有变" in (await stage.last("guide0")).text
    assert "归属不变" in (await stage.last("guide1")).text
    await stage.writes("anna", "在吗")
    assert "在吗" in (await stage.last("guide0")).text


async def test_two_cards_open_the_first_yes_wins(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    first = keys((await stage.last("anna")).content)
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    second = keys((await stage.last("anna")).content)
    await stage.writes("anna", "同意", key=second[0])
    await stage.writes("anna", "同意", key=first[0])
    bound = await stage.db.read(
        lambda tx: tx.execute(select(bindings.c.advisor_id).where(bindings.c.state == "bound")).scalars().all()
    )
    assert bound == [stage.advisor(1)]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (Text("有货吗 #A10"), "有货吗 №A10"),
        (Location(31.2304, 121.4737, "人民广场"), "人民广场"),
        (Unparsed("video", "<xml/>"), "一段视频"),
        (Image(MediaId("m1")), "Image"),
    ],
)
async def test_whatever_she_sends_reaches_her_advisor_with_name_and_code(
    stage: Stage, content: object, shown: str
) -> None:
    await stage.bind("anna", 0)
    kind = Kind.UNPARSED if isinstance(content, Unparsed) else Kind.MESSAGE
    await stage.customer("anna", kind, content)  # type: ignore[arg-type]
    told = "\n".join(item.text for item in await stage.sent("guide0"))
    assert shown in told
    assert "顾客 A10 #A10" in told


async def test_an_answer_reaches_that_customer_and_nobody_else(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "我是安娜")
    await stage.writes("bea", "我是贝")
    await stage.answers(0, "#b10 给贝")
    await stage.answers(0, "#A10 给安娜")
    assert (await stage.last("anna")).content == Text("给安娜")
    assert (await stage.last("bea")).content == Text("给贝")
    assert (await stage.last("anna")).persona == "小兰"


async def test_an_uncertain_answer_is_held_until_picked_and_sent_once(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    before = len(await stage.sent("anna"))
    await stage.answers(0, "到货了")
    picker = (await stage.last("guide0")).content
    assert len(keys(picker)) == 2
    assert len(await stage.sent("anna")) == before
    anna = await stage.conversation("anna")
    to_anna = next(key for key in keys(picker) if key.endswith(anna))
    await stage.presses(0, to_anna)
    await stage.presses(0, to_anna)
    assert [item.content for item in (await stage.sent("anna"))[before:]] == [Text("到货了")]
    assert "已经发出过" in (await stage.last("guide0")).text


async def test_the_card_button_keeps_answers_with_its_customer_until_another_writes(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    await stage.presses(0, f"reply:{await stage.conversation('anna')}")
    await stage.answers(0, "给安娜")
    assert (await stage.last("anna")).content == Text("给安娜")
    await stage.writes("bea", "三")
    await stage.answers(0, "给谁")
    assert (await stage.last("guide0")).text.startswith("这条要发给谁")


async def test_focus_ends_with_its_time(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    await stage.presses(0, f"reply:{await stage.conversation('anna')}")
    stage.clock.advance(minutes=10)
    await stage.answers(0, "给谁")
    assert (await stage.last("guide0")).text.startswith("这条要发给谁")


async def test_one_advisor_cannot_answer_the_customer_of_another(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    before = len(await stage.sent("anna"))
    conversation = await stage.conversation("anna")
    await stage.answers(1, "#A10 hi")
    await stage.presses(1, f"reply:{conversation}")
    await stage.answers(1, "hi")
    await stage.presses(1, f"window:{conversation}:send")
    assert len(await stage.sent("anna")) == before


async def test_nobodys_customer_waits_in_the_queue_and_the_first_answer_claims_her(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.writes("anna", "想买茶")
    for guide in ("guide0", "guide1", "guide2"):
        cards = [item for item in await stage.sent(guide) if isinstance(item.content, Card)]
        assert len(cards) == 1, "one card for one waiting customer"
        assert "有人吗" in cards[0].text
    await stage.answers(1, "#A10 我在")
    assert (await stage.sent("anna"))[-2].persona == "小梅"
    assert keys((await stage.last("anna")).content)[0].startswith("consent:")
    assert any("想买茶" in item.text for item in await stage.sent("guide1")), "what she wrote while waiting comes along"
    await stage.answers(2, "#A10 我也在")
    assert "小梅" in (await stage.last("guide2")).text
    assert not any(item.persona == "小竹" for item in await stage.sent("anna"))
    await stage.writes("anna", "绿茶")
    assert "绿茶" in (await stage.last("guide1")).text


async def test_a_claim_never_binds_but_a_consent_does(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(1, "#A10 我在")
    assert not await count(stage, bindings.select().where(bindings.c.state == "bound").subquery())
    await stage.writes("anna", "同意")
    stage.clock.advance(hours=30)
    await stage.writes("anna", "还在吗")
    assert "还在吗" in (await stage.last("guide1")).text


async def test_a_claim_ends_after_a_silent_day(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(1, "#A10 我在")
    stage.clock.advance(hours=24)
    await stage.writes("anna", "又来了")
    assert "又来了" in (await stage.last("guide0")).text


async def test_a_leaver_answers_nobody_and_his_customers_wait_for_a_colleague(stage: Stage) -> None:
    await stage.bind("anna", 0)
    gone = update(advisors).where(advisors.c.id == stage.advisor(0)).values(active=False)
    await stage.db.write(lambda tx: tx.execute(gone).rowcount)
    await stage.writes("anna", "在吗")
    assert "在吗" in (await stage.last("guide1")).text
    before = len(await stage.sent("anna"))
    await stage.answers(0, "#A10 在")
    assert len(await stage.sent("anna")) == before


async def test_an_unknown_code_is_never_guessed(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    before = len(await stage.sent("anna"))
    await stage.answers(0, "#Z99 到货了")
    assert len(await stage.sent("anna")) == before
    assert keys((await stage.last("guide0")).content)


async def test_a_long_answer_goes_in_parts_that_lose_nothing(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    text = "好茶👩‍👩‍👧" * 400
    await stage.answers(0, text)
    parts = [item.content.text for item in await stage.sent("anna") if isinstance(item.content, Text)][1:]
    assert "".join(parts) == text
    assert len(parts) > 1
    assert all(len(part.encode()) <= 2000 for part in parts)


async def test_equal_texts_are_two_messages(stage: Stage) -> None:
    await stage.bind("anna", 0)
    before = len(await stage.sent("guide0"))
    await stage.writes("anna", "好")
    await stage.writes("anna", "好")
    assert len(await stage.sent("guide0")) == before + 2


async def test_leaving_and_refusing_end_pushes(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "退订")
    assert await count(stage, customers.select().where(customers.c.opted_out_at.is_not(None)).subquery()) == 1
    assert "退订" in (await stage.last("guide0")).text
    await stage.writes("anna", "恢复订阅")
    assert await count(stage, customers.select().where(customers.c.opted_out_at.is_not(None)).subquery()) == 0
    await stage.customer("anna", Kind.UNFOLLOW)
    assert "取消了关注" in (await stage.last("guide0")).text


async def test_unfollow_of_somebody_never_met_makes_nobody(stage: Stage) -> None:
    await stage.customer("ghost", Kind.UNFOLLOW)
    assert await count(stage, customers) == 0


async def test_an_unknown_scene_keeps_the_customer_and_raises_an_alarm(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="qrscene_' OR 1=1")
    assert await count(stage, customers) == 1
    assert await count(stage, alarms) == 1


async def test_answers_that_waited_long_are_asked_about(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    await stage.answers(0, "#A10 迟到的")
    waits = update(outbox).where(outbox.c.recipient == "anna", outbox.c.reports).values(state="waiting_window")
    await stage.db.write(lambda tx: tx.execute(waits).rowcount)
    stage.clock.advance(hours=2)
    await stage.writes("anna", "二")
    card = (await stage.last("guide0")).content
    assert keys(card)[0].endswith(":send")
    await stage.presses(0, keys(card)[1])
    assert all(item.state == "cancelled" for item in await stage.sent("anna") if item.text == "迟到的")


async def test_messages_are_numbered_in_order_and_say_why(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    await stage.answers(0, "二")
    rows = await stage.db.read(lambda tx: tx.execute(select(messages).order_by(messages.c.seq)).all())
    seqs = [row.seq for row in rows]
    assert seqs == sorted(set(seqs))
    talk = [row for row in rows if row.author in {"customer", "advisor"}]
    assert all("steps" in row.decision and "rule" in row.decision for row in talk)


async def test_why_tells_the_steps_of_a_decision(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "有货吗")
    await stage.answers(0, "#A10 有")
    rows = await stage.db.read(lambda tx: tx.execute(select(messages).order_by(messages.c.seq)).all())
    asked = next(row for row in rows if "有货吗" in row.content)
    answered = next(row for row in rows if row.author == "advisor")
    first = await stage.db.read(lambda tx: why(tx, WORLD, asked.id))
    assert any("bound advisor: 小兰 (bound) -> gets it" in line for line in first.lines)
    assert any("to guide0 through work" in line for line in first.lines)
    second = await stage.db.read(lambda tx: why(tx, WORLD, answered.id))
    assert any("code typed: #A10 -> sent there" in line for line in second.lines)
    by_outbox = await stage.db.read(lambda tx: why(tx, WORLD, second.record.sends[0].id))
    assert by_outbox.record.id == answered.id
    with pytest.raises(NotFoundError):
        await stage.db.read(lambda tx: why(tx, WORLD, "nothing"))
