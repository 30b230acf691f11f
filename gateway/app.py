"""The composition root: builds a node from its configuration and roles, starts it in order, stops it in reverse.

The only file that sees every room; nothing is decided here.
"""

import asyncio
import importlib
import ipaddress
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import aiohttp
import structlog
from aiohttp import web

import handlers
from console import app as console
from domain.ids import AccountId
from domain.messages import Inbound
from gateway.accounts import AccountChecks, open_channels
from gateway.channels.contract import Channel
from gateway.channels.deps import Deps
from gateway.channels.tokens import TokenDesk
from gateway.channels.uploads import Uploads
from gateway.control import ControlSocket, operator_of
from gateway.health import Health
from gateway.http import new_app, new_runner
from gateway.inbox import InboxWorker, Meaning
from gateway.intake import Intake, Keep, keep_durably
from gateway.media import Library, MediaFetcher, MediaGate, MediaStore
from gateway.outbox import Outbox, Sender
from gateway.runner import Crew, Pump
from gateway.settings import Config, Role
from gateway.telemetry import Metrics
from gateway.webhook import Webhook
from scheduler.clock import Clock
from scheduler.jobs import JOBS
from services import apply, receive
from storage import inbox
from storage.calls import Traffic
from storage.clock import host_clock
from storage.engine import Database, now
from templates.catalogue import say

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0
MEANING = Meaning(receive.load, handlers.match, receive.load_facts, apply.apply)


class Gateway:
    """One node. `clock` (ms) replaces every clock in a test; without it the database's own clock decides what is due."""

    def __init__(
        self,
        config: Config,
        roles: Sequence[Role] | None = None,
        *,
        clock: Callable[[], int] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.config = config
        self.roles = frozenset(roles or config.roles)
        self.world = config.world()
        self.metrics = Metrics()
        self._database_clock = clock
        self._clock = clock or host_clock
        self._keep = _keeper(environment)
        self._running = AsyncExitStack()
        self._deadline = 0.0
        self.started = asyncio.Event()
        self.stopping = asyncio.Event()

    async def start(self) -> None:
        """Start in order. When a step fails, those before it are undone in reverse and its error is raised."""
        async with AsyncExitStack() as stack:
            await self._open_storage(stack)
            await self._open_accounts(stack)
            self._build()
            await self._listen(stack, "internal", self.health.routes())
            await self._start_work(stack)
            await self._open_doors(stack)
            stack.callback(self._announce_stop)
            self._running = stack.pop_all()
        self.started.set()
        log.info("started", roles=sorted(self.roles), accounts=sorted(self.channels), url=self.config.public_url)

    async def stop(self, grace_s: float = DRAIN_SECONDS) -> None:
        """Take on nothing more, finish what is in hand within `grace_s`, close. Safe to call twice."""
        self._deadline = asyncio.get_running_loop().time() + grace_s
        await self._running.aclose()
        log.info("stopped")

    async def run_until_stopped(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Start, serve until `stop` is set or a part fails, then drain; `hurry` cuts the draining short.

        Raises what start or the failing part raised.
        """
        await self.start()
        try:
            await self._until(stop)
        finally:
            await self._stop_unless_hurried(hurry or asyncio.Event())

    async def _until(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        failing = asyncio.create_task(self._crew.failure())
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if failing.done():
            await failing
        failing.cancel()

    async def _stop_unless_hurried(self, hurry: asyncio.Event) -> None:
        stopping = asyncio.create_task(self.stop())
        hurrying = asyncio.create_task(hurry.wait())
        await asyncio.wait({stopping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not stopping.done():
            log.warning("stopping_at_once")
            self._deadline = 0.0
            # Ends the wait it is in; the steps after it still run, and none of them waits any more.
            stopping.cancel()
        with suppress(asyncio.CancelledError):
            await stopping

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    async def _open_storage(self, stack: AsyncExitStack) -> None:
        self.db = await Database.open(
            self.config.storage.url.get_secret_value(),
            data_dir=self.config.data_dir,
            clock=self._database_clock,
            min_free_mb=self.config.storage.min_free_mb,
        )
        stack.push_async_callback(self.db.close)
        for note in self.db.notes:
            log.warning("storage_note", note=note)

    async def _open_accounts(self, stack: AsyncExitStack) -> None:
        # Idle connections are dropped early: one the platform has closed meanwhile would cost an `unknown`.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=5.0)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        stack.push_async_callback(session.close)
        self.store = MediaStore(self.config.media_folder)
        self.library = Library(self.db, self.store)
        uploads = Uploads(self.db, self.library.read)
        stack.push_async_callback(uploads.close)
        tokens = TokenDesk(self.db, secrets_key(self.config), clock=self._clock)
        deps = Deps(session, tokens, uploads, self._clock)
        self.channels: Mapping[AccountId, Channel] = open_channels(self.config, self.world, deps)

    def _build(self) -> None:
        self.inbox = InboxWorker(self.db, self.world, MEANING, self.metrics, self._talk_queued)
        self.fetcher = MediaFetcher(self.db, self.channels, self.store, self.metrics, self._talk_queued)
        gate = MediaGate(self.world, say)
        senders = {
            account: Sender(self.db, channel, self.world, gate, self._clock, self.metrics, self.inbox.wakeup.set)
            for account, channel in self.channels.items()
        }
        self.outbox = Outbox(self.db, senders, self.world, self.metrics)
        self.intake = Intake(self.db, self._clock, self.metrics, self._events_arrived, self._keep)
        self.health = Health(self.db, self.intake, self.metrics, self._clock)
        self.scheduler = Clock(self.db, self.world, JOBS, self._pushes_queued)

    async def _start_work(self, stack: AsyncExitStack) -> None:
        self._crew = Crew()
        stack.push_async_callback(self._crew.stop)
        if self.config.is_sqlite:
            await self.db.write(lambda tx: inbox.release_all(tx, now(tx)))
            await self.outbox.take_over()
        if "outbox" in self.roles:
            self._crew.start("outbox:watch", self.outbox.watch())
            self._pump(stack, self.outbox.pumps())
        if "inbox" in self.roles:
            self._pump(stack, [self.inbox.pump, self.fetcher.pump])
        if "scheduler" in self.roles:
            self.scheduler.start()
            stack.push_async_callback(self.scheduler.stop)

    def _pump(self, stack: AsyncExitStack, pumps: Sequence[Pump[Any]]) -> None:
        for pump in pumps:
            self._crew.start(pump.name, pump.run())

        async def drain() -> None:
            await asyncio.gather(*(pump.stop(self._seconds_left()) for pump in pumps))

        stack.push_async_callback(drain)

    async def _open_doors(self, stack: AsyncExitStack) -> None:
        checks = AccountChecks(self.channels)
        if self.config.is_sqlite:
            local = console.local_routes(self.db, self.world, self._clock, self.wake, operator_of, checks)
            control = ControlSocket(self.config.data_dir, local)
            await control.start()
            stack.push_async_callback(control.stop)
        if "web" in self.roles:
            proxies = [ipaddress.ip_network(text) for text in self.config.server.trusted_proxies]
            hooks = Webhook(self.channels, self.intake, self._clock, self.metrics, proxies)
            # The console's pages join here.
            api = console.routes(self.db, self.world, self._clock, self.wake, checks)
            await self._listen(stack, "public", [*hooks.routes(), *api])

    async def _listen(self, stack: AsyncExitStack, which: str, routes: Sequence[web.RouteDef]) -> None:
        server = self.config.server
        host, port = (server.host, server.port) if which == "public" else (server.internal_host, server.internal_port)
        application = new_app()
        application.add_routes(routes)
        runner = new_runner(application)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            key = "server.port" if which == "public" else "server.internal_port"
            raise CannotListenError(
                f"{key}: cannot listen on {host}:{port} ({error.strerror}): choose another"
            ) from error

    def _announce_stop(self) -> None:
        self.health.draining = True
        self.stopping.set()
        self._crew.let_go()

    def _events_arrived(self, events: Sequence[Inbound]) -> None:
        self.inbox.wakeup.set()
        if any(event.media for event in events):
            self.fetcher.wakeup.set()

    def _talk_queued(self) -> None:
        # Also wakes the inbox: what was done lets its order key go on.
        self.outbox.wake(Traffic.TALK)
        self.inbox.wakeup.set()

    def _pushes_queued(self) -> None:
        self.outbox.wake(Traffic.PUSH)

    def wake_outbox(self) -> None:
        """Rows of any kind were added to the outbox."""
        self.outbox.wake()

    def wake(self) -> None:
        """Somebody changed something by hand: look everywhere."""
        self.wake_outbox()
        self.inbox.wakeup.set()
        if "scheduler" in self.roles:
            self.scheduler.wake()


class CannotListenError(Exception):
    """An address is taken, or not ours; the message names the key and the way out."""


def _keeper(environment: Mapping[str, str]) -> Keep:
    """How events are kept: durably. For tests alone, GATEWAY_MUTANT names a broken way of tests/faults/mutants.py, to prove
    that the fault tests would notice it; an installed gateway has no such module and refuses to start."""
    mutant = environment.get("GATEWAY_MUTANT", "")
    if not mutant:
        return keep_durably
    log.critical("mutant", name=mutant, warning="this node is broken on purpose: events may be lost")
    return cast(Keep, getattr(importlib.import_module("tests.faults.mutants"), mutant))


def secrets_key(config: Config) -> str:
    """The configured key, or the one in data_dir, made at the first start."""
    if config.secrets_key is not None:
        return config.secrets_key.get_secret_value()
    path = config.data_dir / "secrets.key"
    if path.exists() and (key := path.read_text(encoding="ascii").strip()):
        return key
    draft = path.with_name("secrets.key.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        key = secrets.token_hex(32)
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return key
