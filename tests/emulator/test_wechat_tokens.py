"""Tokens of official accounts: two endpoints, expiry, replacement, refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.emulator.conftest import Starter
from tests.emulator.stand import SECRET, Stand

ASK = {"grant_type": "client_credential", "appid": "wx1", "secret": SECRET}


async def works(stand: Stand, token: str) -> int:
    """0, or the errcode a call with this token gets."""
    answer = await stand.wechat("getcallbackip", access_token=token)
    return int(answer.get("errcode", 0))


async def test_stable_token_gives_the_same_token_and_its_remaining_life(stand: Stand) -> None:
    first = await stand.wechat("stable_token", ASK)
    stand.clock.seconds += 1000
    second = await stand.wechat("stable_token", ASK)
    assert first["access_token"] == second["access_token"]
    assert (first["expires_in"], second["expires_in"]) == (7200, 6200)


async def test_stable_token_rolls_five_minutes_early_and_both_work_meanwhile(stand: Stand) -> None:
    old = (await stand.wechat("stable_token", ASK))["access_token"]
    stand.clock.seconds += 6901
    fresh = await stand.wechat("stable_token", ASK)
    assert fresh["access_token"] != old
    assert fresh["expires_in"] == 7200
    assert [await works(stand, old), await works(stand, fresh["access_token"])] == [0, 0]
    stand.clock.seconds += 299
    assert [await works(stand, old), await works(stand, fresh["access_token"])] == [42001, 0]


async def test_force_refresh_kills_the_old_token_at_once(stand: Stand) -> None:
    old = (await stand.wechat("stable_token", ASK))["access_token"]
    fresh = (await stand.wechat("stable_token", {**ASK, "force_refresh": True}))["access_token"]
    assert [await works(stand, old), await works(stand, fresh)] == [40001, 0]


async def test_force_refresh_has_a_pause_and_a_daily_limit(stand: Stand) -> None:
    force = {**ASK, "force_refresh": True}
    codes = []
    for _ in range(21):
        codes.append((await stand.wechat("stable_token", force)).get("errcode", 0))
        stand.clock.seconds += 30
    assert codes == [0] * 20 + [45009]
    stand.clock.seconds += 86400
    assert "access_token" in await stand.wechat("stable_token", force)
    stand.clock.seconds += 29
    assert (await stand.wechat("stable_token", force))["errcode"] == 45011


async def test_token_kills_the_one_before_after_five_minutes(stand: Stand) -> None:
    old = (await stand.wechat("token", **ASK))["access_token"]
    fresh = (await stand.wechat("token", **ASK))["access_token"]
    assert old != fresh
    stand.clock.seconds += 299
    assert [await works(stand, old), await works(stand, fresh)] == [0, 0]
    stand.clock.seconds += 1
    assert [await works(stand, old), await works(stand, fresh)] == [40001, 0]


async def test_the_two_endpoints_do_not_touch_each_other(stand: Stand) -> None:
    stable = await stand.token()
    plain = (await stand.wechat("token", **ASK))["access_token"]
    await stand.wechat("token", **ASK)
    await stand.wechat("stable_token", {**ASK, "force_refresh": True})
    stand.clock.seconds += 300
    assert [await works(stand, stable), await works(stand, plain)] == [40001, 40001]
    again = await stand.token()
    assert await works(stand, again) == 0


async def test_a_token_dies_after_two_hours(stand: Stand) -> None:
    token = (await stand.wechat("token", **ASK))["access_token"]
    stand.clock.seconds += 7199
    assert await works(stand, token) == 0
    stand.clock.seconds += 1
    assert await works(stand, token) == 42001


async def test_a_token_that_had_run_out_stays_expired_when_it_is_replaced(stand: Stand) -> None:
    token = (await stand.wechat("token", **ASK))["access_token"]
    stand.clock.seconds += 7200
    await stand.wechat("token", **ASK)
    assert await works(stand, token) == 42001


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"secret": "wrong"}, 40125),
        ({"appid": "wx9"}, 40013),
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"grant_type": "password"}, 40002),
    ],
)
async def test_who_asks_wrongly_gets_no_token(stand: Stand, changes: dict[str, str], errcode: int) -> None:
    asked: dict[str, Any] = {**ASK, **changes}
    assert (await stand.wechat("stable_token", asked))["errcode"] == errcode
    assert (await stand.wechat("token", **asked))["errcode"] == errcode
    assert await stand.ledger() == []


@pytest.mark.parametrize(("token", "errcode"), [("", 41001), ("never-given", 40014)])
async def test_a_call_without_a_good_token_is_refused(stand: Stand, token: str, errcode: int) -> None:
    assert await works(stand, token) == errcode


async def test_a_work_token_does_not_open_the_other_platform(stand: Stand) -> None:
    assert await works(stand, await stand.work_token()) == 40014
    answer = await stand.wecom("getcallbackip", access_token=await stand.token())
    assert answer["errcode"] == 40014


async def test_the_daily_number_of_tokens_is_limited(begin: Starter) -> None:
    stand = await begin(wechat__token_day=2)
    codes = [(await stand.wechat("token", **ASK)).get("errcode", 0) for _ in range(3)]
    assert codes == [0, 0, 45009]


async def test_many_at_once_get_one_stable_token(stand: Stand) -> None:
    tokens = await asyncio.gather(*(stand.token() for _ in range(20)))
    assert len(set(tokens)) == 1


async def test_the_secret_never_reaches_the_ledger(stand: Stand) -> None:
    await stand.token()
    await stand.wechat("token", **ASK)
    assert SECRET not in str(await stand.ledger())
    assert [line["api"] for line in await stand.ledger()] == ["stable_token", "token"]


@pytest.mark.parametrize(
    ("path", "body", "errcode"),
    [("stable_token", None, 43002), ("token", {}, 43001), ("stable_token", b"", 44002), ("stable_token", b"{", 47001)],
)
async def test_a_malformed_call_is_refused(stand: Stand, path: str, body: Any, errcode: int) -> None:
    assert (await stand.wechat(path, body))["errcode"] == errcode


async def test_refusals_carry_the_platforms_words_and_a_request_id(stand: Stand) -> None:
    answer = await stand.wechat("getcallbackip")
    assert answer["errmsg"].startswith("access_token missing rid: ")
