"""Faults on order: what each does to a call or a callback, and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from emulator.faults import Faults
from tests.emulator.stand import Answer, Stand, status, success

SEND = {"platform": "wechat", "api": "message/custom/send"}


async def order(stand: Stand, kind: str, **facts: Any) -> int:
    """The number of a new fault."""
    return int((await stand.play("faults", {"kind": kind, **facts}))["id"])


async def try_send(stand: Stand, openid: str, token: str) -> str:
    """`ok`, the errcode, the status, `html`, or `cut`: what a client sees of a send."""
    body = {"touser": openid, "msgtype": "text", "text": {"content": "hello"}}
    try:
        response = await stand.client.post(
            "/wechat/cgi-bin/message/custom/send", json=body, params={"access_token": token}
        )
    except aiohttp.ClientError:
        return "cut"
    if response.content_type == "text/html":
        return "html"
    if response.status != 200:
        return str(response.status)
    errcode = (await response.json())["errcode"]
    return "ok" if errcode == 0 else str(errcode)


@pytest.mark.parametrize(
    ("kind", "value", "seen", "accepted"),
    [
        ("status", 503, "503", False),
        ("errcode", 45011, "45011", False),
        ("errcode", -1, "-1", False),
        ("garbage", None, "html", False),
        ("cut", None, "cut", False),
        ("accept_then_cut", None, "cut", True),
        ("slow", 0, "ok", True),
    ],
)
async def test_what_a_client_sees_and_what_was_accepted(
    stand: Stand, kind: str, value: int | None, seen: str, accepted: bool
) -> None:
    openid, token = await stand.customer(), await stand.token()
    await order(stand, kind, match=SEND, times=1, **({} if value is None else {"value": value}))
    assert await try_send(stand, openid, token) == seen
    assert len(await stand.thread(openid)) == accepted
    lines = await stand.ledger("message/custom/send")
    assert [(line["shown"], line["fault"]) for line in lines] == ([(True, kind)] if accepted else [])
    assert await try_send(stand, openid, token) == "ok"


async def test_a_slow_answer_is_accepted_before_it_comes(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    await order(stand, "slow", match=SEND, value=3600)
    waiting = asyncio.create_task(try_send(stand, openid, token))
    while not await stand.thread(openid):
        assert not waiting.done()
    assert len(await stand.ledger("message/custom/send")) == 1
    waiting.cancel()


async def test_every_third_call_twice(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    await order(stand, "errcode", match={"to": openid}, value=-1, every=3, times=2)
    seen = [await try_send(stand, openid, token) for _ in range(9)]
    assert seen == ["ok", "ok", "-1", "ok", "ok", "-1", "ok", "45047", "45047"]


@pytest.mark.parametrize(
    "match",
    [{"platform": "wecom"}, {"api": "qrcode/create"}, {"to": "somebody"}, {**SEND, "to": "somebody"}],
)
async def test_what_does_not_match_is_left_alone(stand: Stand, match: dict[str, str]) -> None:
    openid, token = await stand.customer(), await stand.token()
    await order(stand, "cut", match=match)
    assert await try_send(stand, openid, token) == "ok"


async def test_a_fault_matches_any_of_several_members(stand: Stand) -> None:
    await order(stand, "errcode", match={"platform": "wecom", "to": "hui"}, value=45009)
    assert (await stand.notify("Lan|hui"))["errcode"] == 45009
    assert (await stand.notify("Lan"))["errcode"] == 0


async def test_the_oldest_fault_that_strikes_wins_and_can_be_taken_back(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    first = await order(stand, "status", value=500)
    await order(stand, "status", value=502)
    assert await try_send(stand, openid, token) == "500"
    assert (await (await stand.client.delete(f"/play/faults/{first}")).json())["removed"] == [first]
    assert await try_send(stand, openid, token) == "502"
    await stand.client.delete("/play/faults")
    assert await try_send(stand, openid, token) == "ok"
    assert (await stand.client.delete(f"/play/faults/{first}")).status == 404


async def test_duplicates_arrive_in_parallel_each_under_its_own_seal(stand: Stand) -> None:
    openid = await stand.customer()
    await order(stand, "duplicate", match={"platform": "wechat"}, value=3, times=1)
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert (len(outcome["attempts"]), outcome["delivered"]) == (3, True)
    received = await stand.receiver.until(3)
    envelope = stand.world.official_accounts[0].envelope
    assert len({one.opened(envelope)["MsgId"] for one in received}) == 1
    assert len({one.query["nonce"] for one in received}) == 3


@pytest.mark.parametrize("answers", [[status(500), success], [success, status(500)]])
async def test_one_good_copy_of_several_is_enough(stand: Stand, answers: list[Answer]) -> None:
    stand.receiver.answers = list(answers)
    openid = await stand.customer()
    await order(stand, "duplicate", value=2, times=1)
    outcome = await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert (len(outcome["attempts"]), outcome["delivered"]) == (2, True)


async def contents(stand: Stand, count: int) -> list[str]:
    """The texts that arrived."""
    envelope = stand.world.official_accounts[0].envelope
    return [one.opened(envelope)["Content"] for one in await stand.receiver.until(count)]


async def test_reordered_callbacks_arrive_backwards_in_groups(stand: Stand) -> None:
    openid = await stand.customer()
    await order(stand, "reorder", match={"platform": "wechat"}, value=3, times=5)
    for n in range(7):
        await stand.act(f"customers/{openid}/type", {"text": str(n)}, wait=False)
    assert await contents(stand, 7) == ["2", "1", "0", "4", "3", "5", "6"]


async def test_callbacks_held_back_leave_when_the_fault_is_taken_back(stand: Stand) -> None:
    openid = await stand.customer()
    fault = await order(stand, "reorder", value=9)
    for n in range(2):
        await stand.act(f"customers/{openid}/type", {"text": str(n)}, wait=False)
    assert stand.receiver.received == []
    await stand.client.delete(f"/play/faults/{fault}")
    assert await contents(stand, 2) == ["0", "1"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "kind: one of slow"),
        ({"kind": "earthquake"}, "found 'earthquake'"),
        ({"kind": "slow"}, "value: slow needs one"),
        ({"kind": "slow", "value": "6"}, "value: expected a number"),
        ({"kind": "cut", "times": 0}, "times: expected a whole number from 1"),
        ({"kind": "cut", "every": 1.5}, "every: expected a whole number from 1"),
        ({"kind": "cut", "match": "wechat"}, "match: expected an object"),
        ({"kind": "cut", "match": {"colour": "red"}}, "match: platform, api or to, found 'colour'"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(stand: Stand, wanted: dict[str, Any], words: str) -> None:
    answer = await stand.play("faults", wanted, expect=400)
    assert words in answer["error"]["message"]
    with pytest.raises(ValueError, match=r"\w+: "):
        Faults().add(wanted)


async def test_faults_are_listed(stand: Stand) -> None:
    await order(stand, "slow", value=2.5, match={"platform": "wecom"}, times=3)
    (listed,) = (await stand.view("state", light="1"))["faults"]
    assert listed == {
        "id": 1,
        "kind": "slow",
        "match": {"platform": "wecom"},
        "value": 2.5,
        "times": 3,
        "every": 1,
        "seen": 0,
        "struck": 0,
    }
