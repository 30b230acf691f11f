"""How a campaign's state is told to people."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from console.api.campaign_models import AudienceModel, CampaignOut, OutcomeOut, RunOut, StatusOut
from gateway.cli.progress import Watch, is_over, lines_of, settled

NINE = 1_796_090_400_000


def status(state: str, *runs: RunOut, next_at: int | None = None) -> StatusOut:
    campaign = CampaignOut.model_validate(
        {
            "id": "c1",
            "name": "春茶",
            "account": "oa",
            "template": "new",
            "template_version": 1,
            "audience": AudienceModel(all_bound=True),
            "at": NINE,
            "cron": "",
            "timezone": "Asia/Shanghai",
            "next_at": next_at,
            "expiry_ms": 1,
            "state": state,
            "created_at": 0,
            "created_by": "",
        }
    )
    return StatusOut(campaign=campaign, runs=list(runs), runs_by_state={})


def run(state: str, **outcomes: int) -> RunOut:
    counted = [OutcomeOut(state=name, reason="", count=count) for name, count in outcomes.items()]
    total = sum(outcomes.values())
    return RunOut(due_at=NINE, state=state, audience=total, started_at=NINE, done_at=None, outcomes=counted)


@pytest.mark.parametrize(
    ("shown", "over"),
    [
        (status("scheduled", next_at=NINE), False),
        (status("scheduled", run("sending", queued=1)), False),
        (status("scheduled", run("done", accepted=1)), True),
        (status("scheduled", run("done", accepted=1), next_at=NINE), False),
        (status("cancelled", run("sending", calling=1)), False),
        (status("cancelled"), True),
        (status("finished", run("done", accepted=1)), True),
        (status("paused", next_at=NINE), False),
    ],
)
def test_a_campaign_is_over_when_nothing_more_happens_by_itself(shown: StatusOut, over: bool) -> None:
    assert is_over(shown) is over


def test_only_what_has_ended_counts_as_settled() -> None:
    one = run(
        "sending", waiting=1, queued=2, calling=3, retry_at=4, held=5, accepted=10, skipped=20, refused=40, unknown=80
    )
    assert settled(one) == 150


def test_the_lines_name_times_in_the_campaign_s_zone_and_the_largest_count_first() -> None:
    shown = status("scheduled", run("sending", accepted=2, skipped=1, waiting=1297))
    assert lines_of(shown) == [
        '"春茶" is scheduled (Asia/Shanghai)',
        "run of 2026-12-01 10:00:00: sending, 3 of 1300 settled",
        "    1,297 waiting",
        "        2 accepted",
        "        1 skipped",
    ]


def test_the_bar_shows_how_far_the_latest_run_is() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Watch(screen, quiet=False) as bar:
        bar.show(status("scheduled", run("sending", accepted=1, waiting=3)))
        drawn = screen.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "25%" in drawn
    assert "1/4" in drawn
    assert "3 waiting" in drawn
