"""Campaigns: previewed, scheduled, stopped, and how they go."""

from collections.abc import Callable
from typing import Any

from console.api.campaign_models import (
    CampaignIn,
    CampaignPage,
    PreviewOut,
    StatusOut,
    campaign_out,
    preview_out,
    status_out,
)
from console.api.models import PageQuery, cut
from console.api.operation import Asked, Desk, Nothing, operation
from domain.access import Right
from domain.ids import CampaignId
from services import campaign_status, campaigns
from services.campaign_status import Status
from storage import campaigns as stored


@operation("POST", "/campaigns", Right.PUSH, status=201, keyed=True)
async def create_campaign(desk: Desk, asked: Asked[Nothing, CampaignIn]) -> StatusOut:
    """Schedule a campaign."""
    caller, now = asked.caller, desk.clock()
    draft = asked.body.draft(asked.idempotency_key)

    def schedule(tx: Any) -> Status:
        made = campaigns.schedule(tx, desk.world, caller.brand, draft, caller.name, now)
        return campaign_status.status(tx, caller.brand, made)

    made = await desk.db.write(schedule)
    desk.wake()
    return status_out(made)


@operation("POST", "/campaigns/preview", Right.PUSH)
async def preview_campaign(desk: Desk, asked: Asked[Nothing, CampaignIn]) -> PreviewOut:
    """What scheduling this campaign would do; nothing is kept."""
    draft, now = asked.body.draft(None), desk.clock()
    preview = await desk.db.read(lambda tx: campaigns.preview(tx, desk.world, asked.caller.brand, draft, now))
    return preview_out(preview)


@operation("GET", "/campaigns", Right.READ)
async def list_campaigns(desk: Desk, asked: Asked[PageQuery, Nothing]) -> CampaignPage:
    """The campaigns of the brand, the newest first."""
    query = asked.query
    found = await desk.db.read(lambda tx: stored.latest(tx, asked.caller.brand, query.limit + 1, query.cursor))
    items, following = cut(found, query.limit, campaign_out, lambda campaign: campaign.id)
    return CampaignPage(items=items, next=following)


@operation("GET", "/campaigns/{id}", Right.READ)
async def show_campaign(desk: Desk, asked: Asked[Nothing, Nothing]) -> StatusOut:
    """How a campaign goes: its runs, and how many of their recipients ended how, and why."""
    wanted = CampaignId(asked.path["id"])
    return status_out(await desk.db.read(lambda tx: campaign_status.status(tx, asked.caller.brand, wanted)))


Turn = Callable[[Any, Any, CampaignId, str, int], None]


async def _turn(desk: Desk, asked: Asked[Nothing, Nothing], turn: Turn) -> StatusOut:
    brand, wanted, now = asked.caller.brand, CampaignId(asked.path["id"]), desk.clock()

    def change(tx: Any) -> Status:
        turn(tx, brand, wanted, asked.caller.name, now)
        return campaign_status.status(tx, brand, wanted)

    changed = await desk.db.write(change)
    desk.wake()
    return status_out(changed)


@operation("POST", "/campaigns/{id}/pause", Right.PUSH)
async def pause_campaign(desk: Desk, asked: Asked[Nothing, Nothing]) -> StatusOut:
    """Stop a campaign until it is resumed."""
    return await _turn(desk, asked, campaigns.pause)


@operation("POST", "/campaigns/{id}/resume", Right.PUSH)
async def resume_campaign(desk: Desk, asked: Asked[Nothing, Nothing]) -> StatusOut:
    """Go on with a paused campaign."""
    return await _turn(desk, asked, campaigns.resume)


@operation("POST", "/campaigns/{id}/cancel", Right.PUSH)
async def cancel_campaign(desk: Desk, asked: Asked[Nothing, Nothing]) -> StatusOut:
    """End a campaign for good: whatever was not sent yet is never sent."""
    return await _turn(desk, asked, campaigns.cancel)
