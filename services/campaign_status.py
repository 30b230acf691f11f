"""How a campaign goes: its runs, whom they were for, and how each of those people ended. The outcomes of a run sum to its audience."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.campaign import RecipientState, RunState
from domain.errors import NotFoundError
from domain.ids import BrandId, CampaignId
from storage import campaigns, recipients
from storage.campaigns import Campaign, Run
from storage.recipients import Outcome

RUNS_SHOWN = 20

WAITING = "waiting"
"""A recipient whose page has not come yet."""

NOT_SENT = "cancelled"


@dataclass(frozen=True, slots=True)
class Count:
    """So many recipients stand alike. `state`: waiting, skipped, or the latest state of what was promised to them; `reason`: why."""

    state: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One due time (ms). `audience`: its recipients; it grows while the run is freezing."""

    due_at: int
    state: RunState
    audience: int
    started_at: int
    done_at: int | None
    outcomes: tuple[Count, ...]

    def total(self, state: str) -> int:
        """How many recipients are in a state, for whatever reason."""
        return sum(one.count for one in self.outcomes if one.state == state)


@dataclass(frozen=True, slots=True)
class Status:
    """A campaign, its latest runs (newest first), and how many runs it has had by state."""

    campaign: Campaign
    runs: tuple[RunStatus, ...]
    runs_by_state: Mapping[RunState, int]


def status(tx: Connection, brand: BrandId, campaign_id: CampaignId) -> Status:
    """How a campaign goes now. Raises NotFoundError."""
    campaign = campaigns.find(tx, brand, campaign_id)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}")
    shown = campaigns.runs_of(tx, brand, campaign_id, RUNS_SHOWN)
    outcomes = recipients.outcomes(tx, brand, [run.id for run in shown])
    return Status(
        campaign=campaign,
        runs=tuple(_run_status(run, [one for one in outcomes if one.run_id == run.id]) for run in shown),
        runs_by_state=campaigns.count_runs(tx, brand, campaign_id),
    )


def _run_status(run: Run, outcomes: Sequence[Outcome]) -> RunStatus:
    counts = tuple(Count(_state(run, one.state), one.reason, one.count) for one in outcomes)
    return RunStatus(run.due_at, run.state, run.recipients, run.started_at, run.done_at, counts)


def _state(run: Run, state: str) -> str:
    if state != RecipientState.FROZEN:
        return state
    return NOT_SENT if run.state is RunState.CANCELLED else WAITING
