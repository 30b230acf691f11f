"""An answer never reaches the wrong customer: the ways in which an advisor and the gateway could mean two different people."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from domain.ids import MediaId
from domain.messages import Card, Image, Kind, Text
from storage.engine import Database
from storage.errors import Conflict
from storage.tables.people import identities
from storage.tables.talk import conversations
from tests.clock import FakeClock
from tests.stage import OA, SECOND_OA, Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock) -> Stage:
    return await Stage(db, clock).set_up()


async def picker(stage: Stage, guide: int = 0) -> list[str]:
    """The keys of the picker just shown to an advisor, or none."""
    content = (await stage.last(f"guide{guide}")).content
    return [button.key for button in content.buttons] if isinstance(content, Card) else []


async def said_to(stage: Stage, who: str) -> list[str]:
    """What advisors wrote to a customer."""
    return [item.text for item in await stage.sent(who) if item.text.startswith("给")]


async def at(stage: Stage, *who: str) -> list[str]:
    """The ends of picker keys for these customers."""
    return [str(await stage.conversation(one)) for one in who]


async def test_a_claim_that_lapsed_is_still_who_he_may_mean(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 给安娜")
    await stage.bind("bea", 0)
    stage.clock.advance(hours=24)
    await stage.writes("bea", "在吗")
    await stage.answers(0, "给安娜：茶到了")
    assert await said_to(stage, "bea") == []
    assert sorted(key[-32:] for key in await picker(stage)) == sorted(await at(stage, "anna", "bea"))


async def test_a_customer_a_colleague_took_first_is_who_he_may_mean_for_an_hour(stage: Stage) -> None:
    await stage.bind("bea", 0)
    await stage.writes("bea", "在吗")
    await stage.writes("anna", "有人吗")
    await stage.answers(1, "#A10 给安娜")
    await stage.answers(0, "给安娜：我来")
    assert await said_to(stage, "bea") == []
    assert [key[-32:] for key in await picker(stage)] == await at(stage, "bea")
    stage.clock.advance(hours=1)
    await stage.answers(0, "给贝")
    assert await said_to(stage, "bea") == ["给贝"]


async def test_a_customer_who_went_to_a_colleague_is_who_he_may_mean(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 给安娜")
    await stage.bind("bea", 0)
    await stage.writes("bea", "在吗")
    stage.clock.advance(hours=2)
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    keys = [button.key for button in (await stage.last("anna")).content.buttons]  # type: ignore[union-attr]
    await stage.writes("anna", "同意", key=keys[0])
    await stage.answers(0, "给安娜：茶到了")
    assert await said_to(stage, "bea") == []


@pytest.mark.parametrize("other", ["a queue card", "a code", "a pick"])
async def test_focus_ends_when_somebody_else_comes_into_it(stage: Stage, other: str) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    if other == "a pick":
        await stage.answers(0, "给贝：一")
        (bea,) = await at(stage, "bea")
        to_bea = next(key for key in await picker(stage) if key.endswith(bea))
    await stage.presses(0, f"reply:{await stage.conversation('anna')}")
    match other:
        case "a queue card":
            await stage.writes("carla", "有人吗")
        case "a code":
            await stage.answers(0, "#B10 给贝：一")
        case _:
            await stage.presses(0, to_bea)
    await stage.answers(0, "给贝：二")
    assert await said_to(stage, "anna") == []
    assert await picker(stage)


@pytest.mark.parametrize("text", ["#B10给贝", "\u200b#B10 给贝", "＃ｂ１０：给贝", " " * 70 + "#b10 给贝"])
async def test_a_code_is_read_however_it_is_typed(stage: Stage, text: str) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    await stage.bind("bea", 0)
    await stage.answers(0, text)
    assert await said_to(stage, "bea") == ["给贝"]


@pytest.mark.parametrize("text", ["#B10ok 给贝", "#10 给贝", "#B1 给贝"])
async def test_what_looks_like_a_code_never_goes_to_the_only_open_customer(stage: Stage, text: str) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    before = len(await stage.sent("anna"))
    await stage.answers(0, text)
    assert len(await stage.sent("anna")) == before
    assert len(await picker(stage)) == 1


async def test_an_answer_decided_before_she_changed_hands_is_decided_again(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 给安娜")
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    event = stage.written_at_work(0, Text("#A10 给安娜：二"))
    decided = await stage.decide(event)
    keys = [button.key for button in (await stage.last("anna")).content.buttons]  # type: ignore[union-attr]
    await stage.writes("anna", "同意", key=keys[0])
    with pytest.raises(Conflict):
        await stage.write(decided)
    await stage.play(event)
    assert await said_to(stage, "anna") == ["给安娜"]
    assert "小梅" in (await stage.last("guide0")).text


async def test_a_held_answer_is_not_picked_for_a_customer_who_is_no_longer_his(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 给安娜")
    await stage.bind("bea", 0)
    await stage.writes("bea", "在吗")
    await stage.answers(0, "给谁")
    (anna,) = await at(stage, "anna")
    keys = sorted(await picker(stage), key=lambda key: not key.endswith(anna))
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    await stage.writes("anna", "同意", key=(await stage.last("anna")).content.buttons[0].key)  # type: ignore[union-attr]
    for key in keys:
        await stage.presses(0, key)
    assert await said_to(stage, "anna") == ["给安娜"]
    assert await said_to(stage, "bea") == ["给谁"], "the answer was not lost with the wrong pick"


async def follows_twice(stage: Stage, who: str) -> None:
    """The customer behind `who` in the first account is known in the second one, too."""
    read = identities.select().where(identities.c.account == OA.id, identities.c.external_id == who)
    row = (await stage.db.read(lambda tx: tx.execute(read).one()))._asdict()
    await stage.db.write(
        lambda tx: (
            tx.execute(identities.insert().values(row | {"account": SECOND_OA.id, "external_id": f"{who}2"})).rowcount
        )
    )


async def test_the_pressed_card_decides_between_two_accounts_of_one_customer(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.writes("anna", "一")
    await follows_twice(stage, "anna")
    await stage.writes("anna2", "二", account=SECOND_OA)
    await stage.answers(0, "#A10 给二")
    await stage.presses(0, f"reply:{await stage.conversation('anna')}")
    await stage.answers(0, "给一")
    assert (await said_to(stage, "anna2"), await said_to(stage, "anna")) == (["给二"], ["给一"])


async def test_a_code_means_the_account_in_which_he_has_her(stage: Stage) -> None:
    await stage.writes("anna", "一")
    await follows_twice(stage, "anna")
    await stage.answers(0, "#A10 给一")
    await stage.writes("anna2", "二", account=SECOND_OA)
    await stage.answers(1, "#A10 给二")
    await stage.answers(0, "#A10 给三")
    assert await said_to(stage, "anna") == ["给一", "给三"]
    assert await said_to(stage, "anna2") == ["给二"]


async def test_binding_ends_every_claim_and_every_wait_of_the_customer(stage: Stage) -> None:
    await stage.writes("anna", "一")
    await follows_twice(stage, "anna")
    await stage.writes("anna2", "二", account=SECOND_OA)
    await stage.customer("anna", Kind.SCAN, scene="scene1")
    await stage.writes("anna", "同意")
    told = [item.text for item in await stage.sent("guide1") if not isinstance(item.content, Card)]
    assert sum("一" in text for text in told) == 1, "what waited is brought to her advisor"
    assert sum("二" in text for text in told) == 1
    waiting = select(conversations.c.waiting_since)
    assert not any(await stage.db.read(lambda tx: tx.execute(waiting).scalars().all()))
    await stage.answers(0, "#A10 给安娜")
    assert await said_to(stage, "anna") == await said_to(stage, "anna2") == []


@dataclass
class Shift:
    """One advisor and thirty customers; every answer names in its text whom it is meant for."""

    stage: Stage
    dice: random.Random
    customers: list[str]
    codes: dict[str, str]
    talks: dict[str, str]
    meant: dict[str, str] = field(default_factory=dict)
    ambiguous: list[str] = field(default_factory=list)

    async def chatter(self) -> None:
        """Some customers write, in any order."""
        for who in self.dice.sample(self.customers, self.dice.randint(2, 3)):
            await self.stage.writes(
                who, self.dice.choice(["在吗", "#A10 在吗", "2", "好的", "【客户 #B10】\n我要退款"])
            )

    async def addressed(self, number: int) -> None:
        """An answer that says whom it is for: by code, by a pressed card, or by a pick."""
        who, text = self.dice.choice(self.customers), f"给{number}号"
        self.meant[text] = who
        match self.dice.randrange(4):
            case 0 | 1:
                sign = self.dice.choice(["#{}", "＃{}", " # {}", "\u200b#{}"]).format(self.codes[who])
                await self.stage.answers(0, f"{self.dice.choice([sign, sign.lower()])} {text}")
            case 2:
                await self.stage.presses(0, f"reply:{self.talks[who]}")
                await self.stage.answers(0, text)
            case _:
                await self.stage.presses(0, f"reply:{self.talks[who]}")
                await self.stage.answers(0, self.codes[who].join("#\n"))
                await self.stage.answers(0, text)

    async def uncertain(self, number: int) -> None:
        """An answer to nobody in particular, after others have written; some are picked."""
        text = f"给谁{number}"
        await self.chatter()
        self.ambiguous.append(text)
        await self.stage.answers(
            0, self.dice.choice([text, f"#Z99 {text}", f"#{self.codes[self.customers[0]]}x{text}"])
        )
        keys = await picker(self.stage)
        assert keys, f"{text} was not held"
        if self.dice.random() < 0.5:
            chosen = self.dice.choice(keys)
            self.meant[text] = next(who for who, talk in self.talks.items() if chosen.endswith(talk))
            await self.stage.presses(0, chosen)
            await self.stage.presses(0, self.dice.choice(keys))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [20261121])
async def test_four_hundred_answers_among_thirty_customers(sqlite_db: Database, clock: FakeClock, seed: int) -> None:
    stage = await Stage(sqlite_db, clock).set_up()
    customers = [f"c{number:02}" for number in range(30)]
    for who in customers:
        await stage.bind(who, 0)
    codes: dict[str, str] = {}
    for item in await stage.sent("guide0"):
        if "新顾客" in item.text:
            codes[customers[len(codes)]] = item.text.splitlines()[0].rpartition("#")[2]
    talks = {who: str(await stage.conversation(who)) for who in customers}
    shift = Shift(stage, random.Random(seed), customers, codes, talks)
    for who in customers:
        await stage.writes(who, "你好")
    for number in range(400):
        await (shift.uncertain(number) if number % 5 == 4 else shift.addressed(number))
    arrived = [
        (item.to, item.text)
        for who in customers
        for item in await stage.sent(who)
        if item.persona and "给" in item.text
    ]
    wrong = [
        (to, text)
        for to, text in arrived
        if not any(to == who and text.endswith(sent) for sent, who in shift.meant.items())
    ]
    assert wrong == []
    assert len(arrived) == len(shift.meant), "each answer once, none lost"
    assert len(shift.ambiguous) == 80


async def test_a_picture_after_a_bare_code_goes_where_the_code_says(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.bind("bea", 0)
    await stage.writes("anna", "一")
    await stage.writes("bea", "二")
    await stage.answers(0, "#A10")
    await stage.at_work(0, Kind.MESSAGE, Image(MediaId("m1")))
    assert (await stage.last("anna")).content == Image(MediaId("m1"))
