"""Pushes over real sockets: once, to the frozen audience, within windows, replies to the advisor. The ledger is the judge."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from domain.calls import Lane
from storage.tables.queue import outbox, windows
from tests.house import House, text_of

TEXT = "{{ shop.name }}的新茶到了，{{ advisor.name }}给您留了两罐。回TD退订"


async def test_a_push_goes_once_to_each_and_its_reply_lands_with_the_advisor(house: House) -> None:
    anna, bea = await house.bound(0), await house.bound(1)
    for openid in (anna, bea):
        await house.writes(openid, "你好")
    campaign = await house.schedule_push(TEXT)
    assert await house.outcomes(campaign) == {("accepted", ""): 2}
    assert [text for text in await house.texts_to(anna) if "新茶" in text] == [
        "静安店的新茶到了，小兰给您留了两罐。回TD退订"
    ]
    assert len([text for text in await house.texts_to(bea) if "小梅给您留了两罐" in text]) == 1
    await house.writes(anna, "周六来拿")
    await house.told(0, lambda message: "周六来拿" in str(message))


async def test_who_opted_out_left_or_is_out_of_window_gets_nothing_and_is_counted(house: House) -> None:
    anna, bea, cleo, dora = [await house.bound(0) for _ in range(4)]
    for openid in (anna, bea, cleo):
        await house.writes(openid, "你好")
    await house.writes(bea, "退订")
    await house.play(f"customers/{cleo}/unfollow?wait=1")
    await house.quiet()
    # What opened Dora's window was her scan and her tap: a minute each, and they are over.
    await house.db.write(lambda tx: _close_windows(tx, dora))
    campaign = await house.schedule_push(TEXT)
    outcomes = await house.outcomes(campaign)
    assert outcomes[("accepted", "")] == 1
    assert outcomes[("refused", "window_closed")] == 1
    assert [
        len([text for text in await house.texts_to(openid) if "新茶" in text]) for openid in (anna, bea, cleo, dora)
    ] == [1, 0, 0, 0]


async def test_a_push_that_waits_never_holds_a_reply(house: House) -> None:
    anna = await house.bound(0)
    await house.writes(anna, "你好")
    await house.told(0, lambda message: "你好" in str(message))
    await house.quiet()
    slow = {"platform": "wechat", "api": "message/custom/send", "to": anna}
    await house.play("faults", match=slow, kind="slow", value=6, times=1)
    campaign = await house.schedule_push(TEXT)
    pushed = select(outbox.c.state).where(outbox.c.lane == Lane.PUSH.value)
    await house.becomes(pushed, "calling")
    await house.answers(0, "先回您这句")
    await house.shown(anna, lambda message: text_of(message) == "先回您这句")
    pushed_first = "新茶" in str((await house.texts_to(anna))[-1])
    assert not pushed_first, "the answer came while the push still waited"
    await house.outcomes(campaign)


def _close_windows(tx: Connection, openid: str) -> None:
    tx.execute(update(windows).where(windows.c.external_id == openid).values(closes_at=0))
