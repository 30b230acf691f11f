"""Messages to members: receivers, limits, the silent drop, duplicates, recall, media."""

from __future__ import annotations

import io
from typing import Any

import pytest
from aiohttp import FormData

from emulator import samples
from tests.emulator.conftest import Starter
from tests.emulator.stand import Stand

AMR = samples.sample("voice", "hello").data
PNG = samples.sample("image", "tea").data
MP4 = samples.sample("video", "clip").data
DAY = 86400


async def upload(stand: Stand, kind: str, data: bytes) -> dict[str, Any]:
    """The answer to `media/upload`."""
    form = FormData(quote_fields=False)
    form.add_field("media", io.BytesIO(data), filename="文件.bin")
    query = {"type": kind, "access_token": await stand.work_token()}
    response = await stand.client.post("/wecom/cgi-bin/media/upload", data=form, params=query)
    answer: dict[str, Any] = await response.json()
    return answer


async def test_the_token_stays_the_same_while_it_lives(stand: Stand) -> None:
    first = await stand.wecom("gettoken", corpid="ww1", corpsecret="work-secret")
    stand.clock.seconds += 7199
    second = await stand.wecom("gettoken", corpid="ww1", corpsecret="work-secret")
    assert (first["access_token"], second["expires_in"]) == (second["access_token"], 1)
    stand.clock.seconds += 1
    expired = await stand.wecom("getcallbackip", access_token=first["access_token"])
    assert expired["errcode"] == 42001
    assert await stand.work_token() != first["access_token"]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"corpid": "ww9", "corpsecret": "work-secret"}, 40013),
        ({"corpid": "ww1", "corpsecret": "wrong"}, 40001),
        ({"corpsecret": "work-secret"}, 41002),
        ({"corpid": "ww1"}, 41004),
    ],
)
async def test_who_asks_wrongly_gets_no_token(stand: Stand, query: dict[str, str], errcode: int) -> None:
    assert (await stand.wecom("gettoken", **query))["errcode"] == errcode


async def test_a_message_goes_to_each_member_once_and_names_the_unknown(stand: Stand) -> None:
    answer = await stand.notify("LAN|lan|Nobody|hui")
    assert (answer["errcode"], answer["invaliduser"]) == (0, "nobody")
    lines = await stand.ledger("message/send")
    assert [(line["to"], line["account"], line["shown"]) for line in lines] == [
        ("Lan", "ww1/1000002", True),
        ("hui", "ww1/1000002", True),
    ]
    assert [message["text"] for message in await stand.member_thread("hui")] == ["你好"]
    assert "response_code" not in answer


async def test_all_means_everybody(stand: Stand) -> None:
    assert (await stand.notify("@all"))["errcode"] == 0
    assert [line["to"] for line in await stand.ledger("message/send")] == ["Lan", "hui", "min"]


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"touser": "nobody|nobody2"}, 81013),
        ({"touser": ""}, 81013),
        ({"touser": ["Lan"]}, 40035),
        ({"touser": "|".join(f"u{n}" for n in range(1001))}, 40058),
        ({"agentid": 1000003}, 301002),
        ({"agentid": "app"}, 40056),
        ({"agentid": None}, 40056),
        ({"msgtype": "pigeon"}, 40008),
        ({"msgtype": None}, 40008),
        ({"msgtype": "image"}, 40058),
    ],
)
async def test_a_wrong_address_is_refused(stand: Stand, changes: dict[str, Any], errcode: int) -> None:
    body = {"touser": "Lan", "agentid": 1000002, "msgtype": "text", "text": {"content": "你好"}, **changes}
    answer = await stand.wecom("message/send", body, access_token=await stand.work_token())
    assert answer["errcode"] == errcode
    assert await stand.ledger("message/send") == []


@pytest.mark.parametrize(
    ("msgtype", "branch", "errcode"),
    [
        ("text", {"content": ""}, 44004),
        ("markdown", {"content": "**好**"}, 0),
        ("markdown", {"content": "x" * 2049}, 45002),
        ("textcard", {"title": "t", "description": "d", "url": "https://a"}, 0),
        ("textcard", {"title": "t", "url": "https://a"}, 40058),
        ("textcard", {"title": "t" * 129, "description": "d", "url": "https://a"}, 45002),
        ("textcard", {"title": "t", "description": "d" * 513, "url": "https://a"}, 45002),
        ("textcard", {"title": "t", "description": "d", "url": "x" * 2049}, 45002),
        ("news", {"articles": [{"title": "t", "url": "https://a"}]}, 0),
        ("news", {"articles": [{"title": "t"}] * 9}, 45008),
        ("news", {"articles": []}, 45008),
        ("news", {"articles": ["t"]}, 40058),
        ("news", {"articles": [{"title": "茶" * 43}]}, 45002),
        ("image", {"media_id": "nothing"}, 40007),
        ("miniprogram_notice", {"appid": "wx", "title": "新的订单", "content_item": []}, 0),
        ("miniprogram_notice", {"appid": "wx", "title": "新单"}, 40058),
        ("miniprogram_notice", {"appid": "wx", "title": "新的订单", "content_item": [{}] * 11}, 40058),
    ],
)
async def test_what_a_message_may_hold(stand: Stand, msgtype: str, branch: dict[str, Any], errcode: int) -> None:
    assert (await stand.notify("Lan", msgtype, **branch))["errcode"] == errcode


async def test_a_long_text_is_cut_silently_on_a_character(stand: Stand) -> None:
    assert (await stand.notify("Lan", content="茶" * 700))["errcode"] == 0
    (message,) = await stand.member_thread()
    assert message["text"] == "茶" * 682


async def test_beyond_thirty_a_minute_a_member_sees_nothing_and_nobody_is_told(stand: Stand) -> None:
    answers = [(await stand.notify("Lan"))["errcode"] for _ in range(32)]
    assert answers == [0] * 32
    assert len(await stand.member_thread()) == 30
    lines = await stand.ledger("message/send")
    assert [line["why_not_shown"] for line in lines[29:]] == [None, "member 30/min", "member 30/min"]
    stand.clock.seconds += 60
    await stand.notify("Lan")
    assert len(await stand.member_thread()) == 31


async def test_one_members_limit_is_not_anothers(begin: Starter) -> None:
    stand = await begin(wecom__member_minute=1)
    for _ in range(2):
        await stand.notify("Lan|hui")
    assert [line["shown"] for line in await stand.ledger("message/send")] == [True, True, False, False]


async def test_the_hour_has_its_own_limit_and_slides(begin: Starter) -> None:
    stand = await begin(wecom__member_hour=2)
    await stand.notify("Lan")
    stand.clock.seconds += 1800
    await stand.notify("Lan")
    await stand.notify("Lan")
    assert [line["why_not_shown"] for line in await stand.ledger("message/send")] == [None, None, "member 2/h"]
    stand.clock.seconds += 1800
    await stand.notify("Lan")
    assert (await stand.ledger("message/send"))[-1]["shown"]


async def test_each_api_is_limited_per_minute(begin: Starter) -> None:
    stand = await begin(wecom__api_minute=2)
    assert [(await stand.notify("Lan"))["errcode"] for _ in range(3)] == [0, 0, 45009]
    stand.clock.seconds += 60
    assert (await stand.notify("Lan"))["errcode"] == 0


async def test_an_app_has_so_many_person_times_a_day(begin: Starter) -> None:
    stand = await begin(wecom__agent_day_per_seat=1)
    assert (await stand.notify("Lan|hui"))["errcode"] == 0
    assert (await stand.notify("Lan|hui"))["errcode"] == 45009
    assert (await stand.notify("Lan"))["errcode"] == 0
    assert (await stand.notify("Lan"))["errcode"] == 45009


async def test_the_duplicate_check_hides_the_same_content_for_its_interval(stand: Stand) -> None:
    check = {"enable_duplicate_check": 1, "duplicate_check_interval": 60}
    for _ in range(2):
        assert (await stand.notify("Lan", more=check))["errcode"] == 0
    await stand.notify("Lan", more=check, content="别的")
    stand.clock.seconds += 59
    await stand.notify("Lan", more=check)
    lines = await stand.ledger("message/send")
    assert [line["why_not_shown"] for line in lines] == [None, "duplicate", None, "duplicate"]
    stand.clock.seconds += 1
    await stand.notify("Lan", more=check)
    assert len(await stand.member_thread()) == 3
    too_long = {"enable_duplicate_check": 1, "duplicate_check_interval": 14401}
    assert (await stand.notify("Lan", more=too_long))["errcode"] == 40058


async def test_recall_within_a_day_takes_the_message_off_the_phone(stand: Stand) -> None:
    msgid = (await stand.notify("Lan|hui"))["msgid"]
    token = await stand.work_token()
    other = await stand.wecom("message/recall", {"msgid": msgid}, access_token=await stand.work_token("other-secret"))
    assert other["errcode"] == 40058
    assert (await stand.wecom("message/recall", {"msgid": msgid}, access_token=token))["errcode"] == 0
    (message,) = await stand.member_thread("hui")
    assert (message["type"], message["text"]) == ("recalled", "")
    assert (await stand.wecom("message/recall", {"msgid": "x"}, access_token=token))["errcode"] == 40058
    late = (await stand.notify("Lan"))["msgid"]
    stand.clock.seconds += DAY + 1
    refused = await stand.wecom("message/recall", {"msgid": late}, access_token=await stand.work_token())
    assert refused["errcode"] == 40058


@pytest.mark.parametrize(
    ("kind", "data", "errcode"),
    [
        ("image", PNG, 0),
        ("image", b"GIF89a" + bytes(9), 40005),
        ("voice", AMR, 0),
        ("voice", b"ID3" + bytes(9), 40005),
        ("video", MP4, 0),
        ("file", b"%PDF-1.7", 0),
        ("file", b"12345", 44001),
        ("thumb", PNG, 40004),
    ],
)
async def test_uploads(stand: Stand, kind: str, data: bytes, errcode: int) -> None:
    assert (await upload(stand, kind, data))["errcode"] == errcode


async def test_a_file_that_is_too_large(begin: Starter) -> None:
    stand = await begin(wecom__file_size=100)
    assert (await upload(stand, "file", bytes(101)))["errcode"] == 45001


async def test_media_serves_all_apps_of_the_corp_for_three_days(stand: Stand) -> None:
    media_id = (await upload(stand, "file", b"%PDF-1.7"))["media_id"]
    assert (await stand.notify("Lan", "file", media_id=media_id))["errcode"] == 0
    (message,) = await stand.member_thread()
    assert message["text"] == "文件.bin"
    query = {"media_id": media_id, "access_token": await stand.work_token("other-secret")}
    response = await stand.client.get("/wecom/cgi-bin/media/get", params=query)
    assert await response.read() == b"%PDF-1.7"
    stand.clock.seconds += 3 * DAY
    assert (await stand.notify("Lan", "file", media_id=media_id))["errcode"] == 40007


async def test_what_an_app_knows_of_a_member(stand: Stand) -> None:
    token = await stand.work_token()
    known = await stand.wecom("user/get", userid="LAN", access_token=token)
    assert (known["userid"], known["name"]) == ("Lan", "Lan")
    assert not {"mobile", "avatar", "email"} & set(known)
    assert (await stand.wecom("user/get", userid="x", access_token=token))["errcode"] == 60111
    assert (await stand.wecom("getcallbackip", access_token=token))["ip_list"] == ["127.0.0.1"]
