"""Campaigns and their runs: how they are kept, fired once for each due time, stopped and ended. Recipients: storage/recipients.py."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, func, select, update

from domain.campaign import Audience, AudienceKind, CampaignState, RunState, Schedule
from domain.ids import AccountId, BrandId, CampaignId, RunId
from storage.errors import Conflict
from storage.leases import one_of
from storage.tables.campaigns import campaigns, runs

AT_WORK = (RunState.FREEZING, RunState.QUEUEING, RunState.SENDING)
"""States of a run that is not over yet."""

Values = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it was scheduled, and where it stands. `next_at`: the next due time (ms), None when there is none any more."""

    brand: BrandId
    id: CampaignId
    name: str
    account: AccountId
    template: str
    template_version: int
    values: Values
    audience: Audience
    schedule: Schedule
    next_at: int | None
    expiry_ms: int
    grace_ms: int
    state: CampaignState
    created_at: int
    created_by: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One due time of a campaign being worked off. `cursor`: the last recipient of the page done last."""

    brand: BrandId
    id: RunId
    campaign_id: CampaignId
    due_at: int
    state: RunState
    cursor: str
    recipients: int
    started_at: int
    done_at: int | None = None


def add(tx: Connection, campaign: Campaign) -> None:
    """Keep a new campaign. The same idempotency key twice raises the engine's unique violation (a Conflict)."""
    tx.execute(
        campaigns.insert().values(
            brand=campaign.brand,
            id=campaign.id,
            name=campaign.name,
            account=campaign.account,
            template=campaign.template,
            template_version=campaign.template_version,
            values=json.dumps(dict(campaign.values), ensure_ascii=False),
            audience=json.dumps(
                {"kind": campaign.audience.kind.value, "value": campaign.audience.value}, ensure_ascii=False
            ),
            at=campaign.schedule.at,
            cron=campaign.schedule.cron,
            timezone=campaign.schedule.timezone,
            next_at=campaign.next_at,
            expiry_ms=campaign.expiry_ms,
            grace_ms=campaign.grace_ms,
            state=campaign.state.value,
            created_at=campaign.created_at,
            created_by=campaign.created_by,
            idempotency_key=campaign.idempotency_key,
        )
    )


def find(tx: Connection, brand: BrandId, campaign_id: CampaignId) -> Campaign | None:
    """The campaign of that id."""
    row = tx.execute(select(campaigns).where(_is(brand, campaign_id))).first()
    return _read(row) if row else None


def with_key(tx: Connection, brand: BrandId, idempotency_key: str) -> Campaign | None:
    """The campaign that was scheduled under this key."""
    mine = and_(campaigns.c.brand == brand, campaigns.c.idempotency_key == idempotency_key)
    row = tx.execute(select(campaigns).where(mine)).first()
    return _read(row) if row else None


def latest(tx: Connection, brand: BrandId, limit: int, before: str = "") -> Sequence[Campaign]:
    """The campaigns of a brand, newest first; only those made before the campaign `before` where one is given."""
    newest_first = select(campaigns).where(campaigns.c.brand == brand).order_by(campaigns.c.id.desc())
    if before:
        newest_first = newest_first.where(campaigns.c.id < before)
    return [_read(row) for row in tx.execute(newest_first.limit(limit))]


def due(tx: Connection, now: int, limit: int) -> Sequence[Campaign]:
    """Campaigns of all brands that have a due time to fire, the longest due first."""
    is_due = and_(campaigns.c.state == CampaignState.SCHEDULED.value, campaigns.c.next_at <= now)
    rows = tx.execute(select(campaigns).where(is_due).order_by(campaigns.c.next_at, campaigns.c.id).limit(limit))
    return [_read(row) for row in rows]


def advance(tx: Connection, campaign: Campaign, next_at: int | None) -> bool:
    """Claim the due time that was read: move on to the next one. False when another node has fired it, or somebody stopped it."""
    seen = and_(
        _is(campaign.brand, campaign.id),
        campaigns.c.next_at == campaign.next_at,
        campaigns.c.state == CampaignState.SCHEDULED.value,
    )
    return tx.execute(update(campaigns).where(seen).values(next_at=next_at)).rowcount == 1


def change_state(
    tx: Connection, brand: BrandId, campaign_id: CampaignId, olds: Sequence[CampaignState], new: CampaignState
) -> bool:
    """Turn a campaign from one of the `olds` states to `new`; False when it is in none of them."""
    mine = and_(_is(brand, campaign_id), one_of(campaigns.c.state, olds))
    return tx.execute(update(campaigns).where(mine).values(state=new.value)).rowcount == 1


def finish_if_over(tx: Connection, brand: BrandId, campaign_id: CampaignId) -> bool:
    """Finish a campaign that has no due time ahead and no run at work; False when it goes on."""
    works = exists().where(
        runs.c.brand == campaigns.c.brand, runs.c.campaign_id == campaigns.c.id, one_of(runs.c.state, AT_WORK)
    )
    over = and_(campaigns.c.state == CampaignState.SCHEDULED.value, campaigns.c.next_at.is_(None), ~works)
    ended = update(campaigns).where(_is(brand, campaign_id), over).values(state=CampaignState.FINISHED.value)
    return tx.execute(ended).rowcount == 1


def add_runs(tx: Connection, new: Sequence[Run]) -> None:
    """Keep runs. A due time that has one already raises the engine's unique violation (a Conflict)."""
    rows = [
        {
            "brand": run.brand,
            "id": run.id,
            "campaign_id": run.campaign_id,
            "due_at": run.due_at,
            "state": run.state.value,
            "cursor": run.cursor,
            "recipients": run.recipients,
            "started_at": run.started_at,
            "done_at": run.done_at,
        }
        for run in new
    ]
    if rows:
        tx.execute(runs.insert(), rows)


def all_at_work(tx: Connection) -> Sequence[Run]:
    """The runs of all brands that are not over yet, the longest due first."""
    return _at_work(tx)


def at_work(tx: Connection, brand: BrandId, campaign_id: CampaignId) -> Sequence[Run]:
    """The runs of a campaign that are not over yet, the longest due first."""
    return _at_work(tx, runs.c.brand == brand, runs.c.campaign_id == campaign_id)


def _at_work(tx: Connection, *which: Any) -> Sequence[Run]:
    statement = select(runs).where(one_of(runs.c.state, AT_WORK), *which).order_by(runs.c.due_at, runs.c.id)
    return [_read_run(row) for row in tx.execute(statement)]


def runs_of(tx: Connection, brand: BrandId, campaign_id: CampaignId, limit: int) -> Sequence[Run]:
    """The latest runs of a campaign, newest first."""
    mine = and_(runs.c.brand == brand, runs.c.campaign_id == campaign_id)
    rows = tx.execute(select(runs).where(mine).order_by(runs.c.due_at.desc()).limit(limit))
    return [_read_run(row) for row in rows]


def count_runs(tx: Connection, brand: BrandId, campaign_id: CampaignId) -> dict[RunState, int]:
    """How many runs a campaign has had, by their state."""
    mine = and_(runs.c.brand == brand, runs.c.campaign_id == campaign_id)
    rows = tx.execute(select(runs.c.state, func.count()).where(mine).group_by(runs.c.state))
    return {RunState(state): count for state, count in rows}


def seize(tx: Connection, run: Run) -> tuple[Campaign, Run] | None:
    """The run and its campaign as they are now, for this transaction alone: nobody stops or works on them before it ends.

    None while somebody else has them.
    """
    alone = select(campaigns).where(_is(run.brand, run.campaign_id)).with_for_update(skip_locked=True)
    campaign = tx.execute(alone).first()
    if campaign is None:
        return None
    return _read(campaign), reread(tx, run)


def reread(tx: Connection, run: Run) -> Run:
    """The run as it is now."""
    mine = and_(runs.c.brand == run.brand, runs.c.id == run.id)
    return _read_run(tx.execute(select(runs).where(mine)).one())


def turn_page(tx: Connection, run: Run, cursor: str, more_recipients: int = 0) -> None:
    """Record that a page of the run is done up to `cursor`. Raises Conflict when the run is not where it was read any more."""
    _change(tx, run, cursor=cursor, recipients=runs.c.recipients + more_recipients)


def enter(tx: Connection, run: Run, state: RunState, now: int) -> None:
    """Turn a run to its next state, at its beginning. Raises Conflict when it is not where it was read any more."""
    _change(tx, run, state=state.value, cursor="", done_at=None if state in AT_WORK else now)


def _change(tx: Connection, run: Run, **values: Any) -> None:
    unchanged = and_(
        runs.c.brand == run.brand, runs.c.id == run.id, runs.c.state == run.state.value, runs.c.cursor == run.cursor
    )
    if tx.execute(update(runs).where(unchanged).values(values)).rowcount != 1:
        raise Conflict(f"run {run.id} was moved on by somebody else")


def _is(brand: BrandId, campaign_id: CampaignId) -> Any:
    return and_(campaigns.c.brand == brand, campaigns.c.id == campaign_id)


def _read(row: Row[Any]) -> Campaign:
    audience = json.loads(row.audience)
    # `values` and `count` are methods of a Row: columns of such names are reached through its mapping.
    return Campaign(
        brand=BrandId(row.brand),
        id=CampaignId(row.id),
        name=row.name,
        account=AccountId(row.account),
        template=row.template,
        template_version=row.template_version,
        values=json.loads(row._mapping["values"]),
        audience=Audience(AudienceKind(audience["kind"]), audience["value"]),
        schedule=Schedule(row.timezone, row.at, row.cron),
        next_at=row.next_at,
        expiry_ms=row.expiry_ms,
        grace_ms=row.grace_ms,
        state=CampaignState(row.state),
        created_at=row.created_at,
        created_by=row.created_by,
        idempotency_key=row.idempotency_key,
    )


def _read_run(row: Row[Any]) -> Run:
    return Run(
        brand=BrandId(row.brand),
        id=RunId(row.id),
        campaign_id=CampaignId(row.campaign_id),
        due_at=row.due_at,
        state=RunState(row.state),
        cursor=row.cursor,
        recipients=row.recipients,
        started_at=row.started_at,
        done_at=row.done_at,
    )
