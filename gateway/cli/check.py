"""The command `check`: what is wrong, where, and how to mend it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol

import aiohttp
import click
from sqlalchemy import Connection

from console.api.operating import CheckOut, CheckQuery, PointOut, check_gateway
from domain.ids import AccountId, BrandId
from gateway.accounts import AccountChecks, open_channels
from gateway.app import secrets_key
from gateway.channels.deps import Deps
from gateway.channels.tokens import TokenDesk
from gateway.channels.uploads import Uploads
from gateway.cli.office import Office, reading, running_node, working
from gateway.cli.shell import Shell, command
from gateway.media import Library, MediaStore
from storage import verify
from storage.clock import host_clock
from storage.errors import StorageError
from storage.places import free_mb
from storage.verify import Checked

_PAGE = 500
_MARKS = {"ok": "  ok     ", "warning": "  WARNING", "problem": "  PROBLEM"}


class Page(Protocol):
    """Reads a page of payloads; see storage/verify.py."""

    def __call__(self, tx: Connection, brand: BrandId, after: str, limit: int) -> Checked:
        """Compare the rows behind `after`."""


@click.command()
@click.option("--deep", is_flag=True, help="Also compare every stored payload with its checksum.")
@click.option("--offline", is_flag=True, help="Do not try the accounts against their platforms.")
@command
async def check(shell: Shell, deep: bool, offline: bool) -> None:
    """Look at configuration, database, disk, queues and accounts; say what is wrong and how to mend it.

    Changes no data, node or no node. Ends with 1 when something must be mended.
    """
    points = [_configuration(shell), _disk(shell)]
    try:
        async with reading(_of_any_brand(shell)) as office:
            points += await _database(office, deep=deep)
        if not offline:
            points += await _accounts(shell)
    except StorageError as error:
        points.append(_problem("database", str(error)))
    result = CheckOut(ok=all(point.level != "problem" for point in points), points=points)
    shell.show(result, *(f"{_MARKS[point.level]}  {point.what}: {point.text}" for point in points))
    if not result.ok:
        raise click.exceptions.Exit(1)


def _of_any_brand(shell: Shell) -> Shell:
    return shell if shell.brand else replace(shell, brand=shell.config.brands[0].id)


def _ok(what: str, text: str) -> PointOut:
    return PointOut(what=what, level="ok", text=text)


def _problem(what: str, text: str) -> PointOut:
    return PointOut(what=what, level="problem", text=text)


def _configuration(shell: Shell) -> PointOut:
    config = shell.config
    accounts = ", ".join(f"{one.id} ({one.channel})" for one in config.accounts)
    return _ok("configuration", f"{shell.found_file()}: {len(config.brands)} brands, accounts {accounts}")


def _disk(shell: Shell) -> PointOut:
    config = shell.config
    least = config.storage.min_free_mb
    if not config.data_dir.is_dir():
        text = f"{config.data_dir} is not there yet: the first start makes it"
        return PointOut(what="disk", level="warning", text=text)
    free = free_mb(config.data_dir)
    if free < least:
        text = (
            f"{free} MiB free in {config.data_dir}, storage.min_free_mb asks for {least}: free space, or move data_dir"
        )
        return _problem("disk", text)
    return _ok("disk", f"{free} MiB free in {config.data_dir}")


async def _database(office: Office, *, deep: bool) -> list[PointOut]:
    damaged = await office.db.read(verify.damaged_pages)
    points = [
        _problem("database", f"the file is damaged ({damaged[0]}): stop the node and restore a backup")
        if damaged
        else _ok("database", "reads, and its pages are whole")
    ]
    for brand in office.world.brands:
        inside = replace(office, caller=replace(office.caller, brand=brand))
        points += (await inside.ask(check_gateway)).points
        if deep:
            points += [await _payloads(inside, "inbox", verify.inbox_page)]
            points += [await _payloads(inside, "outbox", verify.outbox_page)]
    return points


async def _payloads(office: Office, name: str, page: Page) -> PointOut:
    rows, damaged = 0, list[str]()
    after: str | None = ""
    while after is not None:
        seen = await office.db.read(partial(page, brand=office.caller.brand, after=after, limit=_PAGE))
        rows += seen.rows
        damaged += seen.damaged
        after = seen.next or None
    what = f"{name} payloads"
    if damaged:
        return _problem(
            what, f"{len(damaged)} of {rows} do not match their checksum, first {damaged[0]}: restore a backup"
        )
    return _ok(what, f"{rows} match their checksums")


async def _accounts(shell: Shell) -> Sequence[PointOut]:
    any_brand = _of_any_brand(shell)
    async with running_node(any_brand) as node:
        if node is not None:
            return await _asked_of(node)
    async with working(any_brand, migrate=False) as office, _own_checks(shell, office) as checks:
        return [await _tried(checks, account) for account in office.world.accounts]


async def _asked_of(node: Office) -> Sequence[PointOut]:
    points: list[PointOut] = []
    for brand in node.world.brands:
        inside = replace(node, caller=replace(node.caller, brand=brand))
        answer = await inside.ask(check_gateway, query=CheckQuery(accounts=True), at_node=True)
        points += [point for point in answer.points if point.what.startswith("account ")]
    return [*points, _ok("node", "runs, and answers at its control socket")]


@asynccontextmanager
async def _own_checks(shell: Shell, office: Office) -> AsyncIterator[AccountChecks]:
    """Channels of this command's own, for a platform must be asked while no node runs."""
    config = shell.config
    library = Library(office.db, MediaStore(config.media_folder))
    uploads = Uploads(office.db, library.read)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        tokens = TokenDesk(office.db, secrets_key(config), clock=host_clock)
        try:
            yield AccountChecks(open_channels(config, office.world, Deps(session, tokens, uploads, host_clock)))
        finally:
            await uploads.close()


async def _tried(checks: AccountChecks, account: AccountId) -> PointOut:
    finding = await checks.check(account)
    return PointOut(what=f"account {account}", level="ok" if finding.ok else "problem", text=finding.text)
