"""One line of configuration moves the record to PostgreSQL: the main job and a push, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import House, text_of

pytestmark = pytest.mark.postgres


async def test_the_main_job_and_a_push_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    house = House(tmp_path, storage_url=postgres_url)
    try:
        await house.start()
        anna = await house.bound(0)
        await house.writes(anna, "有龙井吗")
        await house.told(0, lambda message: "有龙井吗" in str(message))
        await house.answers(0, "有的")
        await house.shown(anna, lambda message: text_of(message) == "有的")
        campaign = await house.schedule_push("{{ shop.name }}的新茶到了，{{ advisor.name }}等您。回TD退订")
        assert await house.outcomes(campaign) == {("accepted", ""): 1}
        assert [text for text in await house.texts_to(anna) if "新茶" in text] == [
            "静安店的新茶到了，小兰等您。回TD退订"
        ]
    finally:
        await house.stop()
