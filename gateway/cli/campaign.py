"""Commands over campaigns; how one goes is drawn by gateway/cli/progress.py."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from console.api.campaign_models import CampaignIn, CampaignPage, PreviewOut, StatusOut
from console.api.campaigns import (
    cancel_campaign,
    create_campaign,
    list_campaigns,
    pause_campaign,
    preview_campaign,
    resume_campaign,
    show_campaign,
)
from console.api.models import PageQuery
from console.api.operation import Nothing, Operation
from domain.errors import InvalidError
from gateway.cli.office import Office, reading, working
from gateway.cli.progress import Watch, is_over, lines_of
from gateway.cli.shell import Shell, at, command, screen
from services import campaigns
from services.campaign_file import CampaignFile, read_campaign_file
from storage.clock import host_clock

_LOOK_EVERY_S = 0.5


@click.group()
def campaign() -> None:
    """Campaigns: a template to an audience, once or by the calendar."""


@campaign.command("preview")
@click.argument("file", type=click.Path(path_type=Path))
@command
async def preview(shell: Shell, file: Path) -> None:
    """Tell what scheduling FILE (YAML) would do: whom it reaches, what they would get, when."""
    written = read_campaign_file(file)
    async with reading(shell) as office:
        try:
            shown = await office.ask(preview_campaign, body=CampaignIn.of(written.draft))
        except InvalidError as error:
            raise await _located(office, written, error) from error
    shell.show(shown, *_preview_lines(shown))


def _preview_lines(shown: PreviewOut) -> list[str]:
    left_out = f"{shown.opted_out} opted out, {shown.not_following} do not follow"
    lines = [
        f"template {shown.template} version {shown.template_version} through account {shown.account}",
        f"reaches {shown.reachable} customers; left out: {left_out}",
        *(f"  skipped among the first {shown.looked_at}: {count} {why}" for why, count in shown.skipped.items()),
        f"due: {', '.join(at(due, shown.timezone) for due in shown.dues) or 'never'} ({shown.timezone})",
    ]
    for sample in shown.samples:
        text = _text(sample.content)
        lines.append(f"  {sample.customer or 'a customer'}, from {sample.advisor}: {text}")
    return lines


def _text(content: Mapping[str, object]) -> str:
    shown = content.get("text") or " · ".join(str(content[name]) for name in ("title", "url") if content.get(name))
    return " / ".join(str(shown).splitlines())


@campaign.command("schedule")
@click.argument("file", type=click.Path(path_type=Path))
@command
async def schedule(shell: Shell, file: Path) -> None:
    """Schedule the campaign in FILE (YAML). The same file twice is the same campaign."""
    written = read_campaign_file(file)
    async with working(shell) as office:
        try:
            body = CampaignIn.of(written.draft)
            made = await office.ask(create_campaign, body=body, key=written.draft.idempotency_key)
        except InvalidError as error:
            raise await _located(office, written, error) from error
    one = made.campaign
    due = f"due {at(one.next_at, one.timezone)} {one.timezone}" if one.next_at else "no due time is left"
    shell.show(
        made, f'{one.id}: "{one.name}" is {one.state}, {due}', f"see advisor-gateway campaign status --watch {one.id}"
    )


async def _located(office: Office, written: CampaignFile, error: InvalidError) -> InvalidError:
    """What is wrong, with the file's lines: the node tells fields alone, so the draft is looked at once more here."""
    world, brand, now = office.world, office.caller.brand, host_clock()
    try:
        await office.db.read(lambda tx: campaigns.preview(tx, world, brand, written.draft, now))
    except InvalidError as found:
        return written.located(found)
    return written.located(error)


@campaign.command("list")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@command
async def show_all(shell: Shell, limit: int) -> None:
    """The latest campaigns."""
    async with reading(shell) as office:
        page: CampaignPage = await office.ask(list_campaigns, query=PageQuery(limit=limit))
    rows = [(one.id, one.name, one.state, at(one.next_at, one.timezone), one.cron) for one in page.items]
    nothing = "There is no campaign yet: advisor-gateway campaign schedule FILE"
    shell.show_table(page, ("id", "name", "state", "next due", "cron"), rows, nothing)


@campaign.command("status")
@click.argument("id")
@click.option("--watch", is_flag=True, help="Stay, with a live bar, until its runs are done.")
@command
async def status(shell: Shell, id: str, watch: bool) -> None:
    """How a campaign goes: how many of its people ended how, and why."""
    async with reading(shell) as office:
        found = await office.ask(show_campaign, path={"id": id})
        if watch:
            found = await _watch(shell, office, found)
    shell.show(found, *lines_of(found))


async def _watch(shell: Shell, office: Office, found: StatusOut) -> StatusOut:
    with Watch(screen(), quiet=shell.as_json) as bar:
        bar.show(found)
        while not is_over(found):
            await asyncio.sleep(_LOOK_EVERY_S)
            found = await office.ask(show_campaign, path={"id": found.campaign.id})
            bar.show(found)
    return found


async def _turn(shell: Shell, id: str, turn: Operation[Nothing, Nothing, StatusOut]) -> None:
    async with working(shell) as office:
        turned = await office.ask(turn, path={"id": id})
    shell.show(turned, f'{turned.campaign.id}: "{turned.campaign.name}" is {turned.campaign.state}')


@campaign.command("pause")
@click.argument("id")
@command
async def pause(shell: Shell, id: str) -> None:
    """Stop a campaign until it is resumed: nothing more of it goes out."""
    await _turn(shell, id, pause_campaign)


@campaign.command("resume")
@click.argument("id")
@command
async def resume(shell: Shell, id: str) -> None:
    """Go on with a paused campaign."""
    await _turn(shell, id, resume_campaign)


@campaign.command("cancel")
@click.argument("id")
@command
async def cancel(shell: Shell, id: str) -> None:
    """End a campaign for good: whatever was not sent yet is never sent."""
    await _turn(shell, id, cancel_campaign)
