"""Working off the runs of campaigns: freeze the audience, queue a message for each person, wait until the outbox is done.

Each step is one unit of work that does a page and moves the run's cursor: a node killed between any two leaves a run that goes on where
it was. A step reads and writes out its page beforehand; inside the unit it holds the campaign, so that nobody is queued after a pause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from domain.campaign import PAGE, CampaignState, RunState
from domain.conversation import Step
from domain.errors import InvalidError
from domain.ids import CustomerId
from scheduler.clock import Shift
from scheduler.firing import brand_of
from scheduler.guard import STUCK, guarded
from services import calendar
from services.alarms import close_alarm
from services.campaign_draft import letter_of
from services.pushes import Letter, Skip, SkipReason, write_push
from services.world import World
from storage import audiences, campaigns, pushes, recipients, templates
from storage.audiences import Member, Person, Target
from storage.campaigns import Campaign, Run
from storage.engine import now
from storage.pushes import Push
from storage.recipients import Settled

STOP_PAGE = 1000
"""Outbox rows held, released, cancelled or expired in one unit of work."""


async def run(shift: Shift) -> None:
    """Do all there is to do for the runs at work, a page of each in turn, so that a small one never waits for a large one."""
    at_work = list(await shift.db.read(campaigns.all_at_work))
    while at_work and not shift.stopping():
        going_on = [await guarded(shift, one.brand, one.campaign_id, step(shift, one)) for one in at_work]
        at_work = [one for one in going_on if one is not None]


async def step(shift: Shift, at_work: Run) -> Run | None:
    """One page of a run; the run again while there is more to do at once."""
    page = await shift.db.read(partial(prepare, world=shift.world, run=at_work))
    done = await shift.db.write(partial(work, run=at_work, page=page))
    if done.queued:
        shift.queued()
    return done.run


@dataclass(frozen=True, slots=True)
class Page:
    """What the next unit of a run will write: recipients to freeze, or recipients to settle."""

    members: Sequence[Member] = ()
    letters: Sequence[Push | Skip] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a unit did. `run`: as it is now, while there is more to do at once."""

    run: Run | None = None
    queued: bool = False


def prepare(tx: Connection, world: World, run: Run) -> Page:
    """Read the next page of a run and write it out; nothing for a run that only waits."""
    campaign = campaigns.find(tx, run.brand, run.campaign_id)
    if campaign is None or campaign.state is not CampaignState.SCHEDULED:
        return Page()
    if run.state is RunState.FREEZING:
        target = Target(run.brand, campaign.account, campaign.audience)
        return Page(members=audiences.page(tx, target, run.cursor, PAGE))
    if run.state is RunState.QUEUEING:
        return Page(letters=_letters(tx, world, campaign, run))
    return Page()


def _letters(tx: Connection, world: World, campaign: Campaign, run: Run) -> Sequence[Push | Skip]:
    who = recipients.page(tx, run, PAGE)
    at = now(tx)
    if at >= run.due_at + campaign.expiry_ms:
        return [Skip(customer_id, SkipReason.EXPIRED) for customer_id in who]
    letter = _letter(tx, world, campaign, at)
    known = audiences.people(tx, run.brand, campaign.account, who)
    return [_written(letter, known, customer_id, at) for customer_id in who]


def _written(letter: Letter, known: Mapping[CustomerId, Person], customer_id: CustomerId, at: int) -> Push | Skip:
    person = known.get(customer_id)
    return write_push(letter, person, at) if person else Skip(customer_id, SkipReason.NOT_BOUND)


def _letter(tx: Connection, world: World, campaign: Campaign, at: int) -> Letter:
    brand_of(world, campaign)
    account = world.accounts.get(campaign.account)
    if account is None:
        raise InvalidError(
            f"account {campaign.account} is not in config.yaml any more: put it back, or cancel the campaign"
        )
    template = templates.version_of(tx, campaign.brand, campaign.template, campaign.template_version)
    if template is None:
        raise InvalidError(
            f"template {campaign.template}, version {campaign.template_version}, is gone: cancel the campaign"
        )
    return letter_of(world, account, template, campaign.values, calendar.local_day(at, campaign.schedule.timezone))


def work(tx: Connection, run: Run, page: Page) -> Done:
    """One unit: stop, release or expire what must be, then write the page, if the run still stands where it was read."""
    seized = campaigns.seize(tx, run)
    if seized is None or (seized[1].state, seized[1].cursor) != (run.state, run.cursor):
        return Done()
    campaign, run = seized
    at = now(tx)
    more = _tend(tx, campaign, run, at)
    if campaign.state is not CampaignState.SCHEDULED:
        return Done(run if more else None)
    match run.state:
        case RunState.FREEZING:
            return _freeze(tx, run, page.members, at)
        case RunState.QUEUEING:
            return _queue(tx, campaign, run, page.letters, at)
        case RunState.SENDING if not more:
            _end(tx, campaign, run, at)
    return Done(run if more else None, queued=more)


def _tend(tx: Connection, campaign: Campaign, run: Run, at: int) -> bool:
    """Bring rows in line with what the marketer decided; True while a page was not enough."""
    touched = 0
    if at >= run.due_at + campaign.expiry_ms:
        touched = pushes.expire(tx, run, at, STOP_PAGE)
    match campaign.state:
        case CampaignState.SCHEDULED:
            touched = max(touched, pushes.release(tx, run, STOP_PAGE))
        case CampaignState.PAUSED:
            touched = max(touched, pushes.hold(tx, run, STOP_PAGE))
        case CampaignState.CANCELLED:
            touched = max(touched, pushes.cancel(tx, run, at, STOP_PAGE))
            if not pushes.any_open(tx, run):
                campaigns.enter(tx, run, RunState.CANCELLED, at)
        case CampaignState.FINISHED:
            pass
    return touched == STOP_PAGE


def _freeze(tx: Connection, run: Run, members: Sequence[Member], at: int) -> Done:
    if not members:
        campaigns.enter(tx, run, RunState.QUEUEING, at)
    else:
        campaigns.turn_page(tx, run, members[-1].customer_id, more_recipients=len(members))
        recipients.freeze(tx, run, members)
    return _again(tx, run)


def _queue(tx: Connection, campaign: Campaign, run: Run, letters: Sequence[Push | Skip], at: int) -> Done:
    if not letters:
        campaigns.enter(tx, run, RunState.SENDING, at)
        return _again(tx, run)
    campaigns.turn_page(tx, run, letters[-1].customer_id)
    written = [letter for letter in letters if isinstance(letter, Push)]
    due = calendar.local_time(run.due_at, campaign.schedule.timezone)
    why = Step(
        "campaign", f"{campaign.name}, due {due}, template {campaign.template} v{campaign.template_version}", "queued"
    )
    pushes.queue(tx, run, campaign.account, written, why, expires_at=run.due_at + campaign.expiry_ms, now=at)
    recipients.settle(tx, run, [_settled(letter) for letter in letters])
    return _again(tx, run, queued=bool(written))


def _settled(letter: Push | Skip) -> Settled:
    if isinstance(letter, Skip):
        return Settled(letter.customer_id, reason=letter.reason)
    return Settled(letter.customer_id, letter.outbox_id, letter.advisor_id)


def _end(tx: Connection, campaign: Campaign, run: Run, at: int) -> None:
    if pushes.any_open(tx, run):
        return
    campaigns.enter(tx, run, RunState.DONE, at)
    campaigns.finish_if_over(tx, run.brand, run.campaign_id)
    close_alarm(tx, campaign.brand, STUCK, campaign.id, at)


def _again(tx: Connection, run: Run, *, queued: bool = False) -> Done:
    return Done(campaigns.reread(tx, run), queued)
