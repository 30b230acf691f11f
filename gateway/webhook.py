"""Step 1: a callback becomes rows in the inbox, and only then the platform hears "success"."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiohttp import web

from domain.ids import AccountId
from domain.messages import Inbound, Kind
from gateway.channels.contract import Channel, Handshake, RawRequest, RawResponse, Verified
from gateway.channels.errors import Malformed, Rejected
from gateway.http import Network, client_address, read_body
from gateway.intake import Intake
from gateway.telemetry import Metrics
from storage.errors import StorageError

log = structlog.get_logger(__name__)

ACCEPT_SECONDS = 3.0
"""Platforms wait 5 s for their answer, then they ask again: better a clear "not now" before that."""

_RAW_CHARS = 64 * 1024


class Webhook:
    """`GET|POST /hooks/{account}` for every configured account."""

    def __init__(
        self,
        channels: Mapping[AccountId, Channel],
        intake: Intake,
        clock: Callable[[], int],
        metrics: Metrics,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._channels = channels
        self._intake = intake
        self._clock = clock
        self._metrics = metrics
        self._proxies = proxies

    def routes(self) -> list[web.RouteDef]:
        """Where the platforms call."""
        path = "/hooks/{account}"
        return [web.get(path, self.handle, allow_head=False), web.post(path, self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one callback."""
        channel = self._channels.get(AccountId(request.match_info["account"]))
        if channel is None:
            raise web.HTTPNotFound
        started = time.monotonic()
        answer, response = await self._answer(channel, await self._read(request))
        self._metrics.callbacks.labels(channel.account.id, answer).inc()
        self._metrics.accept_seconds.labels(channel.account.id).observe(time.monotonic() - started)
        return response

    async def _read(self, request: web.Request) -> RawRequest:
        body = await read_body(request) if request.method == "POST" else b""
        query = tuple(request.query.items())
        return RawRequest(request.method, query, body, client_address(request, self._proxies))

    async def _answer(self, channel: Channel, request: RawRequest) -> tuple[str, web.Response]:
        now = self._clock()
        try:
            verified = self._verify(channel, request, now)
            if isinstance(verified, Handshake):
                return "handshake", _respond(verified.response)
            events = self._parse(channel, verified, now)
        except Rejected as error:
            self._metrics.rejected.labels(channel.account.id, error.why).inc()
            log.debug("callback_rejected", account=channel.account.id, why=error.why, remote=request.remote)
            return "rejected", _line(401, "rejected")
        except Malformed as error:
            log.info("callback_malformed", account=channel.account.id, error=str(error))
            return "malformed", _line(400, "malformed")
        if not await self._keep(channel, events, verified):
            return "unavailable", _line(503, "not now")
        return "accepted", _respond(channel.acknowledge(verified))

    def _verify(self, channel: Channel, request: RawRequest, now: int) -> Verified | Handshake:
        try:
            return channel.verify(request, now)
        except (Rejected, Malformed):
            raise
        except Exception as error:
            # A fault of ours must not tell a forger more than any other refusal.
            log.exception("callback_not_verified", account=channel.account.id)
            raise Rejected("internal_error") from error

    def _parse(self, channel: Channel, verified: Verified, now: int) -> Sequence[Inbound]:
        try:
            return channel.parse(verified, now)
        except Malformed:
            raise
        except Exception:
            # Genuine, so it must not be lost to a fault of ours: kept raw, for a person to look at.
            log.exception("callback_unreadable", account=channel.account.id)
            return [_unreadable(channel.account.id, verified, now)]

    async def _keep(self, channel: Channel, events: Sequence[Inbound], verified: Verified) -> bool:
        raw = verified.payload.decode("utf-8", "replace")[:_RAW_CHARS]
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                await self._intake.accept(channel.account, events, raw)
        except (StorageError, TimeoutError) as error:
            log.error("callback_not_kept", account=channel.account.id, error=str(error) or "storage took too long")
            return False
        return True


def _unreadable(account: AccountId, verified: Verified, now: int) -> Inbound:
    digest = hashlib.sha256(verified.payload).hexdigest()
    return Inbound(account, Kind.UNPARSED, "", f"unreadable:{digest}", f"unreadable:{account}", now)


def _respond(response: RawResponse) -> web.Response:
    return web.Response(body=response.body, content_type=response.content_type, charset="utf-8")


def _line(status: int, text: str) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/plain")
