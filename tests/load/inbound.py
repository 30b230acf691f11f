"""Callbacks in bursts: to a bare server, to wechatpy, to a gateway that accepts, and to one that goes the whole way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, exists, select

from domain.calls import BLOCKING
from storage.clock import host_clock
from storage.engine import Database
from storage.inbox import ACTIVE
from storage.leases import one_of
from storage.tables.queue import inbox, outbox
from tests.configuration import APP_ID, ORIGINAL_ID, configuration, free_port, write_configuration
from tests.driver import Account
from tests.load import people
from tests.load.children import Child, child
from tests.load.generator import HOST, http_post, write_requests
from tests.load.rounds import Measure

CONNECTIONS = 64
_LOOK_S = 0.005


class BurstError(Exception):
    """A burst was not answered as it should be, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Node:
    """A gateway in its own process, and its database for looking at."""

    process: Child
    port: int
    db: Database

    async def until(self, done: Callable[[Connection], bool]) -> float:
        """Wait until its database says so; the time (monotonic, s)."""
        while not await self.db.read(done):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)  # another process's commits give no signal
        return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Inbound:
    """Fires bursts of `size` callbacks (`whole_size` where they go the whole way), every one unique and encrypted shortly before."""

    folder: Path
    size: int
    whole_size: int
    customers: int
    generator: Child
    bare_server: Child
    bare_port: int
    web: Node
    whole: Node
    oa: Account = field(default_factory=lambda: Account(APP_ID, ORIGINAL_ID))
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def bare(self) -> Measure:
        """aiohttp alone."""
        return await self._answered(self.bare_server, self.bare_port, "/hooks/oa")

    async def wechatpy(self) -> Measure:
        """aiohttp with wechatpy, nothing kept."""
        return await self._answered(self.bare_server, self.bare_port, "/wechatpy")

    async def accept(self) -> Measure:
        """Verified, decrypted, parsed, kept once and durably, acknowledged."""
        return await self._answered(self.web.process, self.web.port, "/hooks/oa")

    async def whole_way(self) -> Measure:
        """Accepted, understood, and the relay to the advisor committed; the clock stops when the inbox is empty."""
        node, before = self.whole, self.whole.process.cpu_s()
        burst = await self._fire(node.process, node.port, "/hooks/oa", self.whole_size)
        worked_off = await node.until(_inbox_is_empty)
        used = node.process.cpu_s() - before
        # What is left to send would slow the next burst.
        await node.until(_outbox_is_empty)
        rate = self.whole_size / (worked_off - burst["began"])
        return Measure(rate, used / self.whole_size, burst["p50_ms"], burst["p99_ms"])

    async def _answered(self, target: Child, port: int, path: str) -> Measure:
        before = target.cpu_s()
        burst = await self._fire(target, port, path, self.size)
        used = target.cpu_s() - before
        return Measure(burst["rate"], used / self.size, burst["p50_ms"], burst["p99_ms"])

    async def _fire(self, target: Child, port: int, path: str, size: int) -> dict[str, Any]:
        requests = [self._callback(path) for _ in range(size)]
        file = self.folder / "requests"
        await asyncio.to_thread(write_requests, file, requests)
        burst = await self.generator.ask(port=port, file=str(file), connections=CONNECTIONS)
        if burst["statuses"] != {"200": size}:
            raise BurstError(f"{path} was answered {burst['statuses']}, not {size} times 200; see {target.log}")
        return burst

    def _callback(self, path: str) -> bytes:
        sender = people.openid(next(self._numbers) % self.customers)
        signed = self.oa.text(sender, "这款红茶还有吗？想要两盒，周末来取")
        return http_post(HOST, f"{path}?{signed.target}", signed.body)


def _inbox_is_empty(tx: Connection) -> bool:
    return not tx.execute(select(exists().where(one_of(inbox.c.state, ACTIVE)))).scalar()


def _outbox_is_empty(tx: Connection) -> bool:
    waiting = exists().where(outbox.c.brand == people.BRAND, one_of(outbox.c.state, BLOCKING))
    return not tx.execute(select(waiting)).scalar()


async def prepare(folder: Path, customers: int, platform_url: str) -> tuple[Path, int, str]:
    """A database with people in it and the configuration of a node over it: its file, its port, its storage url."""
    folder.mkdir(mode=0o700)
    port = free_port()
    values = configuration(folder, port=port, internal_port=free_port(), emulator=platform_url)
    url: str = values["storage"]["url"]
    async with await Database.open(url, data_dir=folder, min_free_mb=1) as db:
        await people.bring_in(db, customers, host_clock())
    return write_configuration(folder / "config.yaml", values), port, url


@asynccontextmanager
async def node(folder: Path, name: str, roles: str, customers: int, platform_url: str) -> AsyncIterator[Node]:
    """A gateway as `advisor-gateway serve` runs it."""
    config, port, url = await prepare(folder / name, customers, platform_url)
    async with AsyncExitStack() as stack:
        serve = ("gateway", "serve", "--config", str(config), "--roles", roles)
        process = await stack.enter_async_context(child(folder, name, *serve))
        await process.listens(port)
        db = await Database.open_readonly(url)
        stack.push_async_callback(db.close)
        yield Node(process, port, db)


@asynccontextmanager
async def inbound(
    folder: Path, size: int, whole_size: int, customers: int, platform_url: str
) -> AsyncIterator[Inbound]:
    """Everything that takes callbacks, running."""
    async with AsyncExitStack() as stack:
        port = free_port()
        generator = await stack.enter_async_context(child(folder, "generator", "tests.load.generator"))
        bare = await stack.enter_async_context(child(folder, "bare", "tests.load.bare", str(port)))
        await bare.listens(port)
        web = await stack.enter_async_context(node(folder, "web", "web", customers, platform_url))
        whole = await stack.enter_async_context(node(folder, "whole", "web,inbox,outbox", customers, platform_url))
        yield Inbound(folder, size, whole_size, customers, generator, bare, port, web, whole)
