"""How commands reach the data: straight into the database, or through the node that holds it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel

from console.api.errors import UnavailableError, from_body
from console.api.http import PREFIX
from console.api.operation import Asked, Desk, Operation
from console.app import BRAND_HEADER, chosen_brand
from domain.access import Caller, Role
from gateway.cli.shell import Shell
from gateway.control import FILE_NAME, local_operator, short_path
from services.world import World
from storage.clock import host_clock
from storage.engine import Database
from storage.errors import Locked

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Office:
    """A place to work in. `node` is the line to the node that holds the database, None where this process may write itself."""

    world: World
    caller: Caller
    db: Database
    node: aiohttp.ClientSession | None = None

    @property
    def timezone(self) -> str:
        """The time zone of the brand at hand."""
        return self.world.brands[self.caller.brand].timezone

    async def ask(
        self,
        operation: Operation[Q, B, R],
        *,
        query: Q | None = None,
        body: B | None = None,
        path: Mapping[str, str] | None = None,
        key: str | None = None,
        at_node: bool = False,
    ) -> R:
        """Run an operation here, or have the node run it: writes always, reads only with `at_node`. Raises what these may raise."""
        asked = Asked(self.caller, query or operation.query(), body or operation.body(), path or {}, key)
        if self.node is None or (operation.method == "GET" and not at_node):
            desk = Desk(self.db, self.world, host_clock, wake=_nobody)
            return await operation.answer(desk, asked)
        return await _over(self.node, operation, asked)


def _nobody() -> None:
    """No worker waits in this process."""


async def _over(node: aiohttp.ClientSession, operation: Operation[Q, B, R], asked: Asked[Q, B]) -> R:
    address = (
        "http://node"
        + PREFIX
        + operation.path.format_map({name: quote(one, safe="") for name, one in asked.path.items()})
    )
    headers = {BRAND_HEADER: asked.caller.brand, "Content-Type": "application/json"}
    if asked.idempotency_key:
        headers["Idempotency-Key"] = asked.idempotency_key
    query = {name: str(value) for name, value in asked.query.model_dump(mode="json", exclude_none=True).items()}
    content = asked.body.model_dump_json().encode() if operation.takes_body else None
    try:
        async with node.request(operation.method, address, params=query, data=content, headers=headers) as response:
            if response.status != operation.status:
                raise from_body(await response.json(content_type=None))
            return operation.result.model_validate_json(await response.read())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        text = f"the node broke off ({type(error).__name__}): see its log; it may have done what was asked"
        raise UnavailableError(text) from error


@asynccontextmanager
async def reading(shell: Shell) -> AsyncIterator[Office]:
    """Look only: opens the database query-only, whether a node runs or not."""
    config = shell.config
    world = config.world()
    async with await Database.open_readonly(config.storage.url.get_secret_value()) as db:
        yield Office(world, _operator(world, shell.brand), db)


@asynccontextmanager
async def working(shell: Shell, *, migrate: bool | None = None) -> AsyncIterator[Office]:
    """Change something: in this process where nobody holds the data, else through the node that does.

    `migrate` as in `Database.open`: a SQLite file is brought up to date first unless it is False.
    """
    config = shell.config
    world = config.world()
    caller = _operator(world, shell.brand)
    try:
        db = await Database.open(
            config.storage.url.get_secret_value(),
            data_dir=config.data_dir,
            migrate=migrate,
            check=False,
            min_free_mb=config.storage.min_free_mb,
        )
    except Locked as held:
        async with _node(config.data_dir, held) as node, reading(shell) as office:
            yield Office(world, caller, office.db, node)
        return
    async with db:
        yield Office(world, caller, db)


def _operator(world: World, brand: str) -> Caller:
    return Caller(chosen_brand(world, brand), Role.ADMIN, local_operator())


@asynccontextmanager
async def _node(data_dir: Path, held: Locked | str) -> AsyncIterator[aiohttp.ClientSession]:
    with short_path(data_dir) as address:
        if not await _answers(address):
            text = f"{held}; it does not answer at {data_dir / FILE_NAME} either: another command may be at work, try again"
            raise UnavailableError(text)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=address), timeout=timeout) as session:
            yield session


async def _answers(address: str) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(address)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def running_node(shell: Shell) -> AsyncIterator[Office | None]:
    """The node that runs on this data directory, for what only it can tell; None where there is none."""
    config = shell.config
    if not (config.data_dir / FILE_NAME).exists():
        yield None
        return
    try:
        async with _node(config.data_dir, "no node answers") as node, reading(shell) as office:
            yield replace(office, node=node)
    except UnavailableError:
        yield None
