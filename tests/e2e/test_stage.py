"""The main job, played on the stage in a browser: scan, agree, write, answer, push. The ledger is the judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.house import House

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_the_main_job_in_the_browser(house: House, page: Page, pictures: Path) -> None:
    await house.label_posters()
    await page.goto(house.stage_url)
    await page.get_by_test_id("customer-add").first.click()
    await page.get_by_test_id("customer-scan").first.click()
    await page.locator(f"[data-testid=poster][data-scene='{house.scenes[0]}']").click()

    customer, advisor = page.get_by_test_id("customer-thread"), page.get_by_test_id("member-thread")
    await expect(customer.get_by_test_id("menu-option").first).to_be_visible()
    await customer.get_by_test_id("menu-option").first.click()
    await expect(persona(customer)).to_have_text("小兰")

    await page.locator("[data-testid=member-pick][data-user='guide0']").click()
    await expect(advisor.get_by_text("新顾客")).to_be_visible()
    await say(page, "customer", "你好，有明前龙井吗？")
    await expect(advisor.get_by_text("有明前龙井吗").first).to_be_visible()
    await say(page, "member", "有的，给您留了两罐～")
    await expect(customer.get_by_text("给您留了两罐")).to_be_visible()

    await house.schedule_push(
        "{{ customer.name | default('您') }}好，{{ shop.name }}的新茶到了，{{ advisor.name }}给您留了位置。"
    )
    await expect(customer.get_by_text("新茶到了")).to_be_visible(timeout=20_000)
    await page.screenshot(path=pictures / "stage.png")
    await say(page, "customer", "太好了，周六来")
    await expect(advisor.get_by_text("周六来").first).to_be_visible()

    answers = [line for line in await house.ledger() if line["api"] == "message/custom/send"]
    assert [line["body"]["text"]["content"] for line in answers if line["msgtype"] == "text"][
        1
    ] == "有的，给您留了两罐～"
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.screenshot(path=pictures / "stage-phone.png")


def persona(thread: Locator) -> Locator:
    """The name over the last bubble."""
    return thread.get_by_test_id("persona").last


async def say(page: Page, side: str, text: str) -> None:
    """Type and send on one side."""
    await page.get_by_test_id(f"{side}-input").fill(text)
    await page.get_by_test_id(f"{side}-send").click()
