"""The main job over real sockets: gateway, emulator, encryption, platform APIs. The emulator's ledger is the judge."""

from __future__ import annotations

import asyncio
from collections import Counter

from aiohttp import ClientSession
from yarl import URL

from tests.house import House, text_of


async def test_scan_consent_relay_answer(house: House) -> None:
    anna, bea = await house.bound(0), await house.bound(1)
    await house.told(0, lambda message: "新顾客" in text_of(message))
    await house.writes(anna, "你好，有龙井吗？")
    await house.told(0, lambda message: "有龙井吗" in str(message))
    await house.answers(0, "有的")
    shown = await house.shown(anna, lambda message: text_of(message) == "有的")
    assert shown["persona"]["name"] == "小兰", "under the advisor's own name and face"
    await house.writes(bea, "在吗")
    await house.told(1, lambda message: "在吗" in str(message))
    await house.answers(1, "在")
    await house.shown(bea, lambda message: text_of(message) == "【小梅】在")
    await house.quiet()
    assert (await house.texts_to(anna))[1:] == ["有的"]
    assert (await house.texts_to(bea))[1:] == ["【小梅】在"]
    assert not [line for line in await house.ledger(platform="wecom") if line["to"] == "guide2"]


async def test_the_same_callback_eight_times_at_once_is_one_relay(house: House) -> None:
    anna = await house.bound(0)
    await house.quiet()
    before = len(await house.ledger(to="guide0"))
    signed = house.oa.text(anna, "只此一条")
    url = URL(f"{house.url}/hooks/oa?{signed.target}", encoded=True)
    async with ClientSession() as session:

        async def post() -> int:
            async with session.post(url, data=signed.body) as answer:
                return answer.status

        assert Counter(await asyncio.gather(*(post() for _ in range(8)))) == {200: 8}
    await house.quiet()
    relayed = (await house.ledger(to="guide0"))[before:]
    assert len([line for line in relayed if "只此一条" in str(line["body"])]) == 1


async def test_a_platform_that_delivers_everything_twice_changes_nothing(house: House) -> None:
    anna = await house.bound(0)
    await house.play("faults", match={"platform": "wechat", "api": "callback"}, kind="duplicate", value=4)
    for number in range(5):
        await house.writes(anna, f"第{number}句")
    await house.quiet()
    told = [text for line in await house.ledger(to="guide0") for text in [str(line["body"])]]
    assert [sum(f"第{number}句" in text for text in told) for number in range(5)] == [1] * 5


async def test_equal_texts_are_two_messages(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "好的呀")
    await house.writes(anna, "好的呀")
    await house.quiet()
    assert len([line for line in await house.ledger(to="guide0") if "好的呀" in str(line["body"])]) == 2


async def test_order_in_is_order_out_while_the_platform_stumbles(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "开始")
    await house.told(0, lambda message: "开始" in str(message))
    await house.quiet()
    await house.play(
        "faults", match={"platform": "wechat", "api": "message/custom/send"}, kind="errcode", value=-1, every=2
    )
    for number in range(4):
        await house.answers(0, f"第{number}句")
    await house.quiet()
    assert (await house.texts_to(anna))[-4:] == [f"第{number}句" for number in range(4)]


async def test_an_unbound_customer_is_taken_by_the_first_answer(house: House) -> None:
    anna = await house.customer()
    await house.play(f"customers/{anna}/follow")
    await house.writes(anna, "有人吗")
    for guide in range(3):
        await house.told(guide, lambda message: "有人吗" in str(message))
    card = await house.told(2, lambda message: bool(message.get("buttons")))
    await house.play("members/guide2/press", message_id=card["id"], key=card["buttons"][0]["key"])
    await house.told(2, lambda message: "接下来" in text_of(message))
    await house.answers(2, "您好，我在")
    await house.shown(anna, lambda message: "您好，我在" in text_of(message))
    await house.shown(anna, lambda message: bool(message.get("options")))
    await house.answers(1, "#A10 我也在")
    await house.told(1, lambda message: "小竹" in text_of(message))
    await house.quiet()
    assert not [text for text in await house.texts_to(anna) if "我也在" in text]


async def test_a_send_cut_after_acceptance_is_unknown_shown_and_not_repeated(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "在吗")
    await house.told(0, lambda message: "在吗" in str(message))
    fault = {"platform": "wechat", "api": "message/custom/send"}
    await house.play("faults", match=fault, kind="accept_then_cut", times=1)
    await house.answers(0, "到货了")
    await house.told(0, lambda message: "不确定有没有送到" in text_of(message))
    await house.gateway.stop()
    await house.start_gateway()
    await house.quiet()
    assert (await house.texts_to(anna)).count("到货了") == 1
    async with house.http.get(f"{house.url}/api/v1/outbox?state=unknown", headers=await house.bearer()) as answer:
        assert [row["recipient"] for row in (await answer.json())["items"]] == [anna]
