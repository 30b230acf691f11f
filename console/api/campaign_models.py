"""Campaigns as the API takes and gives them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from console.api.models import Millis, Name, Page
from console.api.operation import Model, example
from domain.calls import DAY, MINUTE
from domain.campaign import DEFAULT_EXPIRY_MS, Audience, AudienceKind
from domain.messages import encode
from services.campaign_draft import CampaignDraft
from services.campaign_status import RunStatus, Status
from services.campaigns import Preview
from storage.campaigns import Campaign

_ID = "019a0f3e7c1d7000a1b2c3d4e5f60730"
_DRAFT = {
    "name": "春茶到店",
    "template": "new-arrival",
    "audience": {"shop": "jingan"},
    "at": "2026-12-01 10:00",
    "expiry_ms": DAY,
}
_CAMPAIGN = {
    "id": _ID,
    "name": "春茶到店",
    "account": "oa",
    "template": "new-arrival",
    "template_version": 1,
    "audience": {"shop": "jingan"},
    "at": 1796090400000,
    "cron": "",
    "timezone": "Asia/Shanghai",
    "next_at": 1796090400000,
    "expiry_ms": DAY,
    "state": "scheduled",
    "created_at": 1795000000000,
    "created_by": "token:crm",
}
_RUN = {
    "due_at": 1796090400000,
    "state": "sending",
    "audience": 3,
    "started_at": 1796090400100,
    "done_at": None,
    "outcomes": [
        {"state": "accepted", "reason": "", "count": 2},
        {"state": "skipped", "reason": "opted_out", "count": 1},
    ],
}


class AudienceModel(Model):
    """Whom it is for: exactly one of all bound customers, a shop's, those with a tag, or an advisor's."""

    model_config = example({"shop": "jingan"}, {"tag": "春茶"}, {"all_bound": True})

    all_bound: Literal[True] | None = None
    shop: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    tag: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    advisor: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "AudienceModel":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("exactly one of all_bound, shop, tag, advisor")
        return self

    def audience(self) -> Audience:
        """The rule it means."""
        ((kind, value),) = self.model_dump(exclude_none=True).items()
        return Audience(AudienceKind(kind), "" if value is True else value)

    @classmethod
    def of(cls, audience: Audience) -> "AudienceModel":
        """The model of a rule."""
        return cls.model_validate({audience.kind.value: audience.value or True})


class CampaignIn(Model):
    """A campaign to be: either `at` (`2026-12-01 10:00`, or `now`) or `cron`. Without `timezone` or `account` it is the brand's own."""

    model_config = example(_DRAFT)

    name: Name
    template: Annotated[str, Field(min_length=1, max_length=64)]
    audience: AudienceModel
    account: str = ""
    at: str = ""
    cron: str = ""
    timezone: str = ""
    values: dict[str, str | int] = Field(default_factory=dict)
    expiry_ms: Annotated[int, Field(ge=MINUTE, le=30 * DAY)] = DEFAULT_EXPIRY_MS
    grace_ms: Annotated[int, Field(ge=0, le=30 * DAY)] | None = None

    def draft(self, idempotency_key: str | None) -> CampaignDraft:
        """The draft it means."""
        return CampaignDraft(
            name=self.name,
            template=self.template,
            audience=self.audience.audience(),
            account=self.account,
            at=self.at,
            cron=self.cron,
            timezone=self.timezone,
            values=self.values,
            expiry_ms=self.expiry_ms,
            grace_ms=self.grace_ms,
            idempotency_key=idempotency_key or "",
        )

    @classmethod
    def of(cls, draft: CampaignDraft) -> "CampaignIn":
        """The model of a draft; its idempotency key travels as a header."""
        return cls(
            name=draft.name,
            template=draft.template,
            audience=AudienceModel.of(draft.audience),
            account=draft.account,
            at=draft.at,
            cron=draft.cron,
            timezone=draft.timezone,
            values=dict(draft.values),
            expiry_ms=draft.expiry_ms,
            grace_ms=draft.grace_ms,
        )


class CampaignOut(Model):
    """A campaign. `next_at` is the next due time, null when there is none any more."""

    model_config = example(_CAMPAIGN)

    id: str
    name: str
    account: str
    template: str
    template_version: int
    audience: AudienceModel
    at: Millis | None
    cron: str
    timezone: str
    next_at: Millis | None
    expiry_ms: int
    state: Literal["scheduled", "paused", "cancelled", "finished"]
    created_at: Millis
    created_by: str


class CampaignPage(Page[CampaignOut]):
    """Campaigns, the newest first."""

    model_config = example({"items": [_CAMPAIGN], "next": None})


class OutcomeOut(Model):
    """So many recipients stand alike: the latest state of their message, or waiting, or skipped; and why."""

    state: str
    reason: str
    count: int


class RunOut(Model):
    """One due time of a campaign. The outcomes sum to the audience."""

    due_at: Millis
    state: str
    audience: int
    started_at: Millis
    done_at: Millis | None
    outcomes: list[OutcomeOut]


class StatusOut(Model):
    """A campaign and its latest runs, the newest first; `runs_by_state` counts all it ever had."""

    model_config = example({"campaign": _CAMPAIGN, "runs": [_RUN], "runs_by_state": {"sending": 1}})

    campaign: CampaignOut
    runs: list[RunOut]
    runs_by_state: dict[str, int]


class SampleOut(Model):
    """What one customer would get."""

    customer: str
    advisor: str
    content: dict[str, Any]


class PreviewOut(Model):
    """What scheduling would do. `skipped` are reasons among the first `looked_at` customers, `dues` the next due times."""

    model_config = example(
        {
            "account": "oa",
            "template": "new-arrival",
            "template_version": 1,
            "timezone": "Asia/Shanghai",
            "reachable": 75,
            "opted_out": 1,
            "not_following": 0,
            "looked_at": 75,
            "skipped": {},
            "dues": [1796090400000],
            "samples": [
                {"customer": "周女士", "advisor": "小兰", "content": {"type": "text", "text": "周女士，新茶到了。"}}
            ],
        }
    )

    account: str
    template: str
    template_version: int
    timezone: str
    reachable: int
    opted_out: int
    not_following: int
    looked_at: int
    skipped: dict[str, int]
    dues: list[Millis]
    samples: list[SampleOut]


def campaign_out(campaign: Campaign) -> CampaignOut:
    """A campaign as the API shows it."""
    return CampaignOut(
        id=campaign.id,
        name=campaign.name,
        account=campaign.account,
        template=campaign.template,
        template_version=campaign.template_version,
        audience=AudienceModel.of(campaign.audience),
        at=campaign.schedule.at,
        cron=campaign.schedule.cron,
        timezone=campaign.schedule.timezone,
        next_at=campaign.next_at,
        expiry_ms=campaign.expiry_ms,
        state=campaign.state.value,
        created_at=campaign.created_at,
        created_by=campaign.created_by,
    )


def status_out(status: Status) -> StatusOut:
    """How a campaign goes."""
    return StatusOut(
        campaign=campaign_out(status.campaign),
        runs=[_run(run) for run in status.runs],
        runs_by_state={state.value: count for state, count in status.runs_by_state.items()},
    )


def _run(run: RunStatus) -> RunOut:
    outcomes = [OutcomeOut(state=one.state, reason=one.reason, count=one.count) for one in run.outcomes]
    return RunOut(
        due_at=run.due_at,
        state=run.state.value,
        audience=run.audience,
        started_at=run.started_at,
        done_at=run.done_at,
        outcomes=outcomes,
    )


def preview_out(preview: Preview) -> PreviewOut:
    """What scheduling would do."""
    samples = [
        SampleOut(customer=one.customer, advisor=one.advisor, content=encode(one.content)) for one in preview.samples
    ]
    return PreviewOut(
        account=preview.account,
        template=preview.template,
        template_version=preview.template_version,
        timezone=preview.timezone,
        reachable=preview.reach.reachable,
        opted_out=preview.reach.opted_out,
        not_following=preview.reach.not_following,
        looked_at=preview.looked_at,
        skipped=dict(preview.skipped),
        dues=list(preview.dues),
        samples=samples,
    )
