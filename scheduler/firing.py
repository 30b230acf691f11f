"""Firing: each due time of a campaign becomes exactly one run, on however many nodes, through crashes and repeats.

The claim is one statement: the campaign moves on from the due time that was read. Whoever's statement finds it there adds the run in
the same transaction; everybody else finds it gone. What happens to a due time that nobody fired in time: services/campaigns.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from domain.campaign import RunState
from domain.errors import InvalidError
from domain.ids import RunId, new_id
from domain.people import Brand
from scheduler.clock import Shift
from scheduler.guard import guarded
from services import calendar
from services.alarms import raise_alarm
from services.world import World
from storage import campaigns
from storage.campaigns import Campaign, Run
from storage.engine import now

MISSED = "campaign_missed"

CAMPAIGNS_AT_ONCE = 100
DUES_AT_ONCE = 100
"""Due times settled in one unit of work: after a long time down there may be thousands."""


async def run(shift: Shift) -> None:
    """Fire everything that is due."""
    for campaign in await shift.db.read(_due):
        await guarded(shift, campaign.brand, campaign.id, _fire_all(shift, campaign))


def _due(tx: Connection) -> Sequence[Campaign]:
    return campaigns.due(tx, now(tx), CAMPAIGNS_AT_ONCE)


async def _fire_all(shift: Shift, campaign: Campaign) -> None:
    brand = brand_of(shift.world, campaign)
    rest: Campaign | None = campaign
    while rest is not None and not shift.stopping():
        rest = await shift.db.write(partial(fire, brand=brand, campaign=rest))


def brand_of(world: World, campaign: Campaign) -> Brand:
    """The brand of a campaign. Raises InvalidError when the configuration has lost it."""
    if campaign.brand not in world.brands:
        raise InvalidError(
            f"brand {campaign.brand} is not in config.yaml any more: put it back, or cancel the campaign"
        )
    return world.brands[campaign.brand]


def fire(tx: Connection, brand: Brand, campaign: Campaign) -> Campaign | None:
    """Settle the due times of a campaign that was read as due, a page of them; the campaign again while there are more.

    None as well when another node was first, or the campaign was stopped meanwhile: then nothing is done.
    """
    at = now(tx)
    dues, next_at = settle(campaign, at)
    if not dues or not campaigns.advance(tx, campaign, next_at):
        return None
    campaigns.add_runs(tx, [_run(campaign, due, at) for due in dues])
    missed = [due.at for due in dues if not due.runs]
    if missed:
        raise_alarm(tx, brand.id, MISSED, campaign.id, _missed_text(brand, campaign, missed), "warning", at)
    if next_at is None:
        campaigns.finish_if_over(tx, brand.id, campaign.id)
    return replace(campaign, next_at=next_at) if next_at is not None and next_at <= at else None


@dataclass(frozen=True, slots=True)
class Due:
    """A due time (ms) that has come, and whether it starts a run or is missed."""

    at: int
    runs: bool


def settle(campaign: Campaign, at: int) -> tuple[list[Due], int | None]:
    """What becomes of the due times up to `at`, at most a page of them, and the due time that follows.

    The latest one runs when it is no older than the campaign's grace; those before it are missed.
    """
    dues: list[Due] = []
    due = campaign.next_at
    while due is not None and due <= at and len(dues) < DUES_AT_ONCE:
        following = calendar.next_due(campaign.schedule, due)
        is_latest = following is None or following > at
        dues.append(Due(due, runs=is_latest and at - due <= campaign.grace_ms))
        due = following
    return dues, due


def _run(campaign: Campaign, due: Due, at: int) -> Run:
    return Run(
        brand=campaign.brand,
        id=RunId(new_id(at)),
        campaign_id=campaign.id,
        due_at=due.at,
        state=RunState.FREEZING if due.runs else RunState.MISSED,
        cursor="",
        recipients=0,
        started_at=at,
        done_at=None if due.runs else at,
    )


def _missed_text(brand: Brand, campaign: Campaign, missed: Sequence[int]) -> str:
    zone = campaign.schedule.timezone
    first, last = calendar.local_time(missed[0], zone), calendar.local_time(missed[-1], zone)
    if brand.language == "en":
        when = f"at {first}" if len(missed) == 1 else f"{len(missed)} times from {first} to {last}"
        why = "the gateway was down or the campaign paused then"
        return f'Campaign "{campaign.name}" was not sent {when} ({zone}): {why}. Schedule it anew if it should still go out.'
    when = first if len(missed) == 1 else f"{first} 至 {last} 共 {len(missed)} 次"
    return (
        f"活动“{campaign.name}”错过了 {when}（{zone}）的发送：当时网关没有运行，或活动已暂停。如仍要发送，请重新安排。"
    )
