"""Commands over what waits for a person: inbox, outbox, alarms, and the decisions over them."""

from typing import Literal

import click

from console.api.queues import (
    AlarmsOut,
    DecideIn,
    InboxPage,
    InboxQuery,
    OutboxOut,
    OutboxPage,
    OutboxQuery,
    RedriveIn,
    RedrivenOut,
    decide_outbox,
    list_alarms,
    list_inbox,
    list_outbox,
    redrive_inbox,
)
from domain.calls import OutboxState
from gateway.cli.office import reading, working
from gateway.cli.shell import Shell, at, command

_LIMIT = click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many at most.")
_CURSOR = click.option("--cursor", default="", help="`next` of the page before.")


@click.command()
@click.option(
    "--state", type=click.Choice([state.value for state in OutboxState]), default="unknown", show_default=True
)
@_LIMIT
@_CURSOR
@command
async def outbox(shell: Shell, state: str, limit: int, cursor: str) -> None:
    """Sends by state. The unknown ones may have arrived: decide over each with `advisor-gateway decide`."""
    query = OutboxQuery.model_validate({"state": state, "limit": limit, "cursor": cursor})
    async with reading(shell) as office:
        page: OutboxPage = await office.ask(list_outbox, query=query)
        timezone = office.timezone
    rows = [
        (one.id, at(one.created_at, timezone), one.lane, one.recipient, one.reason, _what(one)) for one in page.items
    ]
    shell.show_table(page, ("id", "made", "lane", "to", "reason", "what"), rows, f"No send is {state}.")
    _tell_next(shell, page.next)


def _what(one: OutboxOut) -> str:
    text = str(one.what.get("text") or one.what.get("title") or one.what.get("command") or one.what.get("type"))
    return " ".join(text.split())[:60]


def _tell_next(shell: Shell, following: str | None) -> None:
    if following and not shell.as_json:
        click.echo(f"There are more: --cursor {following}")


@click.command()
@click.argument("id")
@click.argument("decision", type=click.Choice(["resend", "give_up"]))
@command
async def decide(shell: Shell, id: str, decision: Literal["resend", "give_up"]) -> None:
    """Decide over a send whose outcome is unknown: send it again, marked as a possible repeat, or give it up."""
    async with working(shell) as office:
        decided = await office.ask(decide_outbox, path={"id": id}, body=DecideIn(decision=decision))
    shell.show(decided, f"{decided.id} is {decided.state}.")


@click.command()
@click.option(
    "--kind",
    type=click.Choice(["parked", "unparsed"]),
    default="parked",
    show_default=True,
    help="parked: handling failed again and again; unparsed: nobody could read it.",
)
@_LIMIT
@_CURSOR
@command
async def inbox(shell: Shell, kind: str, limit: int, cursor: str) -> None:
    """Events that wait for a person."""
    query = InboxQuery.model_validate({"kind": kind, "limit": limit, "cursor": cursor})
    async with reading(shell) as office:
        page: InboxPage = await office.ask(list_inbox, query=query)
        timezone = office.timezone
    rows = [
        (one.id, at(one.received_at, timezone), one.account, one.kind, str(one.attempts), one.error or one.raw[:80])
        for one in page.items
    ]
    shell.show_table(page, ("id", "came in", "account", "kind", "tries", "error"), rows, f"No event is {kind}.")
    _tell_next(shell, page.next)


@click.command()
@click.argument("ids", nargs=-1)
@command
async def redrive(shell: Shell, ids: tuple[str, ...]) -> None:
    """Handle parked events again: those named, or all. Sends are never repeated by this; see `advisor-gateway decide`."""
    done: list[str] = []
    async with working(shell) as office:
        while True:
            page = await office.ask(redrive_inbox, body=RedriveIn(ids=list(ids) or None))
            done += page.ids
            if ids or not page.ids:
                break
    shell.show(RedrivenOut(ids=done), f"{len(done)} events are queued again.")


@click.command()
@command
async def alarms(shell: Shell) -> None:
    """What is wrong now."""
    async with reading(shell) as office:
        found: AlarmsOut = await office.ask(list_alarms)
        timezone = office.timezone
    rows = [(one.severity, at(one.last_at, timezone), f"{one.count}x", one.text) for one in found.items]
    shell.show_table(found, ("severity", "last seen", "times", "what"), rows, "No alarm is open.")
