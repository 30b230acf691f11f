"""Delivery of callbacks: signed anew for each attempt, with the platform's deadline, retries and judgement of answers."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from emulator.clock import Clock
from emulator.database import Row
from emulator.faults import Fault, Faults
from emulator.journal import Journal
from emulator.limits import Limits


class BadAnswer(ValueError):
    """A 200 whose body is neither empty, nor `success`, nor a reply the platform can read."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One request as it travels."""

    query: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Callback:
    """Something an account must be told.

    `seal` makes the request with a fresh timestamp, nonce and ciphertext; `read` turns the answer's body into the
    fields of a passive reply, None for "nothing to say", or raises BadAnswer; `answered` and `failed` are told the end.
    """

    platform: str
    account: str
    url: str
    sender: str
    what: str
    seal: Callable[[], Sealed]
    read: Callable[[bytes], dict[str, Any] | None]
    answered: Callable[[dict[str, Any]], None]
    failed: Callable[[], None]


@dataclass(slots=True)
class Attempt:
    """One request: the HTTP status (None when none came), the time it took, and what was wrong."""

    status: int | None
    ms: int
    error: str | None = None
    reply: dict[str, Any] | None = None
    final: bool = False

    @property
    def good(self) -> bool:
        """Whether the platform counts it as delivered."""
        return self.error is None

    def shown(self) -> dict[str, Any]:
        """The attempt as the control face tells it."""
        return {"status": self.status, "ms": self.ms, "error": self.error}


@dataclass(slots=True)
class Delivery:
    """A callback on its way: its attempts so far and, at last, whether it was delivered."""

    id: int
    at: int
    callback: Callback
    attempts: list[Attempt] = field(default_factory=list)
    delivered: bool | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def shown(self) -> dict[str, Any]:
        """The delivery as the control face tells it."""
        return {
            "id": self.id,
            "at": self.at,
            "platform": self.callback.platform,
            "account": self.callback.account,
            "from": self.callback.sender,
            "what": self.callback.what,
            "attempts": [attempt.shown() for attempt in self.attempts],
            "delivered": self.delivered,
        }


class Courier:
    """Delivers callbacks. Of one sender, the next leaves when the first attempt of the one before has been answered."""

    def __init__(
        self, clock: Clock, faults: Faults, limits: Limits, journal: Journal, next_id: Callable[[], int]
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._limits = limits
        self._journal = journal
        self._next_id = next_id
        self._lanes: dict[str, asyncio.Event] = {}
        self._held: dict[int, list[Delivery]] = {}
        self._open: dict[int, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def start(self, interrupted: list[dict[str, Any]]) -> None:
        """Open the client; the deliveries an earlier run left open are marked as not delivered."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200), cookie_jar=aiohttp.DummyCookieJar()
        )
        for body in interrupted:
            self._journal.row(Row("delivery", body["id"], "", "", {**body, "delivered": False}))

    async def stop(self) -> None:
        """Give up what is under way and close the client."""
        await self.drop_all()
        if self._http is not None:
            await self._http.close()

    async def drop_all(self) -> None:
        """Give up every delivery under way or held back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for delivery in self._open.values():
            delivery.ended.set()
        self._open.clear()
        self._held.clear()
        self._lanes.clear()

    def post(self, callback: Callback) -> Delivery:
        """Send a callback on its way and return at once."""
        delivery = Delivery(self._next_id(), self._clock.now(), callback)
        self._open[delivery.id] = delivery
        self._save(delivery, "open")
        hold = self._faults.for_callback("reorder", callback.platform, callback.sender)
        if hold is None:
            self._launch(delivery)
        else:
            self._hold(hold, delivery)
        return delivery

    def release(self, faults: list[Fault]) -> None:
        """Let go what orders that were taken back had held, in the order it came."""
        for fault in faults:
            for delivery in self._held.pop(fault.id, []):
                self._launch(delivery)

    def under_way(self, delivery_id: int) -> Delivery | None:
        """The delivery of this number while it has not ended."""
        return self._open.get(delivery_id)

    async def check(self, url: str, query: dict[str, str], deadline_ms: int) -> tuple[Attempt, bytes]:
        """One GET as the verification of a callback address makes it; the body tells whether it understood."""
        return await self._request("GET", url, query, b"", deadline_ms)

    def _hold(self, fault: Fault, delivery: Delivery) -> None:
        held = self._held.setdefault(fault.id, [])
        held.append(delivery)
        if len(held) >= (fault.value or 1) or fault.spent:
            for late in reversed(self._held.pop(fault.id)):
                self._launch(late)

    def _launch(self, delivery: Delivery) -> None:
        lane = f"{delivery.callback.account} {delivery.callback.sender}"
        before = self._lanes.get(lane)
        mine = self._lanes[lane] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._deliver(delivery, lane, before, mine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, lane: str, before: asyncio.Event | None, mine: asyncio.Event) -> None:
        try:
            if before is not None:
                await before.wait()
            await self._attempt(delivery)
        finally:
            mine.set()
            if self._lanes.get(lane) is mine:
                del self._lanes[lane]
        retries = self._limits[f"{delivery.callback.platform}.callback_retries"].value
        pause = self._limits[f"{delivery.callback.platform}.callback_pause"].value / 1000
        for _ in range(retries):
            if delivery.attempts[-1].final:
                break
            await asyncio.sleep(pause)
            await self._attempt(delivery)
        await self._end(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        callback = delivery.callback
        fault = self._faults.for_callback("duplicate", callback.platform, callback.sender)
        copies = int(fault.value or 1) if fault else 1
        attempts = await asyncio.gather(*(self._send(callback) for _ in range(copies)))
        delivery.attempts += sorted(attempts, key=lambda attempt: attempt.final and attempt.good)

    async def _send(self, callback: Callback) -> Attempt:
        deadline = self._limits[f"{callback.platform}.callback_deadline"].value
        sealed = callback.seal()
        attempt, body = await self._request("POST", callback.url, sealed.query, sealed.body, deadline)
        if attempt.error:
            return attempt
        attempt.final = True
        try:
            attempt.reply = callback.read(body)
        except BadAnswer as error:
            attempt.error = f"200, but {error}"
        return attempt

    async def _request(
        self, method: str, url: str, query: dict[str, str], body: bytes, deadline_ms: int
    ) -> tuple[Attempt, bytes]:
        if self._http is None:
            raise RuntimeError("the courier was not started")
        begun = time.monotonic()
        status, answer, error = None, b"", None
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                headers = {"Content-Type": "text/xml"} if body else {}
                async with self._http.request(
                    method, url, params=query, data=body or None, headers=headers, allow_redirects=False
                ) as response:
                    status = response.status
                    answer = await response.read()
        except TimeoutError:
            error = f"no answer within {deadline_ms} ms"
        except aiohttp.ClientError as problem:
            error = str(problem) or type(problem).__name__
        if error is None and status != 200:
            error = f"HTTP {status}"
        return Attempt(status, int((time.monotonic() - begun) * 1000), error), answer

    async def _end(self, delivery: Delivery) -> None:
        last = delivery.attempts[-1]
        delivery.delivered = last.good
        if last.reply is not None:
            delivery.callback.answered(last.reply)
        if not last.good:
            delivery.callback.failed()
        self._save(delivery, "")
        with contextlib.suppress(OSError):  # the journal has told about it; whoever waits must not wait for ever
            await self._journal.commit()
        del self._open[delivery.id]
        delivery.ended.set()

    def _save(self, delivery: Delivery, ref: str) -> None:
        self._journal.row(Row("delivery", delivery.id, "", ref, delivery.shown()))
