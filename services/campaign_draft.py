"""A campaign as a marketer wrote it, and everything that must hold before it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from domain.calls import DAY, MINUTE
from domain.campaign import DEFAULT_EXPIRY_MS, DEFAULT_GRACE_MS, Audience, CampaignState, Schedule
from domain.errors import InvalidError
from domain.ids import AdvisorId, BrandId, CampaignId, ShopId, new_id
from domain.people import Account, Advisor, Shop, Side
from services import calendar
from services.problems import Problems, did_you_mean
from services.pushes import SUPPLIED, Letter, write
from services.segments import check_audience
from services.wording import prepare
from services.world import World
from storage import templates
from storage.campaigns import Campaign
from storage.templates import StoredTemplate
from templates.errors import MissingValue
from templates.variables import VARIABLES

NAME_CHARS = 100
LONGEST_EXPIRY_MS = 30 * DAY

NOW = "now"
"""In `at`: due as soon as it is scheduled."""


@dataclass(frozen=True, slots=True)
class CampaignDraft:
    """A campaign to be. Either `at` (local time, or `now`) or `cron`; an empty `timezone` or `account` is the brand's own.

    `values` stand in for variables that a person has no value for; `grace_ms` None: an hour, or the expiry where that is shorter.
    The same `idempotency_key` twice is the same campaign.
    """

    name: str
    template: str
    audience: Audience
    account: str = ""
    at: str = ""
    cron: str = ""
    timezone: str = ""
    values: Mapping[str, str | int] = field(default_factory=dict)
    expiry_ms: int = DEFAULT_EXPIRY_MS
    grace_ms: int | None = None
    idempotency_key: str = ""

    @property
    def grace(self) -> int:
        """How late (ms) a due time may still start a run."""
        return min(DEFAULT_GRACE_MS, self.expiry_ms) if self.grace_ms is None else self.grace_ms


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft that holds: the campaign it becomes, and what that says."""

    campaign: Campaign
    letter: Letter


def plan(tx: Connection, world: World, brand: BrandId, draft: CampaignDraft, actor: str, now: int) -> Plan:
    """Check every field of a draft. Raises InvalidDraft with every problem."""
    problems = Problems()
    _check_numbers(draft, problems)
    _check_values(draft, problems)
    with problems.of():
        check_audience(tx, brand, draft.audience)
    account = _account(world, brand, draft.account, problems)
    template = _template(tx, brand, draft.template, problems)
    schedule = _schedule(world, brand, draft, now, problems)
    if account is not None and template is not None and schedule is not None:
        letter = letter_of(world, account, template, draft.values, calendar.local_day(now, schedule.timezone))
        _try_on(letter, problems)
        problems.refuse()
        return Plan(_campaign(brand, draft, account, template, schedule, actor, now), letter)
    problems.refuse()
    raise AssertionError("a draft without account, template or schedule has problems")


def _campaign(
    brand: BrandId,
    draft: CampaignDraft,
    account: Account,
    template: StoredTemplate,
    schedule: Schedule,
    actor: str,
    now: int,
) -> Campaign:
    return Campaign(
        brand=brand,
        id=CampaignId(new_id(now)),
        name=draft.name.strip(),
        account=account.id,
        template=template.code,
        template_version=template.version,
        values=draft.values,
        audience=draft.audience,
        schedule=schedule,
        next_at=schedule.at if schedule.at is not None else calendar.next_due(schedule, now),
        expiry_ms=draft.expiry_ms,
        grace_ms=draft.grace,
        state=CampaignState.SCHEDULED,
        created_at=now,
        created_by=actor,
        idempotency_key=draft.idempotency_key or None,
    )


def letter_of(
    world: World, account: Account, template: StoredTemplate, values: Mapping[str, str | int], day: str
) -> Letter:
    """What a campaign of this account and template says on a day such as `2026-12-01`."""
    brand = world.brands[account.brand]
    wording = prepare(template.body, brand, world.rules_of(account.id).text_bytes, template.name)
    return Letter(brand, wording, values, day)


def is_same(campaign: Campaign, draft: CampaignDraft) -> bool:
    """Whether the campaign was made from this draft."""
    written = (draft.name.strip(), draft.template, draft.audience, draft.cron, draft.expiry_ms, draft.grace)
    kept = (
        campaign.name,
        campaign.template,
        campaign.audience,
        campaign.schedule.cron,
        campaign.expiry_ms,
        campaign.grace_ms,
    )
    return written == kept and dict(draft.values) == dict(campaign.values) and _same_time(campaign, draft)


def _same_time(campaign: Campaign, draft: CampaignDraft) -> bool:
    if not draft.at:
        return campaign.schedule.at is None
    if draft.at == NOW:
        return campaign.schedule.at == campaign.created_at
    try:
        return calendar.read_at(draft.at, draft.timezone or campaign.schedule.timezone) == campaign.schedule.at
    except InvalidError:
        return False


def _check_numbers(draft: CampaignDraft, problems: Problems) -> None:
    if not 1 <= len(draft.name.strip()) <= NAME_CHARS:
        problems.add("name", f"a name of 1 to {NAME_CHARS} characters is needed")
    if not MINUTE <= draft.expiry_ms <= LONGEST_EXPIRY_MS:
        problems.add("expires", "from one minute (1m) to 30 days (30d) are possible")
    elif not 0 <= draft.grace <= draft.expiry_ms:
        problems.add("grace", "must not be longer than `expires`, or what starts late would have expired already")


def _check_values(draft: CampaignDraft, problems: Problems) -> None:
    known = {variable.name for variable in VARIABLES}
    for name in draft.values:
        if name not in known:
            guess = did_you_mean(name, [(one.name, one.zh) for one in VARIABLES])
            problems.add(f"values.{name}", f"no such variable{guess}")


def _account(world: World, brand: BrandId, account: str, problems: Problems) -> Account | None:
    mine = {str(one.id): one for one in world.accounts_of(brand, Side.CUSTOMER)}
    if account in mine:
        return mine[account]
    listed = ", ".join(mine) or "none: add one to config.yaml"
    if account:
        problems.add(
            "account", f'no account "{account}" that customers write to{_guess(account, mine)} (there are: {listed})'
        )
    elif len(mine) != 1:
        problems.add("account", f"say which account sends it (there are: {listed})")
    else:
        return next(iter(mine.values()))
    return None


def _guess(written: str, known: Mapping[str, object]) -> str:
    return did_you_mean(written, [(one, "") for one in known])


def _template(tx: Connection, brand: BrandId, code: str, problems: Problems) -> StoredTemplate | None:
    found = templates.newest(tx, brand, code)
    if found is None:
        known = [(one.code, one.name) for one in templates.every_newest(tx, brand)]
        advice = did_you_mean(code, known) or "; save it first"
        problems.add("template", f'no template "{code}"{advice}')
    return found


def _schedule(world: World, brand: BrandId, draft: CampaignDraft, now: int, problems: Problems) -> Schedule | None:
    timezone = draft.timezone or world.brands[brand].timezone
    if bool(draft.at) == bool(draft.cron):
        problems.add("at", f"say either at: {calendar.AT_EXAMPLE} for once, or cron: {calendar.CRON_EXAMPLE}")
        return None
    with problems.of():
        calendar.zone_of(timezone)
        if draft.cron:
            calendar.check_cron(draft.cron, now)
            return Schedule(timezone, cron=draft.cron)
        at = now if draft.at == NOW else calendar.read_at(draft.at, timezone)
        if at < now:
            written, clock = calendar.local_time(at, timezone), calendar.local_time(now, timezone)
            raise InvalidError(f"{written} is past: it is {clock} in {timezone} now", field="at")
        return Schedule(timezone, at=at)
    return None


_STAND_IN = Advisor(
    id=AdvisorId(""),
    code="",
    name="小兰",
    shop=Shop(ShopId(""), "", "南京西路店"),
    active=True,
    work_account=None,
    work_id="",
)


def _try_on(letter: Letter, problems: Problems) -> None:
    """Write it out for somebody of whom everything is known that we can know: what fails for her, fails for everybody."""
    with problems.of("template"):
        try:
            write(letter, "王女士", _STAND_IN)
        except MissingValue as error:
            raise InvalidError(
                f"{error.variable} has no value for anybody: give it one under `values`, or write "
                f'{{{{ {error.variable} | default("...") }}}}; known of itself are {", ".join(sorted(SUPPLIED))}'
            ) from error
