"""Campaigns as marketers handle them: scheduled, previewed, paused, resumed, cancelled. How one goes: services/campaign_status.py.

A due time that passes while the gateway is down or the campaign is paused: the latest one still runs, once, when it is no older than
the campaign's grace; every earlier one is marked missed, shown in its status and told by an alarm. Nothing is skipped silently.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.campaign import PAGE, CampaignState
from domain.errors import ConflictError, NotFoundError
from domain.ids import AccountId, BrandId, CampaignId
from domain.messages import Content
from services import calendar
from services.campaign_draft import CampaignDraft, Plan, is_same, plan
from services.pushes import Skip, write_push
from services.segments import count
from services.world import World
from storage import audiences, campaigns, pushes
from storage.audiences import Reach, Target
from storage.audit import record
from storage.campaigns import Campaign

NEXT_DUES = 5
SAMPLES = 3
LOOKED_AT = 2000
"""Customers a preview writes out to see who would be skipped."""

STOP_PAGE = 1000
"""Outbox rows stopped or released at once in the marketer's own transaction; scheduler/campaigns.py does what is left."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one customer would get."""

    customer: str
    advisor: str
    content: Content


@dataclass(frozen=True, slots=True)
class Preview:
    """What scheduling a draft would do. `skipped`: reasons among the first `looked_at` customers; `dues`: the next due times (ms)."""

    account: AccountId
    template: str
    template_version: int
    timezone: str
    reach: Reach
    looked_at: int
    samples: tuple[Sample, ...]
    skipped: Mapping[str, int]
    dues: tuple[int, ...]


def schedule(tx: Connection, world: World, brand: BrandId, draft: CampaignDraft, actor: str, now: int) -> CampaignId:
    """Keep a campaign and return its id; the same idempotency key and the same draft again is the same campaign.

    Raises InvalidDraft with every problem and ConflictError for a key that was used otherwise; then nothing is kept.
    """
    known = campaigns.with_key(tx, brand, draft.idempotency_key) if draft.idempotency_key else None
    if known is not None:
        return _same(known, draft)
    made = plan(tx, world, brand, draft, actor, now)
    campaigns.add(tx, made.campaign)
    record(
        tx, brand, actor, "campaign.schedule", made.campaign.id, {"name": draft.name, "template": draft.template}, now
    )
    return made.campaign.id


def _same(known: Campaign, draft: CampaignDraft) -> CampaignId:
    if not is_same(known, draft):
        raise ConflictError(
            f'this idempotency key belongs to another campaign, "{known.name}": use a new one', field="idempotency_key"
        )
    if known.state is CampaignState.CANCELLED:
        raise ConflictError(
            f'this was scheduled as "{known.name}" ({known.id}) and cancelled: change its name to schedule it anew',
            field="idempotency_key",
        )
    return known.id


def preview(tx: Connection, world: World, brand: BrandId, draft: CampaignDraft, now: int) -> Preview:
    """What `schedule` would do, written by the code that sends; nothing is kept. Raises InvalidDraft with every problem."""
    made = plan(tx, world, brand, draft, "", now)
    campaign = made.campaign
    target = Target(brand, campaign.account, campaign.audience)
    looked_at, shown, skipped = _look(tx, made, target, now)
    return Preview(
        account=campaign.account,
        template=campaign.template,
        template_version=campaign.template_version,
        timezone=campaign.schedule.timezone,
        reach=count(tx, target),
        looked_at=looked_at,
        samples=tuple(shown),
        skipped=skipped,
        dues=_dues(campaign, now),
    )


def _look(tx: Connection, made: Plan, target: Target, now: int) -> tuple[int, list[Sample], dict[str, int]]:
    members = audiences.page(tx, target, "", LOOKED_AT)
    shown: list[Sample] = []
    skipped: dict[str, int] = {}
    for start in range(0, len(members), PAGE):
        ids = [member.customer_id for member in members[start : start + PAGE]]
        for person in audiences.people(tx, target.brand, target.account, ids).values():
            push = write_push(made.letter, person, now)
            if isinstance(push, Skip):
                skipped[push.reason] = skipped.get(push.reason, 0) + 1
            elif len(shown) < SAMPLES:
                shown.append(Sample(person.name, push.persona.name, push.content))
    return len(members), shown, skipped


def _dues(campaign: Campaign, now: int) -> tuple[int, ...]:
    if campaign.next_at is None:
        return ()
    return (campaign.next_at, *calendar.next_dues(campaign.schedule, max(campaign.next_at, now), NEXT_DUES - 1))


def pause(tx: Connection, brand: BrandId, campaign_id: CampaignId, actor: str, now: int) -> None:
    """Stop a campaign until it is resumed: nothing more is queued, what is queued is held. Raises NotFoundError, ConflictError."""
    _turn(tx, brand, campaign_id, (CampaignState.SCHEDULED,), CampaignState.PAUSED)
    for run in campaigns.at_work(tx, brand, campaign_id):
        pushes.hold(tx, run, STOP_PAGE)
    record(tx, brand, actor, "campaign.pause", campaign_id, {}, now)


def resume(tx: Connection, brand: BrandId, campaign_id: CampaignId, actor: str, now: int) -> None:
    """Go on with a paused campaign. Raises NotFoundError, ConflictError.

    A due time that passed meanwhile still runs within the campaign's grace; an older one is marked missed.
    """
    _turn(tx, brand, campaign_id, (CampaignState.PAUSED,), CampaignState.SCHEDULED)
    for run in campaigns.at_work(tx, brand, campaign_id):
        pushes.release(tx, run, STOP_PAGE)
    record(tx, brand, actor, "campaign.resume", campaign_id, {}, now)


def cancel(tx: Connection, brand: BrandId, campaign_id: CampaignId, actor: str, now: int) -> None:
    """End a campaign for good: whatever the platform was not asked to send yet is never sent. Raises NotFoundError, ConflictError."""
    _turn(tx, brand, campaign_id, (CampaignState.SCHEDULED, CampaignState.PAUSED), CampaignState.CANCELLED)
    for run in campaigns.at_work(tx, brand, campaign_id):
        pushes.cancel(tx, run, now, STOP_PAGE)
    record(tx, brand, actor, "campaign.cancel", campaign_id, {}, now)


def _turn(
    tx: Connection, brand: BrandId, campaign_id: CampaignId, olds: Sequence[CampaignState], new: CampaignState
) -> None:
    if campaigns.change_state(tx, brand, campaign_id, olds, new):
        return
    campaign = campaigns.find(tx, brand, campaign_id)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}")
    wanted = " or ".join(old.value for old in olds)
    raise ConflictError(f'campaign "{campaign.name}" is {campaign.state}; only one that is {wanted} can become {new}')
