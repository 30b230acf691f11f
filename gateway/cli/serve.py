"""The commands that run a node: `serve`, and `migrate` before it where that is done by hand."""

import asyncio
import gc
import signal
import typing

import click
from pydantic import BaseModel

from domain.errors import InvalidError
from gateway.app import Gateway
from gateway.cli.shell import Shell, command
from gateway.settings import Role
from gateway.telemetry import set_up_logs
from storage import migrate as steps
from storage.engine import Database
from storage.errors import Locked, Refused


@click.command()
@click.option(
    "--roles", default="", help="What this node does: web,inbox,outbox,scheduler. Default: the configuration's."
)
@command
async def serve(shell: Shell, roles: str) -> None:
    """Run a node until SIGTERM or Ctrl-C; a second one cuts the farewell short."""
    gateway = Gateway(shell.config, _roles(roles))
    set_up_logs()
    _calm_collector()
    stop, hurry = stop_signals()
    await gateway.run_until_stopped(stop, hurry)


def _calm_collector() -> None:
    """Look for garbage less often, and never among what lives as long as the process: 7 to 10 % of the CPU time of accepting (measured)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _roles(written: str) -> list[Role]:
    known = typing.get_args(Role)
    wanted = [role.strip() for role in written.split(",") if role.strip()]
    for role in wanted:
        if role not in known:
            raise InvalidError(f'no role "{role}"; there are {", ".join(known)}', field="--roles")
    return typing.cast(list[Role], wanted)


def stop_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set by the first SIGTERM or SIGINT, and by the second."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    return stop, hurry


class SchemaOut(BaseModel):
    """The schema of the database, and whether this command had to change it."""

    schema_version: str | None
    changed: bool


@click.command()
@command
async def migrate(shell: Shell) -> None:
    """Bring the database to this program's schema. With SQLite a node does it itself at its start."""
    before = await _schema(shell)
    try:
        url, folder = shell.config.storage.url.get_secret_value(), shell.config.data_dir
        async with await Database.open(url, data_dir=folder, migrate=True, min_free_mb=0):
            pass
    except Locked:
        # The node that holds the file brought it up to date before anything else.
        if before != steps.head():
            raise
    after = await _schema(shell)
    changed = before != after
    text = f"the schema is {after}" + (f", it was {before or 'none'}" if changed else ": nothing to do")
    shell.show(SchemaOut(schema_version=after, changed=changed), text)


async def _schema(shell: Shell) -> str | None:
    try:
        async with await Database.open_readonly(shell.config.storage.url.get_secret_value()) as db:
            return await db.read(steps.current)
    except Refused:
        # There is no file yet.
        return None
