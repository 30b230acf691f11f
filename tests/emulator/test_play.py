"""The control face: people, state, the page's events, and errors that say how to mend them."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from aiohttp import FormData

from emulator import samples
from emulator.events import WAITING, Events
from tests.emulator.stand import Stand


async def test_a_customer_gets_an_openid_like_the_platforms(stand: Stand) -> None:
    openid = (await stand.play("customers", {"account": "wx1"}))["openid"]
    assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", openid)
    given = await stand.play("customers", {"account": "wx1", "openid": "o1", "label": "李女士"})
    assert given == {"openid": "o1"}
    listed = (await stand.view("state", light="1"))["customers"]
    assert [(one["openid"], one["following"]) for one in listed] == [(openid, False), ("o1", False)]
    assert listed[1]["label"] == "李女士"
    await stand.play("customers", {"account": "wx1", "openid": "o1"}, expect=409)


async def test_many_customers_at_once(stand: Stand) -> None:
    wanted = {"account": "wx1", "count": 50, "following": True, "grant": "message"}
    openids = (await stand.play("customers", wanted))["openids"]
    assert len(set(openids)) == 50
    assert (await stand.send(openids[49]))["errcode"] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("customers", {}, 404, "unknown_account"),
        ("customers", {"account": "wx9"}, 404, "unknown_account"),
        ("customers", {"account": "wx1", "count": 10**6}, 400, "bad_field"),
        ("customers", {"account": "wx1", "count": 1.5}, 400, "bad_field"),
        ("customers", {"account": "wx1", "grant": "wish"}, 400, "bad_field"),
        ("customers/nobody/type", {"text": "a"}, 404, "unknown_customer"),
        ("customers/{}/dance", {}, 404, "unknown_action"),
        ("customers/{}/type", {}, 400, "bad_field"),
        ("customers/{}/type", {"text": ["a"]}, 400, "bad_field"),
        ("customers/{}/follow", {}, 409, "following"),
        ("customers/{}/scan", {"scene": "nothing"}, 404, "unknown_code"),
        ("customers/{}/scan", {}, 404, "unknown_code"),
        ("customers/{}/tap", {"message_id": 99, "option_id": "1"}, 404, "unknown_message"),
        ("customers/{}/tap", {"option_id": "1"}, 400, "bad_field"),
        ("customers/{}/location", {"lat": "north", "lng": 1}, 400, "bad_field"),
        ("customers/{}/location", {"lat": "inf", "lng": 1}, 400, "bad_field"),
        ("customers/{}/image", {"sample": "moon"}, 400, "unknown_sample"),
        ("customers/{}/raw", {"fields": {"Content": "x"}}, 400, "bad_field"),
        ("customers/{}/raw", {"fields": {"MsgType": "x", "a b": 1}}, 400, "bad_field"),
        ("members/Nobody/type", {"text": "a"}, 404, "unknown_member"),
        ("members/Lan/type", {"text": "a"}, 404, "unknown_agent"),
        ("members/Lan/type", {"text": "a", "agent_id": 7}, 404, "unknown_agent"),
        ("members/Lan/type", {"text": "a", "corp": "ww9"}, 404, "unknown_member"),
        ("members/Lan/dance", {"agent_id": 1000002}, 404, "unknown_action"),
        ("members/Lan/press", {"agent_id": 1000002, "message_id": 1, "key": "k"}, 404, "unknown_message"),
        ("members/Lan/raw", {"agent_id": 1000002, "fields": {"MsgType": "x", "<": 1}}, 400, "bad_field"),
        ("posters", {"scene": "a"}, 404, "unknown_account"),
        ("posters", {"scene": "a", "account": "wx1"}, 400, "bad_field"),
        ("clock", {"advance_s": -1}, 400, "bad_field"),
        ("clock", {}, 400, "bad_field"),
    ],
)
async def test_what_cannot_be_done_is_told(stand: Stand, path: str, body: Any, status: int, code: str) -> None:
    openid = await stand.customer()
    answer = await stand.play(path.format(openid), body, expect=status)
    assert answer["error"]["code"] == code
    assert len(answer["error"]["message"]) > 10


@pytest.mark.parametrize("body", [b"{", b"[]"])
async def test_a_body_that_is_no_object_is_refused(stand: Stand, body: bytes) -> None:
    response = await stand.client.post("/play/customers", data=body)
    assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_json")


async def test_who_does_not_follow_cannot_write(stand: Stand) -> None:
    openid = await stand.customer(following=False, grant="")
    for act in ("type", "menu", "unfollow", "tap"):
        answer = await stand.play(f"customers/{openid}/{act}", {"text": "a"}, expect=409)
        assert answer["error"]["code"] == "not_following"


async def test_a_tap_needs_an_option_of_the_menu(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.send(openid, "msgmenu", list=[{"id": "7", "content": "满意"}])
    message = (await stand.thread(openid))[0]
    wanted = {"message_id": message["id"], "option_id": "8"}
    answer = await stand.play(f"customers/{openid}/tap", wanted, expect=404)
    assert answer["error"]["message"] == "option_id: one of 7, found '8'"
    other = await stand.customer()
    await stand.play(f"customers/{other}/tap", {**wanted, "option_id": "7"}, expect=404)


async def test_a_temporary_code_expires(stand: Stand) -> None:
    openid = await stand.customer()
    body = {"action_name": "QR_STR_SCENE", "expire_seconds": 60, "action_info": {"scene": {"scene_str": "a"}}}
    ticket = (await stand.wechat("qrcode/create", body, access_token=await stand.token()))["ticket"]
    await stand.act(f"customers/{openid}/scan", {"ticket": ticket})
    await stand.play("clock", {"advance_s": 60})
    answer = await stand.play(f"customers/{openid}/scan", {"ticket": ticket}, expect=410)
    assert answer["error"]["code"] == "code_expired"


async def test_a_customer_sends_his_own_file(stand: Stand) -> None:
    openid = await stand.customer()
    picture = samples.sample("image", "receipt").data
    for data, expected in ((picture, 200), (b"no picture", 415)):
        form = FormData(default_to_multipart=True)
        form.add_field("file", data, filename="小票.png", content_type="image/png")
        response = await stand.client.post(f"/play/customers/{openid}/image", data=form)
        assert response.status == expected
    (message,) = await stand.thread(openid)
    assert await (await stand.client.get(message["media_url"])).read() == picture
    assert (await stand.client.get("/play/media/nothing")).status == 404


async def test_a_poster_labels_the_code_of_its_scene(stand: Stand) -> None:
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "a:lan"}}}
    ticket = (await stand.wechat("qrcode/create", body, access_token=await stand.token()))["ticket"]
    poster = await stand.play("posters", {"scene": "a:lan", "label": "静安店门口", "account": "wx1"})
    assert poster == {"scene": "a:lan", "ticket": ticket, "label": "静安店门口", "account": "wx1"}
    assert (await stand.view("state"))["posters"] == [poster]


async def test_the_state_tells_everything_or_all_but_the_threads(stand: Stand) -> None:
    openid = await stand.customer(label="李女士")
    await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    await stand.notify("Lan")
    full, light = await stand.view("state"), await stand.view("state", light="1")
    (customer,) = full["customers"]
    assert [message["text"] for message in customer.pop("thread")] == ["在吗"]
    assert light["customers"] == [customer]
    lan = full["members"][0]
    assert [thread.pop("messages")[0]["text"] for thread in lan["threads"][:1]] == ["你好"]
    lan["threads"][1].pop("messages")
    assert light["members"][0] == lan
    assert not {"secret", "token", "encoding_aes_key"} & {key for one in full["accounts"] for key in one}
    assert "work-secret" not in json.dumps(full)


async def test_moving_the_clock_closes_windows_and_ends_tokens(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    before = (await stand.view("state"))["now"]
    assert (await stand.play("clock", {"advance_s": 48 * 3600}))["now"] == before + 48 * 3_600_000
    assert (await stand.wechat("getcallbackip", access_token=token))["errcode"] == 42001
    assert (await stand.send(openid))["errcode"] == 45015


async def changes(stand: Stand, count: int, act: Any) -> list[dict[str, Any]]:
    """The first changes the page is told while `act` runs."""
    async with stand.client.get("/play/events") as stream:
        assert stream.content_type == "text/event-stream"
        assert await stream.content.readline() == b": listening\n"
        await act()
        told: list[dict[str, Any]] = []
        while len(told) < count:
            line = await stream.content.readline()
            if line.startswith(b"data: "):
                told.append(json.loads(line[6:]))
        return told


async def test_the_page_is_told_of_messages_with_their_thread(stand: Stand) -> None:
    openid = await stand.customer()

    async def act() -> None:
        await stand.act(f"customers/{openid}/type", {"text": "在吗"})
        await stand.notify("Lan")

    typed, customer, notified = await changes(stand, 3, act)
    assert (typed["kind"], typed["thread"], typed["message"]["text"]) == ("message", openid, "在吗")
    assert (customer["kind"], customer["openid"], customer["following"]) == ("customer", openid, True)
    assert (notified["thread"], notified["message"]["from"]) == ("ww1/1000002/Lan", "them")
    assert notified["message"] == (await stand.member_thread())[0]


async def test_the_page_is_told_of_posters_faults_clock_and_reset(stand: Stand) -> None:
    async def act() -> None:
        await stand.play("posters", {"scene": "a", "label": "门口", "account": "wx1"})
        fault = (await stand.play("faults", {"kind": "cut"}))["id"]
        await stand.client.delete(f"/play/faults/{fault}")
        await stand.play("clock", {"advance_s": 1})
        await stand.play("reset")

    told = await changes(stand, 5, act)
    assert [change["kind"] for change in told] == ["poster", "fault", "fault", "clock", "reset"]
    assert [change["active"] for change in told[1:3]] == [True, False]


def test_a_listener_that_lags_too_far_is_cut_off() -> None:
    events = Events()
    with events.listen() as queue:
        for n in range(WAITING + 1):
            events.publish("clock", now=n)
        assert not events
        told = [queue.get_nowait() for _ in range(queue.qsize())]
    assert len(told) == WAITING + 1
    assert told[-1] is None


@pytest.mark.parametrize("path", ["/../core.py", "/%2e%2e/core.py", "//etc/hosts", "/nothing.js", "/play/x", "/icons"])
async def test_only_the_pages_own_files_are_served(stand: Stand, path: str) -> None:
    reader, writer = await asyncio.open_connection(stand.client.host, stand.client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.readline()).startswith((b"HTTP/1.1 404", b"HTTP/1.1 400"))
    writer.close()
    await writer.wait_closed()


async def test_the_page_is_served_at_the_root(stand: Stand) -> None:
    response = await stand.client.get("/")
    assert (response.status, response.content_type) == (200, "text/html")
