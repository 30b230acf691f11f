"""Customer-service messages: who may be written to, how often, what a message may hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.conftest import Starter
from tests.emulator.stand import Stand

MINUTE = 60
HOURS_48 = 48 * 3600


async def codes(stand: Stand, openid: str, count: int) -> list[int]:
    """The errcodes of so many sends in a row."""
    return [(await stand.send(openid))["errcode"] for _ in range(count)]


async def test_a_sent_message_is_on_the_phone_and_in_the_ledger(stand: Stand) -> None:
    openid = await stand.customer()
    assert await stand.send(openid, content="您好 😀") == {"errcode": 0, "errmsg": "ok"}
    (message,) = await stand.thread(openid)
    assert (message["from"], message["type"], message["text"]) == ("them", "text", "您好 😀")
    (line,) = await stand.ledger("message/custom/send")
    assert line == {
        "n": 2,
        "at": int(stand.clock.seconds * 1000),
        "platform": "wechat",
        "account": "wx1",
        "api": "message/custom/send",
        "to": openid,
        "msgtype": "text",
        "body": {"touser": openid, "msgtype": "text", "text": {"content": "您好 😀"}},
        "shown": True,
        "why_not_shown": None,
        "fault": None,
    }


async def test_a_message_of_the_customer_allows_five_in_48_hours(stand: Stand) -> None:
    openid = await stand.customer()
    assert await codes(stand, openid, 6) == [0, 0, 0, 0, 0, 45047]
    await stand.act(f"customers/{openid}/type", {"text": "还在吗"})
    assert await codes(stand, openid, 6) == [0, 0, 0, 0, 0, 45047]


async def test_the_window_closes_after_48_hours(stand: Stand) -> None:
    openid = await stand.customer()
    stand.clock.seconds += HOURS_48 - 1
    assert await codes(stand, openid, 1) == [0]
    stand.clock.seconds += 1
    assert await codes(stand, openid, 1) == [45015]


@pytest.mark.parametrize("trigger", ["menu", "follow", "scan"])
async def test_other_triggers_allow_three_in_a_minute(stand: Stand, trigger: str) -> None:
    openid = await stand.customer(grant=trigger)
    assert await codes(stand, openid, 4) == [0, 0, 0, 45047]
    stand.clock.seconds += MINUTE
    assert await codes(stand, openid, 1) == [45015]


async def test_the_bucket_that_expires_first_is_spent_first(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/menu", {"key": "orders"})
    assert await codes(stand, openid, 3) == [0, 0, 0]
    stand.clock.seconds += MINUTE
    assert await codes(stand, openid, 6) == [0, 0, 0, 0, 0, 45047]


async def test_who_unfollows_cannot_be_written_to(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/unfollow")
    assert await codes(stand, openid, 1) == [45015]


async def test_who_never_wrote_cannot_be_written_to(stand: Stand) -> None:
    openid = await stand.customer(grant="")
    assert await codes(stand, openid, 1) == [45015]


async def test_strangers_and_customers_of_another_account_are_unknown(stand: Stand) -> None:
    theirs = await stand.customer(account="wx2")
    assert await codes(stand, theirs, 1) == [40003]
    assert await codes(stand, "nobody", 1) == [40003]


@pytest.mark.parametrize(
    ("msgtype", "branch", "errcode"),
    [
        ("text", {"content": ""}, 44004),
        ("text", {"content": 7}, 44004),
        ("text", {"content": "好" * 682 + "ab"}, 0),
        ("text", {"content": "好" * 682 + "abc"}, 45002),
        ("image", {"media_id": "nothing"}, 40007),
        ("voice", {"media_id": "nothing"}, 40007),
        ("video", {"media_id": "nothing"}, 40007),
        ("music", {"musicurl": "http://a", "thumb_media_id": "nothing"}, 40007),
        ("news", {"articles": [{"title": "新茶", "url": "http://a"}]}, 0),
        ("news", {"articles": [{"title": "一"}, {"title": "二"}]}, 45008),
        ("news", {"articles": []}, 45008),
        ("news", {"articles": [{}]}, 44004),
        ("msgmenu", {"head_content": "满意吗", "list": [{"id": "1", "content": "好"}], "tail_content": "谢谢"}, 0),
        ("msgmenu", {"head_content": "满意吗", "list": []}, 47001),
        ("msgmenu", {"list": [{"content": "好"}]}, 47001),
        ("miniprogrampage", {"title": "a", "appid": "wx", "pagepath": "p", "thumb_media_id": "nothing"}, 40007),
        ("miniprogrampage", {"title": "a", "appid": "wx"}, 47001),
        ("carrier_pigeon", {"media_id": "x"}, 40008),
    ],
)
async def test_what_a_message_may_hold(stand: Stand, msgtype: str, branch: dict[str, Any], errcode: int) -> None:
    openid = await stand.customer()
    assert (await stand.send(openid, msgtype, **branch))["errcode"] == errcode
    assert len(await stand.thread(openid)) == (errcode == 0)
    assert len(await stand.ledger("message/custom/send")) == (errcode == 0)


async def test_a_refused_message_spends_nothing(stand: Stand) -> None:
    openid = await stand.customer()
    for _ in range(9):
        await stand.send(openid, content="")
    assert await codes(stand, openid, 6) == [0, 0, 0, 0, 0, 45047]


async def test_a_body_with_escaped_chinese_is_refused(stand: Stand) -> None:
    openid = await stand.customer()
    token = await stand.token()
    body = b'{"touser":"%s","msgtype":"text","text":{"content":"%s"}}'
    escaped = await stand.wechat("message/custom/send", body % (openid.encode(), rb"\u4f60"), access_token=token)
    assert escaped["errcode"] == 40033
    for allowed in (rb"line\nbreak", rb"\u0007bell", rb"C:\\u4f60"):
        answer = await stand.wechat("message/custom/send", body % (openid.encode(), allowed), access_token=token)
        assert answer["errcode"] == 0


async def test_a_persona_gives_the_message_its_name(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    kf_account = "lan@linjian"
    body = {"touser": openid, "msgtype": "text", "text": {"content": "我是小兰"}}
    named = {**body, "customservice": {"kf_account": kf_account}}
    assert (await stand.wechat("message/custom/send", named, access_token=token))["errcode"] == 65401
    persona = {"kf_account": kf_account, "nickname": "小兰 x"}
    assert (await stand.wechat("/customservice/kfaccount/add", persona, access_token=token))["errcode"] == 0
    assert (await stand.wechat("message/custom/send", named, access_token=token))["errcode"] == 0
    (message,) = await stand.thread(openid)
    assert message["persona"] == {"name": "小兰 x"}


async def test_the_daily_quota_ends(begin: Starter) -> None:
    stand = await begin(wechat__custom_send_day=2)
    openid = await stand.customer()
    assert await codes(stand, openid, 3) == [0, 0, 45009]
    stand.clock.seconds += 86400
    assert await codes(stand, openid, 1) == [0]


async def test_typing_needs_a_fresh_talk_and_does_not_repeat(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()

    async def typing(command: str) -> int:
        body = {"touser": openid, "command": command}
        return int((await stand.wechat("message/custom/typing", body, access_token=token))["errcode"])

    assert await typing("Typing") == 45080
    await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert [await typing("Typing"), await typing("Typing")] == [0, 45081]
    assert [await typing("CancelTyping"), await typing("Typing")] == [0, 0]
    assert await typing("Waving") == 45072
    await stand.send(openid)
    assert await typing("Typing") == 0
    stand.clock.seconds += 31
    assert await typing("Typing") == 45080
