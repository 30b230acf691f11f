"""How a campaign goes, for people: lines, and a live bar."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from console.api.campaign_models import OutcomeOut, RunOut, StatusOut
from domain.calls import BLOCKING, OPEN
from domain.campaign import CampaignState, RunState
from gateway.cli.shell import at
from services.campaign_status import WAITING

_UNSETTLED = frozenset({WAITING, *(state.value for state in OPEN)})
_AT_WORK = frozenset({RunState.FREEZING, RunState.QUEUEING, RunState.SENDING})
_LATER = frozenset(state.value for state in OPEN if state not in BLOCKING)


def is_over(status: StatusOut) -> bool:
    """Whether nothing more will happen by itself: no run is at work, and none is due any more."""
    if status.campaign.state in (CampaignState.CANCELLED, CampaignState.FINISHED):
        return not any(run.state in _AT_WORK for run in status.runs)
    return status.campaign.next_at is None and not any(run.state in _AT_WORK for run in status.runs)


def settled(run: RunOut) -> int:
    """How many recipients of a run have come to an end."""
    return sum(one.count for one in run.outcomes if one.state not in _UNSETTLED)


def lines_of(status: StatusOut) -> list[str]:
    """A campaign and its runs."""
    one = status.campaign
    due = f", next due {at(one.next_at, one.timezone)}" if one.next_at is not None else ""
    lines = [f'"{one.name}" is {one.state}{due} ({one.timezone})']
    for run in status.runs:
        lines.append(f"run of {at(run.due_at, one.timezone)}: {run.state}, {settled(run)} of {run.audience} settled")
        lines += [f"  {line}" for line in outcome_lines(run.outcomes)]
    return lines


def outcome_lines(outcomes: Sequence[OutcomeOut]) -> list[str]:
    """Counts by state and reason, the largest first."""
    ordered = sorted(outcomes, key=lambda one: (-one.count, one.state, one.reason))
    return [f"{one.count:>7,} {one.state}" + (f" ({one.reason})" if one.reason else "") for one in ordered]


class Watch:
    """A live bar of the latest run with its counts; silent where nobody looks."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("waiting for its due time", total=None)
        self._live = None if quiet else Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: StatusOut) -> None:
        """Draw how it goes now."""
        if self._live is None:
            return
        latest = status.runs[0] if status.runs else None
        if latest is not None:
            what = f"{status.campaign.name}: {latest.state}"
            self._bar.update(self._task, description=what, total=latest.audience, completed=settled(latest))
        counts = "\n".join(outcome_lines(latest.outcomes)) if latest else ""
        self._live.update(Group(self._bar, Text(counts)), refresh=True)
