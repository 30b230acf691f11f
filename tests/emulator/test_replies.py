"""Passive replies: what is shown, what is dropped, what is a fault."""

from __future__ import annotations

from typing import Any

import pytest

from emulator import xml
from emulator.crypto import Envelope
from emulator.wechat.inbound import NOTICE
from tests.emulator.conftest import Starter
from tests.emulator.stand import Stand, text
from tests.emulator.test_wecom_cards import card


def sealed(envelope: Envelope, fields: dict[str, Any], token: str | None = None) -> str:
    """An encrypted reply."""
    ciphertext = envelope.encrypt(xml.build(fields).encode())
    signer = envelope if token is None else Envelope(token, envelope.key, envelope.receive_id)
    signature = signer.sign("1790000000", "n", ciphertext)
    return xml.build({"Encrypt": ciphertext, "MsgSignature": signature, "TimeStamp": 1790000000, "Nonce": "n"})


def reply(openid: str, **fields: Any) -> dict[str, Any]:
    """The clear fields of a reply to a customer."""
    return {"ToUserName": openid, "FromUserName": "gh_1", "CreateTime": 1790000000, **fields}


async def say(stand: Stand, openid: str, body: str) -> bool:
    """Let the customer write and answer him with this body; whether the platform took it."""
    stand.receiver.otherwise = text(body)
    return bool((await stand.act(f"customers/{openid}/type", {"text": "在吗"}))["delivered"])


TEXT = {"MsgType": "text", "Content": "您好"}


@pytest.mark.parametrize(
    ("mode", "encrypted", "taken"),
    [
        ("safe", True, True),
        ("safe", False, False),
        ("compatible", True, True),
        ("compatible", False, True),
        ("plain", True, False),
        ("plain", False, True),
    ],
)
async def test_each_mode_takes_its_own_replies(begin: Starter, mode: str, encrypted: bool, taken: bool) -> None:
    stand = await begin(mode=mode)
    openid = await stand.customer()
    fields = reply(openid, **TEXT)
    body = sealed(stand.world.official_accounts[0].envelope, fields) if encrypted else xml.build(fields)
    assert await say(stand, openid, body) == taken
    shown = (await stand.thread(openid))[-1]
    assert (shown["from"], shown["text"]) == (("them", "您好") if taken else ("system", NOTICE))


async def test_a_reply_is_in_the_ledger_and_spends_no_window(begin: Starter) -> None:
    stand = await begin(mode="plain")
    openid = await stand.customer()
    assert await say(stand, openid, xml.build(reply(openid, **TEXT)))
    (line,) = await stand.ledger("passive_reply")
    assert (line["to"], line["msgtype"], line["body"]["Content"], line["shown"]) == (openid, "text", "您好", True)
    assert [(await stand.send(openid))["errcode"] for _ in range(6)] == [0, 0, 0, 0, 0, 45047]


@pytest.mark.parametrize(
    "change",
    [
        {"ToUserName": "somebody"},
        {"FromUserName": "gh_2"},
        {"MsgType": None},
    ],
)
async def test_a_reply_to_somebody_else_is_a_fault(begin: Starter, change: dict[str, Any]) -> None:
    stand = await begin(mode="plain")
    openid = await stand.customer()
    assert not await say(stand, openid, xml.build({**reply(openid, **TEXT), **change}))


async def test_a_reply_signed_with_another_token_is_a_fault(stand: Stand) -> None:
    openid = await stand.customer()
    envelope = stand.world.official_accounts[0].envelope
    assert not await say(stand, openid, sealed(envelope, reply(openid, **TEXT), token="other"))
    assert await stand.ledger("passive_reply") == []


ARTICLE = {"Title": "新茶上市", "Description": "好", "PicUrl": "https://a/b.png", "Url": "https://a"}


@pytest.mark.parametrize(
    ("fields", "shown", "why"),
    [
        ({"MsgType": "news", "ArticleCount": 1, "Articles": {"item": [ARTICLE]}}, "新茶上市", None),
        ({"MsgType": "news", "ArticleCount": 2, "Articles": {"item": [ARTICLE, ARTICLE]}}, None, "errcode 45008"),
        ({"MsgType": "news", "ArticleCount": 0}, None, "errcode 45008"),
        ({"MsgType": "text", "Content": "好" * 683}, None, "errcode 45002"),
        ({"MsgType": "image", "Image": {"MediaId": "nothing"}}, None, "errcode 40007"),
        ({"MsgType": "music", "Music": {"ThumbMediaId": "nothing"}}, None, "errcode 40007"),
        ({"MsgType": "hologram"}, None, "errcode 40008"),
        ({"MsgType": "transfer_customer_service"}, None, "handed to the platform's own desk"),
    ],
)
async def test_kinds_of_replies(begin: Starter, fields: dict[str, Any], shown: str | None, why: str | None) -> None:
    stand = await begin(mode="plain")
    openid = await stand.customer()
    assert await say(stand, openid, xml.build(reply(openid, **fields)))
    (line,) = await stand.ledger("passive_reply")
    assert (line["shown"], line["why_not_shown"]) == (shown is not None, why)
    bubbles = [message["text"] for message in await stand.thread(openid) if message["from"] == "them"]
    assert bubbles == ([shown] if shown else [])


async def test_a_picture_as_reply(begin: Starter) -> None:
    stand = await begin(mode="plain")
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/image", {"sample": "tea"})
    media_id = (await stand.thread(openid))[0]["media_url"].rpartition("/")[2]
    assert await say(stand, openid, xml.build(reply(openid, MsgType="image", Image={"MediaId": media_id})))
    assert (await stand.thread(openid))[-1]["media_url"] == f"/play/media/{media_id}"


def work_reply(**fields: Any) -> dict[str, Any]:
    """The clear fields of a reply to Lan."""
    return {"ToUserName": "Lan", "FromUserName": "ww1", "CreateTime": 1790000000, **fields}


async def act_as_lan(stand: Stand, fields: dict[str, Any], act: str = "open", **body: Any) -> bool:
    """Let Lan act and answer with these fields; whether the platform took it."""
    agent = stand.world.agent("ww1/1000002")
    assert agent is not None
    stand.receiver.otherwise = text(sealed(agent.envelope, fields))
    return bool((await stand.act(f"members/Lan/{act}", {"agent_id": 1000002, **body}))["delivered"])


async def test_a_member_gets_a_text_as_reply(stand: Stand) -> None:
    assert await act_as_lan(stand, work_reply(MsgType="text", Content="欢迎"))
    assert [message["text"] for message in await stand.member_thread()] == ["欢迎"]


async def test_news_as_reply_to_a_member(stand: Stand) -> None:
    assert await act_as_lan(stand, work_reply(MsgType="news", Articles={"item": [ARTICLE, ARTICLE]}))
    assert [message["text"] for message in await stand.member_thread()] == ["新茶上市\n新茶上市"]


@pytest.mark.parametrize("change", [{"ToUserName": "hui"}, {"FromUserName": "ww2"}, {"MsgType": None}])
async def test_a_reply_to_another_member_is_a_fault(stand: Stand, change: dict[str, Any]) -> None:
    assert not await act_as_lan(stand, {**work_reply(MsgType="text", Content="欢迎"), **change})


async def test_a_clear_reply_of_an_app_is_a_fault(stand: Stand) -> None:
    stand.receiver.otherwise = text(xml.build(work_reply(MsgType="text", Content="欢迎")))
    assert not (await stand.act("members/Lan/open", {"agent_id": 1000002}))["delivered"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"MsgType": "hologram"}, "errcode 40008 msgtype 'hologram'"),
        ({"MsgType": "update_button", "Button": {"ReplaceName": "好"}}, "errcode 40058 no card was pressed"),
    ],
)
async def test_a_reply_the_platform_cannot_show_is_told_in_the_ledger(
    stand: Stand, fields: dict[str, Any], why: str
) -> None:
    assert await act_as_lan(stand, work_reply(**fields))
    (line,) = await stand.ledger("passive_reply")
    assert (line["shown"], line["why_not_shown"]) == (False, why)


async def press(stand: Stand, fields: dict[str, Any]) -> dict[str, Any]:
    """The card after Lan pressed it and the app answered with these fields."""
    await stand.notify("Lan", "template_card", **card())
    message = (await stand.member_thread())[0]
    assert await act_as_lan(stand, work_reply(**fields), "press", message_id=message["id"], key="reply:1")
    return (await stand.member_thread())[0]


async def test_a_reply_to_a_press_changes_the_button(stand: Stand) -> None:
    changed = await press(stand, {"MsgType": "update_button", "Button": {"ReplaceName": "回复中"}})
    assert changed["buttons"] == [{"key": "", "text": "回复中", "done": True}]


async def test_a_reply_to_a_press_replaces_the_card(stand: Stand) -> None:
    fresh = {
        "CardType": "button_interaction",
        "MainTitle": {"Title": "已接待"},
        "ButtonList": [{"Text": "结束", "Style": 1, "Key": "end"}],
    }
    changed = await press(stand, {"MsgType": "update_template_card", "TemplateCard": fresh})
    assert changed["text"] == "已接待"
    assert changed["buttons"] == [{"key": "end", "text": "结束", "done": False}]


async def test_a_reply_with_a_broken_card_changes_nothing(stand: Stand) -> None:
    changed = await press(stand, {"MsgType": "update_template_card", "TemplateCard": {"CardType": "x"}})
    assert changed["text"] == "顾客 A17"
    assert (await stand.ledger("passive_reply"))[0]["shown"] is False
