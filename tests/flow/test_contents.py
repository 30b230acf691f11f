"""Pictures, voices, places and links cross over in both directions; what cannot cross is shown as what it is."""

from __future__ import annotations

import pytest

from tests.house import House


async def test_a_picture_and_a_voice_reach_the_advisor_as_such(house: House) -> None:
    anna = await house.bound(0)
    await house.play(f"customers/{anna}/image?wait=1")
    await house.told(0, lambda message: message["type"] == "image")
    await house.play(f"customers/{anna}/voice?wait=1")
    await house.told(0, lambda message: message["type"] == "voice")
    await house.quiet()
    kinds = [line["msgtype"] for line in await house.ledger(api="message/send", to="guide0")]
    assert kinds.count("image") == kinds.count("voice") == 1


async def test_a_place_and_a_link_reach_the_advisor_in_words(house: House) -> None:
    anna = await house.bound(0)
    await house.play(f"customers/{anna}/location?wait=1", lat=31.2304, lng=121.4737, label="人民广场")
    await house.told(0, lambda message: "人民广场" in str(message) and "31.2304" in str(message))
    await house.play(f"customers/{anna}/link?wait=1", title="春茶", description="新", url="https://tea.example/spring")
    await house.told(0, lambda message: "https://tea.example/spring" in str(message))


async def test_what_cannot_be_read_is_shown_as_what_it_is_and_kept_raw(house: House) -> None:
    anna = await house.bound(0)
    await house.play(f"customers/{anna}/video?wait=1")
    await house.told(0, lambda message: "一段视频" in str(message))
    await house.play(f"customers/{anna}/raw?wait=1", fields={"MsgType": "hologram", "Depth": "3"})
    await house.told(0, lambda message: "一条特殊消息" in str(message))
    kept = await house.api("GET", "/inbox?kind=unparsed")
    assert any("hologram" in str(item) for item in kept["items"])


async def test_the_advisors_picture_reaches_the_customer_under_his_name(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "有照片吗")
    await house.told(0, lambda message: "有照片吗" in str(message))
    await house.play("members/guide0/image?wait=1")
    shown = await house.shown(anna, lambda message: message["type"] == "image")
    assert shown["persona"]["name"] == "小兰"


@pytest.mark.parametrize("length", [681, 2000])
async def test_a_long_answer_arrives_whole_in_order(house: House, length: int) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "说来话长？")
    await house.told(0, lambda message: "说来话长" in str(message))
    text = "".join(chr(0x4E00 + number % 5000) for number in range(length))
    for number in range(0, length, 600):
        await house.answers(0, text[number : number + 600])
    await house.quiet()
    assert "".join((await house.texts_to(anna))[1:]) == text
