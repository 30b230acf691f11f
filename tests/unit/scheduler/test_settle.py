"""What becomes of due times: punctual, late, missed; drawn from the policy alone, without a database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.calls import DAY, HOUR, MINUTE
from domain.campaign import Audience, AudienceKind, CampaignState, Schedule
from domain.ids import CampaignId
from scheduler.firing import DUES_AT_ONCE, Due, settle
from services import calendar
from storage.campaigns import Campaign
from tests.builders import BRAND, OA

ZONE = "Asia/Shanghai"
TEN = calendar.read_at("2026-11-23 10:00", ZONE)

CAMPAIGN = Campaign(
    brand=BRAND,
    id=CampaignId("c"),
    name="每日",
    account=OA,
    template="hello",
    template_version=1,
    values={},
    audience=Audience(AudienceKind.ALL_BOUND),
    schedule=Schedule(ZONE, cron="0 10 * * *"),
    next_at=TEN,
    expiry_ms=DAY,
    grace_ms=HOUR,
    state=CampaignState.SCHEDULED,
    created_at=0,
    created_by="",
)
ONCE = replace(CAMPAIGN, schedule=Schedule(ZONE, at=TEN))


@pytest.mark.parametrize(
    ("campaign", "at", "dues", "next_at"),
    [
        pytest.param(CAMPAIGN, TEN - 1, [], TEN, id="not yet"),
        pytest.param(CAMPAIGN, TEN, [Due(TEN, True)], TEN + DAY, id="on the dot"),
        pytest.param(CAMPAIGN, TEN + HOUR, [Due(TEN, True)], TEN + DAY, id="late, within the grace"),
        pytest.param(CAMPAIGN, TEN + HOUR + 1, [Due(TEN, False)], TEN + DAY, id="too late"),
        pytest.param(
            CAMPAIGN,
            TEN + 2 * DAY + MINUTE,
            [Due(TEN, False), Due(TEN + DAY, False), Due(TEN + 2 * DAY, True)],
            TEN + 3 * DAY,
            id="several were missed, the latest still runs",
        ),
        pytest.param(
            CAMPAIGN,
            TEN + DAY + 2 * HOUR,
            [Due(TEN, False), Due(TEN + DAY, False)],
            TEN + 2 * DAY,
            id="all were missed",
        ),
        pytest.param(
            replace(CAMPAIGN, grace_ms=3 * DAY),
            TEN + DAY,
            [Due(TEN, False), Due(TEN + DAY, True)],
            TEN + 2 * DAY,
            id="one, not two",
        ),
        pytest.param(replace(CAMPAIGN, grace_ms=0), TEN + 1, [Due(TEN, False)], TEN + DAY, id="no grace at all"),
        pytest.param(ONCE, TEN, [Due(TEN, True)], None, id="once"),
        pytest.param(ONCE, TEN + DAY, [Due(TEN, False)], None, id="once, missed"),
        pytest.param(replace(ONCE, next_at=None), TEN + DAY, [], None, id="nothing ahead"),
    ],
)
def test_due_times(campaign: Campaign, at: int, dues: list[Due], next_at: int | None) -> None:
    assert settle(campaign, at) == (dues, next_at)


def test_after_a_thousand_missed_due_times_they_are_settled_in_pages() -> None:
    campaign, at = CAMPAIGN, TEN + 999 * DAY + MINUTE
    settled: list[Due] = []
    while campaign.next_at is not None and campaign.next_at <= at:
        dues, next_at = settle(campaign, at)
        assert len(dues) <= DUES_AT_ONCE
        settled += dues
        campaign = replace(campaign, next_at=next_at)
    assert [due.at for due in settled] == [TEN + day * DAY for day in range(1000)]
    assert [due.runs for due in settled] == [False] * 999 + [True]
