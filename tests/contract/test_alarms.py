"""Alarms on both engines: raised often, shown once, closed when healed."""

from __future__ import annotations

import pytest

from domain.ids import BrandId
from services.alarms import close_alarm, raise_alarm
from storage.alarms import Alarm, open_alarms
from storage.engine import Database
from tests.clock import FakeClock

TEA, COFFEE = BrandId("tea"), BrandId("coffee")


async def raised(db: Database, clock: FakeClock, text: str = "x", brand: BrandId = TEA) -> None:
    await db.write(lambda tx: raise_alarm(tx, brand, "platform_down", "oa", text, "warning", clock.now))


async def opened(db: Database, brand: BrandId | None = TEA) -> list[Alarm]:
    return list(await db.read(lambda tx: open_alarms(tx, brand)))


async def test_the_same_alarm_again_is_counted(db: Database, clock: FakeClock) -> None:
    started = clock.now
    await raised(db, clock, "first")
    clock.advance(seconds=5)
    await raised(db, clock, "second")
    assert await opened(db) == [Alarm(TEA, "platform_down", "oa", "warning", "second", 2, started, clock.now)]


async def test_a_healed_alarm_is_closed_and_starts_anew(db: Database, clock: FakeClock) -> None:
    await raised(db, clock)
    assert await db.write(lambda tx: close_alarm(tx, TEA, "platform_down", "oa", clock.now))
    assert await opened(db) == []
    assert not await db.write(lambda tx: close_alarm(tx, TEA, "platform_down", "oa", clock.now))
    clock.advance(seconds=5)
    await raised(db, clock)
    (alarm,) = await opened(db)
    assert (alarm.count, alarm.first_at) == (1, clock.now)


async def test_brands_are_apart(db: Database, clock: FakeClock) -> None:
    await raised(db, clock)
    await raised(db, clock, brand=COFFEE)
    assert [alarm.brand for alarm in await opened(db, COFFEE)] == [COFFEE]
    assert len(await opened(db, None)) == 2


async def test_a_long_text_is_cut(db: Database, clock: FakeClock) -> None:
    await raised(db, clock, "x" * 10_000)
    assert len((await opened(db))[0].text) == 500


async def test_an_unknown_severity_is_refused(db: Database, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="info, warning, critical"):
        await db.write(lambda tx: raise_alarm(tx, TEA, "k", "s", "t", "loud", clock.now))  # type: ignore[arg-type]
