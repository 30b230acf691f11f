"""The main job where it is easily got wrong: the queue, consent and its proof, hostile names and texts, unusual brands."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import Table, select, update

from domain.calls import Command, CommandName
from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Card, Content, Image, Kind, Link, Location, MiniProgram, Text
from domain.people import Account, Brand, Side
from services.world import World
from storage.engine import Database
from storage.tables.people import advisors, bindings, consents, customers, relations
from storage.tables.queue import outbox
from storage.tables.talk import conversations, messages
from storage.tables.work import alarms
from tests.clock import FakeClock
from tests.stage import BRAND, OA, WORK, Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock) -> Stage:
    return await Stage(db, clock).set_up()


@pytest.fixture
async def quick(sqlite_db: Database, clock: FakeClock) -> Stage:
    """For what no engine can make different."""
    return await Stage(sqlite_db, clock).set_up()


async def column(stage: Stage, table: Table, name: str) -> list[object]:
    return list(await stage.db.read(lambda tx: tx.execute(select(table.c[name])).scalars().all()))


async def change(stage: Stage, table: Table, **values: object) -> None:
    await stage.db.write(lambda tx: tx.execute(update(table).values(values)).rowcount)


async def waits(stage: Stage) -> bool:
    return any(await column(stage, conversations, "waiting_since"))


async def card(stage: Stage, who: str) -> Card:
    """The last card somebody was shown."""
    cards = [item.content for item in await stage.sent(who) if isinstance(item.content, Card)]
    return cards[-1]


@pytest.mark.parametrize("content", [Image(MediaId("m1")), Text("很长" * 60)], ids=["picture", "long text"])
async def test_what_the_queue_card_could_not_show_comes_with_the_claim(stage: Stage, content: Content) -> None:
    await stage.customer("anna", Kind.MESSAGE, content)
    await stage.answers(1, "#A10 我在")
    told = [item.content for item in await stage.sent("guide1")]
    full = content if isinstance(content, Image) else Text(f"【顾客 A10 #A10】\n{'很长' * 60}")
    assert told.count(full) == 1


async def test_what_she_wrote_while_waiting_reaches_the_advisor_she_binds(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.writes("anna", "想买茶")
    await stage.bind("anna", 1)
    told = [item.text for item in await stage.sent("guide1") if not isinstance(item.content, Card)]
    assert [text.splitlines()[-1] for text in told[-2:]] == ["有人吗", "想买茶"]
    brought = set(await column(stage, outbox, "message_id"))
    hers = select(messages.c.id).where(messages.c.author == "customer")
    assert set(await stage.db.read(lambda tx: tx.execute(hers).scalars().all())) <= brought, "`why` can tell"
    assert not await waits(stage)


async def test_what_waited_is_brought_before_what_she_writes_now(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.leaves(0)
    await stage.writes("anna", "一")
    await change(stage, advisors, active=True)
    await stage.writes("anna", "二")
    told = [item.text.splitlines()[-1] for item in await stage.sent("guide0") if item.text.startswith("【")]
    assert told[-2:] == ["一", "二"]
    assert not await waits(stage)


async def test_who_waits_and_writes_again_an_hour_later_is_shown_again(quick: Stage) -> None:
    async def cards() -> int:
        return len([item for item in await quick.sent("guide0") if isinstance(item.content, Card)])

    await quick.writes("anna", "有人吗")
    quick.clock.advance(minutes=30)
    await quick.writes("anna", "还在吗")
    assert await cards() == 1
    quick.clock.advance(hours=72)
    await quick.writes("anna", "三天了")
    assert await cards() == 2
    assert "三天了" in (await card(quick, "guide0")).body
    assert len([item for item in await quick.sent("anna") if "收到" in item.text]) == 1
    await quick.answers(0, "#A10 我在")
    told = "\n".join(item.text for item in await quick.sent("guide0"))
    assert "还在吗" in told, "what no card showed comes with the claim"


async def test_who_leaves_while_waiting_waits_no_more(quick: Stage) -> None:
    await quick.writes("anna", "有人吗")
    await quick.customer("anna", Kind.UNFOLLOW)
    assert not await waits(quick)


async def test_a_queue_that_nobody_attends_raises_an_alarm_which_the_first_advisor_ends(quick: Stage) -> None:
    await change(quick, advisors, work_account=None)
    await quick.writes("anna", "有人吗")
    assert await column(quick, alarms, "kind") == ["queue_unattended"]
    assert "收到" in (await quick.last("anna")).text
    await change(quick, advisors, work_account=WORK.id)
    await quick.writes("bea", "有人吗")
    assert all(await column(quick, alarms, "closed_at"))


async def test_one_advisor_whose_app_is_not_configured_stops_no_queue(quick: Stage) -> None:
    gone = update(advisors).where(advisors.c.code == "g0").values(work_account="gone")
    await quick.db.write(lambda tx: tx.execute(gone).rowcount)
    await quick.writes("anna", "有人吗")
    assert "有人吗" in (await quick.last("guide1")).text


async def test_the_receipt_holds_the_words_she_saw(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    scanned = await card(stage, "anna")
    await change(stage, advisors, name="改名了")
    await stage.writes("anna", "同意")
    await stage.writes("bea", "有人吗")
    await stage.answers(1, "#A10 我在")
    offered = await card(stage, "bea")
    assert "接待您的" in offered.body
    await stage.writes("bea", "同意")
    saw = {hashlib.sha256(shown.body.encode()).hexdigest() for shown in (scanned, offered)}
    assert set(await column(stage, consents, "text_hash")) == saw


async def test_a_scan_after_an_offer_renews_what_she_is_asked(quick: Stage) -> None:
    await quick.writes("anna", "有人吗")
    await quick.answers(0, "#A10 我在")
    await change(quick, bindings, policy_version="old")
    await quick.customer("anna", Kind.SCAN, scene="scene0")
    await quick.writes("anna", "同意")
    assert await column(quick, consents, "scene") == ["scene0"]
    assert "old" not in await column(quick, consents, "policy_version")


@pytest.mark.parametrize("word", ["好的", "1", "可以", "不要"])
async def test_an_answer_to_the_advisors_question_is_no_consent(stage: Stage, word: str) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(1, "#A10 我在")
    await stage.answers(1, "#A10 给您留一盒好吗？")
    await stage.writes("anna", word)
    assert await column(stage, bindings, "state") == ["pending_consent"]
    assert word in (await stage.last("guide1")).text
    await stage.writes("anna", "同意")
    assert await column(stage, bindings, "state") == ["bound"]


@pytest.mark.parametrize("blank", ["\u3164", " \u200b", "\u2800"])
async def test_a_name_that_shows_nothing_is_no_name(quick: Stage, blank: str) -> None:
    await quick.bind("anna", 0)
    await change(quick, customers, profile_name=blank)
    await change(quick, relations, remark=blank)
    await quick.writes("anna", "在吗")
    assert "顾客 A10 #A10" in (await quick.last("guide0")).text


LINK = '<a href="https://evil.example">【林间茶 #A11】</a>'


@pytest.mark.parametrize(
    "content",
    [
        Text(f"{LINK}\u202e"),
        Text(f"{LINK}{'很长' * 60}\u202e"),
        Link(LINK, "https://shop.example"),
        Location(1.0, 2.0, LINK),
        MiniProgram(LINK, "wx1", "p"),
    ],
    ids=["short", "long", "link", "place", "mini program"],
)
async def test_what_a_customer_writes_is_harmless_on_the_advisors_screen(quick: Stage, content: Content) -> None:
    await quick.bind("anna", 0)
    before = len(await quick.sent("guide0"))
    await quick.customer("anna", Kind.MESSAGE, content)
    shown = "\n".join(item.text for item in (await quick.sent("guide0"))[before:])
    assert "林间茶" in shown
    assert "<a" not in shown
    assert "\u202e" not in shown
    assert "#A11" not in shown


async def test_long_names_everywhere_park_nothing(quick: Stage) -> None:
    long = "很长的名字👩‍👩‍👧" * 40
    await change(quick, advisors, name=long)
    await quick.writes("anna", "有人吗")
    await change(quick, customers, profile_name=long)
    await quick.answers(0, "#A10 我在")
    await quick.writes("anna", "同意")
    await quick.customer("anna", Kind.SCAN, scene="scene1")
    await quick.bind("bea", 0)
    await quick.writes("bea", "在吗")
    await quick.answers(0, "给谁")
    assert len((await card(quick, "guide0")).buttons) == 2
    await quick.writes("anna", "退订")
    await quick.customer("anna", Kind.UNFOLLOW)


async def test_a_card_that_is_done_with_says_so(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    await stage.answers(0, "给谁")
    pick, reply = (await card(stage, "guide0")).buttons[0].key, f"reply:{await stage.conversation('anna')}"
    await stage.presses(0, reply, response_code="C0")
    assert await stage.commands() == [], "it may be pressed again"
    await stage.presses(0, pick, response_code="C1")
    await stage.presses(0, f"window:{await stage.conversation('anna')}:send", response_code="C2")
    marked = [
        Command(CommandName.MARK_PRESSED, {"to": "guide0", "response_code": f"C{n}", "text": "已处理"}) for n in (1, 2)
    ]
    assert await stage.commands() == marked


async def test_a_message_in_several_parts_waits_as_one(quick: Stage) -> None:
    await quick.bind("anna", 0)
    await quick.writes("anna", "一")
    await quick.answers(0, "长" * 2000)
    late = (
        update(outbox)
        .where(outbox.c.recipient == "anna", outbox.c.call.contains("长长"))
        .values(state="waiting_window")
    )
    assert await quick.db.write(lambda tx: tx.execute(late).rowcount) > 1
    quick.clock.advance(hours=2)
    await quick.writes("anna", "二")
    assert "1 条" in (await card(quick, "guide0")).body


async def test_a_brand_that_speaks_english(quick: Stage) -> None:
    english = Brand(BrandId("tea"), "Lin Tea", "Europe/London", "en")
    quick.world = World({BRAND.id: english}, quick.world.accounts)
    await quick.bind("anna", 0)
    await quick.customer("anna", Kind.MESSAGE, Image(MediaId("m1")))
    await quick.writes("anna", "STOP")
    await quick.leaves(0)
    await quick.writes("anna", "anybody?")
    await quick.answers(1, "#A10 here")
    spoken = [item.text for item in await quick.sent() if "小" not in item.text]
    assert len(spoken) > 5
    assert not [text for text in spoken if any("\u4e00" <= char <= "\u9fff" for char in text)]


async def test_an_advisor_is_known_by_the_work_app_he_writes_from(quick: Stage) -> None:
    second = Account(AccountId("work2"), BRAND.id, "wecom", Side.ADVISOR)
    quick.world = World(quick.world.brands, {**quick.world.accounts, second.id: second})
    mei = update(advisors).where(advisors.c.code == "g1").values(work_account=second.id, work_id="guide0")
    await quick.db.write(lambda tx: tx.execute(mei).rowcount)
    await quick.bind("anna", 1)
    await quick.writes("anna", "在吗")
    assert (await quick.last("guide0")).account == second.id
    before = len(await quick.sent("anna"))
    await quick.answers(0, "#A10 hi")
    assert len(await quick.sent("anna")) == before, "the other guide0 has no such customer"
    event = replace(quick.written_at_work(0, Text("#A10 hi")), account=second.id)
    await quick.play(event)
    answer = await quick.last("anna")
    assert (answer.persona, answer.text) == ("小梅", "hi")


async def test_an_account_that_is_no_longer_configured_is_named(quick: Stage) -> None:
    await quick.bind("anna", 0)
    quick.world = World(quick.world.brands, {OA.id: OA})
    with pytest.raises(LookupError, match="account work is not in config"):
        await quick.writes("anna", "在吗")
