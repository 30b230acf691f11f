"""Campaigns: a template, an audience, a schedule; a run for each due time; a recipient for each person of a run."""

from dataclasses import dataclass
from enum import StrEnum

from domain.calls import DAY, HOUR

DEFAULT_EXPIRY_MS = 1 * DAY
DEFAULT_GRACE_MS = 1 * HOUR
"""How late a due time may still start a run; later it is marked `missed` and shown."""

PAGE = 500
"""Recipients rendered and queued in one unit of work."""


class CampaignState(StrEnum):
    """States of a campaign. Drawn in docs/states/campaign.md."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class RunState(StrEnum):
    """States of one run: its audience is frozen, then queued page by page, then the outbox works it off."""

    FREEZING = "freezing"
    QUEUEING = "queueing"
    SENDING = "sending"
    DONE = "done"
    MISSED = "missed"
    CANCELLED = "cancelled"


class RecipientState(StrEnum):
    """Where a recipient stands before the outbox has her; afterwards the outbox row's state counts."""

    FROZEN = "frozen"
    QUEUED = "queued"
    SKIPPED = "skipped"


class AudienceKind(StrEnum):
    """Whom a campaign is for."""

    ALL_BOUND = "all_bound"
    SHOP = "shop"
    TAG = "tag"
    ADVISOR = "advisor"


@dataclass(frozen=True, slots=True)
class Audience:
    """A rule for people: all bound customers, or those of a shop, tag or advisor (`value` is its code or name)."""

    kind: AudienceKind
    value: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: `at` once (ms), or `cron` (five fields, weekdays 0-7 with 0 and 7 = Sunday) in the zone `timezone`."""

    timezone: str
    at: int | None = None
    cron: str = ""
