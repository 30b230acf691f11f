"""A restart over the same directory: what the platforms remember, and what they forget on request."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.emulator.conftest import Starter
from tests.emulator.stand import Stand, status
from tests.emulator.test_wecom_cards import DONE, card, change


async def again(begin: Starter, stand: Stand, **options: Any) -> Stand:
    """The emulator after a clean stop and a new start over the same directory."""
    await stand.client.close()
    return await begin(**options)


async def test_tokens_live_on(begin: Starter) -> None:
    stand = await begin()
    tokens = await stand.token(), await stand.work_token()
    stand.clock.seconds += 100
    stand = await again(begin, stand)
    assert (await stand.token(), await stand.work_token()) == tokens
    stand.clock.seconds += 7100
    assert (await stand.wechat("getcallbackip", access_token=tokens[0]))["errcode"] == 42001


async def test_windows_and_threads_live_on(begin: Starter) -> None:
    stand = await begin()
    openid = await stand.customer()
    for _ in range(3):
        await stand.send(openid)
    before = await stand.thread(openid)
    stand = await again(begin, stand)
    assert [(await stand.send(openid))["errcode"] for _ in range(3)] == [0, 0, 45047]
    assert (await stand.thread(openid))[:3] == before
    numbers = [message["id"] for message in await stand.thread(openid)]
    assert numbers == sorted(set(numbers))


async def test_codes_personas_menus_and_media_live_on(begin: Starter) -> None:
    stand = await begin()
    token = await stand.token()
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "a"}}}
    ticket = (await stand.wechat("qrcode/create", body, access_token=token))["ticket"]
    persona = {"kf_account": "lan@linjian", "nickname": "小兰"}
    await stand.wechat("/customservice/kfaccount/add", persona, access_token=token)
    buttons = {"button": [{"type": "click", "name": "a", "key": "a"}]}
    await stand.wechat("menu/create", buttons, access_token=token)
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/image")
    media_url = (await stand.thread(openid))[0]["media_url"]
    stand = await again(begin, stand)
    assert (await stand.wechat("qrcode/create", body, access_token=token))["ticket"] == ticket
    assert len((await stand.wechat("customservice/getkflist", access_token=token))["kf_list"]) == 1
    assert (await stand.view("state"))["accounts"][0]["menu"] == buttons["button"]
    assert (await stand.client.get(media_url)).status == 200


async def test_limits_task_ids_and_response_codes_live_on(begin: Starter) -> None:
    stand = await begin(wecom__member_minute=2)
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    await stand.notify("Lan")
    stand = await again(begin, stand, wecom__member_minute=2)
    assert (await stand.notify("Lan", "template_card", **card()))["errcode"] == 42014
    await stand.notify("Lan")
    assert (await stand.ledger("message/send"))[-1]["why_not_shown"] == "member 2/min"
    assert (await change(stand, code, **DONE))["errcode"] == 0


async def test_the_ledger_counts_on_and_the_moved_clock_stays_moved(begin: Starter) -> None:
    stand = await begin()
    await stand.token()
    await stand.play("clock", {"advance_s": 1000})
    now = (await stand.view("state"))["now"]
    stand = await again(begin, stand)
    assert (await stand.view("state"))["now"] == now
    await stand.token()
    assert [(line["n"], line["at"] - now) for line in await stand.ledger()] == [(1, -1_000_000), (2, 0)]


async def test_a_delivery_cut_short_by_the_stop_counts_as_failed(begin: Starter) -> None:
    stand = await begin(wechat__callback_pause=3_600_000)
    stand.receiver.answers = [status(500)]
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/type", {"text": "在吗"}, wait=False)
    await stand.receiver.until(1)
    stand = await again(begin, stand)
    await stand.token()
    (delivery,) = (await stand.view("deliveries"))["deliveries"]
    assert delivery["delivered"] is False
    await stand.act(f"customers/{openid}/type", {"text": "在吗"})
    assert [one["id"] for one in (await stand.view("deliveries"))["deliveries"]] == [1, 2]


async def test_the_callback_address_of_the_world_file_wins(begin: Starter) -> None:
    stand = await begin(url="http://127.0.0.1:1")
    openid = await stand.customer()
    stand = await again(begin, stand)
    assert (await stand.act(f"customers/{openid}/type", {"text": "在吗"}))["delivered"]


async def test_a_reset_forgets_all_but_the_world(stand: Stand) -> None:
    openid, token = await stand.customer(), await stand.token()
    await stand.act(f"customers/{openid}/image")
    await stand.notify("Lan")
    await stand.play("faults", {"kind": "cut", "match": {"api": "x"}})
    await stand.play("clock", {"advance_s": 1000})
    await stand.play("reset")
    state = await stand.view("state")
    assert state["now"] == int(stand.clock.seconds * 1000)
    assert (state["customers"], state["posters"], state["faults"]) == ([], [], [])
    assert state["members"][0]["threads"][0]["messages"] == []
    assert await stand.ledger() == []
    assert (await stand.view("deliveries"))["deliveries"] == []
    assert (await stand.wechat("getcallbackip", access_token=token))["errcode"] == 40014
    assert list((stand.directory / "media").iterdir()) == []
    assert (stand.directory / "ledger.1.jsonl").exists()
    assert (await stand.send(await stand.customer()))["errcode"] == 0


async def test_a_reset_ends_the_wait_for_a_delivery(stand: Stand) -> None:
    openid = await stand.customer()
    await stand.play("faults", {"kind": "reorder", "value": 9})
    waiting = asyncio.create_task(stand.act(f"customers/{openid}/type", {"text": "在吗"}))
    while not (await stand.view("deliveries"))["deliveries"]:
        assert not waiting.done()
    await stand.play("reset")
    assert (await waiting)["delivered"] is False


async def test_a_reset_ends_deliveries_under_way(begin: Starter) -> None:
    stand = await begin(wechat__callback_pause=3_600_000)
    stand.receiver.answers = [status(500)]
    openid = await stand.customer()
    await stand.act(f"customers/{openid}/type", {"text": "在吗"}, wait=False)
    await stand.receiver.until(1)
    await stand.play("reset")
    again_there = await stand.customer(openid=openid)
    assert (await stand.act(f"customers/{again_there}/type", {"text": "在吗"}))["delivered"]
