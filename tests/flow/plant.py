"""The three steps of the gateway around a channel of a few lines: what comes in, what is decided, what is called.

Handlers are replaced by an echo: every message is answered once, to whoever sent it. Workers run when a test says so.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, web
from sqlalchemy import Connection

from domain.actions import Action
from domain.calls import DAY, DUE_MS, Call, Lane, Outbound
from domain.context import Context, Fact
from domain.ids import AccountId, InboxId, MediaId, OutboxId, new_id
from domain.messages import Content, Image, Inbound, Kind, Text, WantedMedia
from domain.people import Account, Side
from domain.quota import PlatformRules
from gateway.channels.contract import Accepted, Handshake, MediaFile, RawRequest, RawResponse, Verified
from gateway.channels.errors import Malformed, Refused, Rejected, SendError
from gateway.http import new_app, new_runner
from gateway.inbox import InboxWorker, Meaning
from gateway.intake import Intake, Keep, keep_durably
from gateway.media import MediaFetcher, MediaGate, MediaStore
from gateway.outbox import Outbox, Sender
from gateway.telemetry import Metrics
from gateway.webhook import Webhook
from services.world import World
from storage.engine import Database
from storage.outbox import Promise, enqueue
from tests import builders
from tests.clock import FakeClock

BRAND = builders.BRAND
OA = Account(builders.OA, BRAND, "wechat", Side.CUSTOMER)
FREE = PlatformRules("wechat", text_bytes=2000)


@dataclass
class FakeChannel:
    """A platform that takes everything, unless a test says otherwise."""

    account: Account = OA
    side: Side = Side.CUSTOMER
    called: list[Call] = field(default_factory=list)
    answers: deque[SendError | Exception | Accepted] = field(default_factory=deque)
    before: Callable[[Call], Awaitable[None]] | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    fetch_problem: SendError | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def reaches(self, condition: Callable[[], bool]) -> None:
        """Wait until so much was called."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        query = dict(request.query)
        if query.get("signature") != "good":
            raise Rejected("signature")
        if "echo" in query:
            return Handshake(RawResponse(query["echo"].encode()))
        return Verified(request.body)

    def parse(self, verified: Verified, now: int) -> list[Inbound]:
        if verified.payload == b"nothing":
            raise Malformed("no message")
        return [self.event(one, now) for one in json.loads(verified.payload)]

    def event(self, values: dict[str, str], now: int) -> Inbound:
        """The event of `{"id", "from", "text" | "picture"}`."""
        sender, content = values["from"], self.content(values)
        media = (WantedMedia(content.media, values["picture"], "image"),) if isinstance(content, Image) else ()
        key = f"{self.account.id}:{sender}"
        return Inbound(self.account.id, Kind.MESSAGE, sender, values["id"], key, now, content, media=media)

    def content(self, values: dict[str, str]) -> Content:
        return Image(MediaId(f"m-{values['id']}")) if "picture" in values else Text(values["text"])

    def acknowledge(self, verified: Verified) -> RawResponse:
        return RawResponse(b"success")

    async def send(self, call: Call) -> Accepted:
        self.called.append(call)
        self._changed.set()
        if self.before is not None:
            await self.before(call)
        answer = self.answers.popleft() if self.answers else Accepted("id-1")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def apis(self, call: Call) -> tuple[str, ...]:
        return ("send",)

    async def fetch(self, origin: str) -> MediaFile:
        if self.fetch_problem is not None:
            raise self.fetch_problem
        if origin not in self.files:
            raise Refused("gone")
        return MediaFile(self.files[origin], "image/png", "x.png")

    async def check(self) -> str:
        return "well"

    @property
    def texts(self) -> list[str]:
        """What was called, in words."""
        contents = [call.content for call in self.called if isinstance(call, Outbound)]
        return [one.text if isinstance(one, Text) else f"<{type(one).__name__}>" for one in contents]


@dataclass(frozen=True, slots=True)
class EchoRoute:
    """Answers every message."""

    needs: frozenset[Fact] = frozenset()

    def run(self, context: Context) -> Sequence[Action]:
        return []


@dataclass(slots=True)
class Echo:
    """The meaning of events in these tests. `applied` are the events that were applied; `trouble` is raised by apply first."""

    applied: list[str] = field(default_factory=list)
    decided: int = 0
    trouble: deque[Exception] = field(default_factory=deque)
    poison: str = ""
    answers: bool = True

    def load(self, tx: Connection, world: World, inbound: Inbound, now: int) -> Context:
        account = world.accounts[inbound.account]
        return Context(now, world.brands[account.brand], account, inbound)

    def match(self, context: Context) -> EchoRoute:
        self.decided += 1
        return EchoRoute()

    def load_facts(self, tx: Connection, context: Context, needs: frozenset[Fact]) -> Context:
        return context

    def apply(
        self, tx: Connection, world: World, context: Context, actions: Sequence[Action], inbox_id: InboxId
    ) -> None:
        inbound = context.inbound
        if self.poison and inbound.dedup_key == self.poison:
            raise ValueError("this event is poison")
        if self.trouble:
            raise self.trouble.popleft()
        self.applied.append(inbound.dedup_key)
        if self.answers and inbound.content is not None:
            n = len(self.applied)
            enqueue(tx, [reply(inbound.sender, inbound.content, context.now, n=n)], context.now)

    @property
    def meaning(self) -> Meaning:
        return Meaning(self.load, self.match, self.load_facts, self.apply)


def reply(to: str, content: Content, now: int, *, n: int = 0, lane: Lane = Lane.TALK, stream: str = "") -> Promise:
    """A promise to say something."""
    return Promise(
        brand=BRAND,
        id=OutboxId(new_id(now)),
        account=OA.id,
        stream=stream or f"talk:{to}",
        n=n,
        lane=lane,
        recipient=to,
        call=Outbound(to, content),
        due_by=now + DUE_MS.get(lane, DAY),
        expires_at=now + DAY,
    )


@dataclass(slots=True)
class Plant:
    """Everything between the platform's callback and the platform's api."""

    db: Database
    clock: FakeClock
    folder: Path
    keep: Keep = keep_durably
    rules: PlatformRules = FREE
    channel: FakeChannel = field(default_factory=FakeChannel)
    echo: Echo = field(default_factory=Echo)
    metrics: Metrics = field(default_factory=Metrics)
    url: str = ""
    world: World = field(init=False)
    intake: Intake = field(init=False)
    inbox: InboxWorker = field(init=False)
    sender: Sender = field(init=False)
    outbox: Outbox = field(init=False)
    fetcher: MediaFetcher = field(init=False)

    def __post_init__(self) -> None:
        known = builders.world()
        self.world = World(known.brands, {OA.id: OA}, {"wechat": self.rules})
        self.inbox = InboxWorker(self.db, self.world, self.echo.meaning, self.metrics, self.wake)
        self.sender = self.new_sender()
        self.outbox = Outbox(self.db, {OA.id: self.sender}, self.world, self.metrics)
        store = MediaStore(self.folder / "media")
        self.fetcher = MediaFetcher(self.db, {OA.id: self.channel}, store, self.metrics, self.wake)
        self.intake = Intake(self.db, self.clock, self.metrics, lambda _: self.inbox.wakeup.set(), self.keep)

    def new_sender(self) -> Sender:
        """One more worker over the same rows, as on another node."""
        gate = MediaGate(self.world, lambda key, language: f"{key} in {language}")
        return Sender(self.db, self.channel, self.world, gate, self.clock, self.metrics, self.inbox.wakeup.set)

    def wake(self) -> None:
        self.sender.wake()

    async def arrives(self, number: int, text: str = "", sender: str = "o1", **more: str) -> None:
        """An event comes in, past the HTTP face."""
        values = {"id": f"msg:{number}", "from": sender, "text": text or f"text {number}", **more}
        await self.intake.accept(OA, [self.channel.event(values, self.clock.now)], "<raw/>")

    async def promise(self, *promises: Promise) -> None:
        """Put something into the outbox."""
        await self.db.write(lambda tx: enqueue(tx, promises, self.clock.now))

    async def work(self) -> None:
        """Let every worker do what there is to do now."""
        while await self.inbox.pump.once() + await self.fetcher.pump.once() + await self.send():
            pass

    async def send(self) -> int:
        """Let the outbox do what there is to do now."""
        return sum([await pump.once() for pump in self.sender.pumps.values()])

    async def callback(self, *events: dict[str, str], signature: str = "good") -> int:
        """The platform calls; the status it is answered."""
        async with ClientSession() as session:
            return await self.post(session, json.dumps(events).encode(), signature)

    async def post(self, session: ClientSession, body: bytes, signature: str = "good") -> int:
        async with session.post(f"{self.url}/hooks/oa?signature={signature}", data=body) as answer:
            await answer.read()
            return answer.status


@asynccontextmanager
async def listening(plant: Plant) -> AsyncIterator[Plant]:
    """The plant with its HTTP face on a free port."""
    hooks = Webhook({AccountId("oa"): plant.channel}, plant.intake, plant.clock, plant.metrics)
    application = new_app()
    application.add_routes(hooks.routes())
    runner = new_runner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    plant.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield plant
    finally:
        await runner.cleanup()
