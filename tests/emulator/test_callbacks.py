"""Callbacks: how they are sealed, delivered, repeated, and what becomes of the answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from emulator import crypto, xml
from emulator.wechat.inbound import NOTICE
from emulator.world import Agent, OfficialAccount
from tests.emulator.conftest import Starter
from tests.emulator.stand import Received, Stand, status, success, text


def account(stand: Stand) -> OfficialAccount:
    return stand.world.official_accounts[0]


def agent(stand: Stand) -> Agent:
    found = stand.world.agent("ww1/1000002")
    assert found is not None
    return found


async def told(stand: Stand, act: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields an official account is told when its customer does this."""
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/{act}", body)
    return (await stand.receiver.until(1))[-1].opened(account(stand).envelope)


async def work_told(stand: Stand, act: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields an app is told when Lan does this."""
    await stand.act(f"members/Lan/{act}", {"agent_id": 1000002, **(body or {})})
    return (await stand.receiver.until(1))[-1].opened(agent(stand).envelope)


async def contents(stand: Stand, count: int) -> list[str]:
    """The texts that arrived."""
    return [one.opened(account(stand).envelope)["Content"] for one in await stand.receiver.until(count)]


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


MESSAGES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("type", {"text": "还有货吗 ]]> 😀"}, {"MsgType": "text", "Content": "还有货吗 ]]> 😀"}),
    ("location", {"lat": 31.2, "lng": 121.5, "label": "静安寺"}, {"Location_X": "31.2", "Location_Y": "121.5"}),
    ("link", {"title": "新茶", "description": "好", "url": "https://a"}, {"Title": "新茶", "Url": "https://a"}),
    ("image", {}, {"MsgType": "image"}),
    ("voice", {"sample": "hello"}, {"MsgType": "voice", "Format": "amr"}),
    ("video", {}, {"MsgType": "video"}),
]


@pytest.mark.parametrize(("act", "body", "expected"), MESSAGES, ids=[act for act, _, _ in MESSAGES])
async def test_messages_of_a_customer(stand: Stand, act: str, body: dict[str, Any], expected: dict[str, str]) -> None:
    fields = await told(stand, act, body)
    assert fields.items() >= {"ToUserName": "gh_1", **expected}.items()
    assert int(fields["MsgId"]) > 2**53
    assert fields["CreateTime"] == str(int(stand.clock.seconds))
    assert fields["FromUserName"].startswith("o")


@pytest.mark.parametrize(("act", "body", "expected"), MESSAGES, ids=[act for act, _, _ in MESSAGES])
async def test_messages_of_a_member(stand: Stand, act: str, body: dict[str, Any], expected: dict[str, str]) -> None:
    fields = await work_told(stand, act, body)
    common = {"ToUserName": "ww1", "FromUserName": "Lan", "AgentID": "1000002"}
    assert fields.items() >= {**common, **expected}.items()
    assert int(fields["MsgId"]) > 2**53


@pytest.mark.parametrize(
    ("act", "body", "expected"),
    [
        ("menu", {"key": "orders"}, {"Event": "CLICK", "EventKey": "orders"}),
        ("menu", {"key": "https://a"}, {"Event": "VIEW", "EventKey": "https://a"}),
        ("unfollow", {}, {"Event": "unsubscribe"}),
        (
            "raw",
            {"fields": {"MsgType": "event", "Event": "kf_create_session", "KfAccount": "a@b"}},
            {"KfAccount": "a@b"},
        ),
        ("raw", {"xml fields": {"MsgType": "file", "Title": "合同.pdf"}}, {"MsgType": "file", "Title": "合同.pdf"}),
    ],
)
async def test_other_things_a_customer_does(
    stand: Stand, act: str, body: dict[str, Any], expected: dict[str, str]
) -> None:
    fields = await told(stand, act, body)
    assert fields.items() >= expected.items()
    assert ("MsgId" in fields) == (fields["MsgType"] != "event")


@pytest.mark.parametrize(
    ("act", "body", "expected"),
    [
        ("open", {}, {"Event": "enter_agent"}),
        ("subscribe", {}, {"Event": "subscribe"}),
        ("menu", {"key": "orders"}, {"Event": "click", "EventKey": "orders"}),
        ("raw", {"fields": {"MsgType": "event", "Event": "LOCATION", "Latitude": 1}}, {"Latitude": "1"}),
        ("raw", {"fields": {"MsgType": "file", "FileName": "a.pdf"}}, {"FileName": "a.pdf"}),
    ],
)
async def test_other_things_a_member_does(
    stand: Stand, act: str, body: dict[str, Any], expected: dict[str, str]
) -> None:
    assert (await work_told(stand, act, body)).items() >= expected.items()


async def test_a_scan_makes_a_stranger_follow_and_is_a_scan_for_a_follower(stand: Stand) -> None:
    await stand.play("posters", {"scene": "a:lan", "label": "静安店", "account": "wx1"})
    openid = await stand.customer(following=False, grant="")
    for _ in range(2):
        await stand.act(f"customers/{openid}/scan", {"scene": "a:lan"})
    first, second = (one.opened(account(stand).envelope) for one in await stand.receiver.until(2))
    assert (first["Event"], first["EventKey"]) == ("subscribe", "qrscene_a:lan")
    assert (second["Event"], second["EventKey"]) == ("SCAN", "a:lan")
    assert first["Ticket"] == second["Ticket"]


async def test_a_tap_on_a_menu_line_is_text_with_its_id_and_grants_three(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.send(openid, "msgmenu", list=[{"id": "7", "content": "满意"}])
    (message,) = await stand.thread(openid)
    await stand.act(f"customers/{openid}/tap", {"message_id": message["id"], "option_id": "7"})
    fields = (await stand.receiver.until(1))[-1].opened(account(stand).envelope)
    assert (fields["MsgType"], fields["Content"], fields["bizmsgmenuid"]) == ("text", "满意", "7")
    (customer,) = (await stand.view("state"))["customers"]
    assert {window["trigger"]: window["left"] for window in customer["windows"]} == {"message": 4, "menu": 3}


async def test_inbound_pictures_can_be_downloaded_by_the_account(stand: Stand) -> None:
    fields = await told(stand, "image", {"sample": "cup"})
    query = {"media_id": fields["MediaId"], "access_token": await stand.token()}
    response = await stand.client.get("/wechat/cgi-bin/media/get", params=query)
    data = await response.read()
    assert response.content_type == "image/png"
    shown = await stand.client.session.get(fields["PicUrl"])
    assert await shown.read() == data


def signed(received: Received, token: str) -> bool:
    query = received.query
    return crypto.signature_holds(query["signature"], token, query["timestamp"], query["nonce"])


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
async def test_each_mode_seals_as_documented(begin: Starter, mode: str) -> None:
    stand = await begin(mode=mode)
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/type", {"text": "你好"})
    (received,) = await stand.receiver.until(1)
    assert signed(received, "T")
    assert received.query["openid"] == openid
    assert ("msg_signature" in received.query) == (received.query.get("encrypt_type") == "aes") == (mode != "plain")
    clear = {"plain": True, "compatible": True, "safe": False}[mode]
    assert ("Content" in received.fields) == clear
    if mode != "plain":
        assert received.opened(account(stand).envelope)["Content"] == "你好"
    if mode == "safe":
        assert set(received.fields) == {"ToUserName", "Encrypt"}


async def test_a_work_callback_names_corp_and_app_around_the_ciphertext(stand: Stand) -> None:
    await stand.act("members/Lan/type", {"agent_id": 1000002, "text": "好"})
    (received,) = await stand.receiver.until(1)
    assert set(received.query) == {"msg_signature", "timestamp", "nonce"}
    assert (received.fields["ToUserName"], received.fields["AgentID"]) == ("ww1", "1000002")


async def test_retries_carry_the_same_message_under_new_seals(stand: Stand) -> None:
    stand.receiver.answers = [status(500), status(502), status(503)]
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert [attempt["status"] for attempt in outcome["attempts"]] == [500, 502, 503, 200]
    assert outcome["delivered"]
    received = await stand.receiver.until(4)
    opened = [one.opened(account(stand).envelope) for one in received]
    assert len({one["MsgId"] for one in opened}) == len({one["CreateTime"] for one in opened}) == 1
    assert outcome["msg_id"] == opened[0]["MsgId"]
    assert len({one.query["nonce"] for one in received}) == len({one.body for one in received}) == 4


async def test_after_three_retries_the_platform_gives_up_and_the_phone_says_so(stand: Stand) -> None:
    stand.receiver.otherwise = status(500)
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert (len(outcome["attempts"]), outcome["delivered"]) == (4, False)
    mine, notice = await stand.thread(openid)
    assert (mine["state"], notice["from"], notice["text"]) == ("failed", "system", NOTICE)
    work = await stand.act("members/Lan/type", {"agent_id": 1000002, "text": "好"})
    assert (len(work["attempts"]), work["delivered"]) == (4, False)
    assert [message["state"] for message in await stand.member_thread()] == ["failed"]


async def test_an_answer_after_the_deadline_is_none(begin: Starter) -> None:
    stand = await begin(wechat__callback_deadline=50, wechat__callback_retries=1)
    stand.receiver.answers = [hang, success]
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    late, good = outcome["attempts"]
    assert (late["status"], late["error"]) == (None, "no answer within 50 ms")
    assert late["ms"] >= 50
    assert (good["status"], outcome["delivered"]) == (200, True)


async def test_nobody_at_the_address_is_a_failure_too(begin: Starter) -> None:
    stand = await begin(url="http://127.0.0.1:1")
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert [attempt["status"] for attempt in outcome["attempts"]] == [None] * 4


@pytest.mark.parametrize("answer", ["", "success"])
async def test_an_empty_body_and_success_say_nothing(stand: Stand, answer: str) -> None:
    stand.receiver.otherwise = text(answer)
    openid = await stand.customer()
    assert (await stand.act(f"customers/{openid}/type", {"text": "在吗"}))["delivered"]
    assert (await stand.act("members/Lan/open", {"agent_id": 1000002}))["delivered"]
    assert len(await stand.thread(openid)) == 1


@pytest.mark.parametrize("answer", ['"success"', "{}", "success\n", "ok", "<xml></xml>"])
async def test_any_other_body_is_a_fault_without_retries(stand: Stand, answer: str) -> None:
    stand.receiver.otherwise = text(answer)
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert (len(outcome["attempts"]), outcome["delivered"]) == (1, False)
    assert outcome["attempts"][0]["error"].startswith("200, but ")
    assert (await stand.thread(openid))[-1]["text"] == NOTICE
    assert not (await stand.act("members/Lan/open", {"agent_id": 1000002}))["delivered"]


async def test_one_senders_callbacks_arrive_in_the_order_of_his_acts(stand: Stand) -> None:
    openid = await stand.customer()
    for n in range(20):
        await stand.act(f"customers/{openid}/type", {"text": str(n)}, wait=False)
    assert await contents(stand, 20) == [str(n) for n in range(20)]


async def test_the_next_callback_of_a_sender_waits_for_the_answer_to_the_one_before(stand: Stand) -> None:
    answered = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await answered.wait()
        return web.Response(text="success")

    stand.receiver.answers = [late]
    openid, other = await stand.customer(), await stand.customer()
    for content in ("first", "second"):
        await stand.act(f"customers/{openid}/type", {"text": content}, wait=False)
    await stand.act(f"customers/{other}/type", {"text": "other"})
    assert await contents(stand, 2) == ["first", "other"]
    answered.set()
    assert await contents(stand, 3) == ["first", "other", "second"]


async def test_a_slow_answer_to_one_sender_holds_no_other(stand: Stand) -> None:
    stand.receiver.answers = [hang]
    slow, quick = await stand.customer(), await stand.customer()
    await stand.act(f"customers/{slow}/type", {"text": "a"}, wait=False)
    await stand.receiver.until(1)
    assert (await stand.act(f"customers/{quick}/type", {"text": "b"}))["delivered"]
    (under_way, done) = (await stand.view("deliveries"))["deliveries"]
    assert (under_way["delivered"], done["delivered"]) == (None, True)
    assert (await stand.view("deliveries", since=str(under_way["id"])))["deliveries"] == [done]


async def test_moving_the_clock_does_not_move_the_stamps_of_callbacks(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.play("clock", {"advance_s": 3600})
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    (received,) = await stand.receiver.until(1)
    assert received.query["timestamp"] == str(outcome["create_time"]) == str(int(stand.clock.seconds))


async def test_without_a_callback_address_nothing_is_delivered(begin: Starter) -> None:
    stand = await begin(url="")
    openid = await stand.customer()
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert (outcome["delivery"], bool(outcome["msg_id"])) == (None, True)
    assert (await stand.act("members/Lan/type", {"agent_id": 1000002, "text": "好"}))["delivery"] is None


async def echo_wechat(request: web.Request) -> web.StreamResponse:
    query = request.query
    assert crypto.signature_holds(query["signature"], "T", query["timestamp"], query["nonce"])
    return web.Response(text=query["echostr"])


async def test_verification_of_an_official_account(stand: Stand) -> None:
    stand.receiver.otherwise = echo_wechat
    assert (await stand.play("accounts/wx1/verify"))["ok"]
    stand.receiver.otherwise = success
    wrong = await stand.play("accounts/wx1/verify")
    assert not wrong["ok"]
    assert "the body is b'success'" in wrong["error"]


async def test_verification_of_an_app_wants_the_echo_decrypted(stand: Stand) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        query = request.query
        opened = agent(stand).envelope.open(
            query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"]
        )
        return web.Response(body=opened)

    async def parrot(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.query["echostr"])

    stand.receiver.otherwise = echo
    assert (await stand.play("accounts/ww1/1000002/verify"))["ok"]
    stand.receiver.otherwise = parrot
    assert not (await stand.play("accounts/ww1/1000002/verify"))["ok"]
    await stand.play("accounts/ww1/1000003/verify", expect=409)
    await stand.play("accounts/wx9/verify", expect=404)


def test_an_envelope_field_is_xml_a_strict_parser_reads() -> None:
    assert xml.parse(xml.build({"Encrypt": "a+b/c="}).encode()) == {"Encrypt": "a+b/c="}
