"""A running emulator for tests: its world, its clock, a receiver of callbacks, and short ways to call each face."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from emulator import app, limits, world, xml
from emulator.crypto import Envelope

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
START_S = 1_790_000_000.0  # 2026-09-21 22:13:20 in UTC+8: more than an hour before midnight there
SECRET = "oa-secret"
WORK_SECRET = "work-secret"
LIMITS = limits.load()

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Clock:
    """Seconds that stand still until a test moves them."""

    seconds: float = START_S

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Received:
    """One callback request as it arrived."""

    path: str
    query: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The clear fields; for an encrypted body those around the ciphertext."""
        return xml.parse(self.body)

    def opened(self, envelope: Envelope) -> dict[str, Any]:
        """The fields inside the ciphertext, after every check."""
        ciphertext = self.fields["Encrypt"]
        query = self.query
        return xml.parse(envelope.open(query["msg_signature"], query["timestamp"], query["nonce"], ciphertext))


async def success(request: web.Request) -> web.StreamResponse:
    """The answer of a receiver that has nothing to say."""
    return web.Response(text="success")


def status(code: int) -> Answer:
    """The answer of a receiver in trouble."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code)

    return answer


def text(body: str) -> Answer:
    """An answer with this body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    return answer


@dataclass(slots=True)
class Receiver:
    """The callback address of the accounts: keeps what arrives, answers with `answers` in turn and then `otherwise`."""

    otherwise: Answer = success
    answers: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Keep the request and answer it."""
        async with self._arrived:
            self.received.append(Received(request.path, dict(request.query), await request.read()))
            self._arrived.notify_all()
        answer = self.answers.pop(0) if self.answers else self.otherwise
        return await answer(request)

    async def until(self, count: int) -> list[Received]:
        """Wait until so many requests have arrived."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received


def make_world(url: str, mode: str = "safe") -> world.World:
    """Two official accounts and one corp of three members and two apps, all told at `url`; `url` "" is nowhere."""
    account = {"secret": SECRET, "token": "T", "encoding_aes_key": KEY, "mode": mode}
    agent = {"token": "W", "encoding_aes_key": KEY}
    oa, work = (f"{url}/hooks/oa", f"{url}/hooks/work") if url else ("", "")
    first = {"app_id": "wx1", "original_id": "gh_1", "name": "林间茶", "wechat_id": "linjian", "callback_url": oa}
    other = {"app_id": "wx2", "original_id": "gh_2", "name": "山月", "callback_url": oa}
    agents = [
        {"agent_id": 1000002, "secret": WORK_SECRET, "name": "专属顾问", "callback_url": work, **agent},
        {"agent_id": 1000003, "secret": "other-secret", "name": "通知", **agent},
    ]
    members = [{"user_id": name, "name": name} for name in ("Lan", "hui", "min")]
    corp = {"corp_id": "ww1", "name": "林间茶", "members": members, "agents": agents}
    return world.parse({"official_accounts": [{**account, **first}, {**account, **other}], "corps": [corp]})


def quick(**values: int) -> dict[str, limits.Limit]:
    """The limits with retries that follow at once, and whatever else a test changes."""
    changes = {"wechat__callback_pause": 0, "wecom__callback_pause": 0, **values}
    return limits.changed(LIMITS, **changes)


@dataclass(slots=True)
class Stand:
    """One running emulator."""

    client: TestClient[web.Request, web.Application]
    clock: Clock
    receiver: Receiver
    world: world.World
    directory: Path

    async def wechat(self, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Call the official account face: POST with a body, else GET. A path from `/` is not below `cgi-bin`."""
        return await self._call(f"/wechat{path}" if path.startswith("/") else f"/wechat/cgi-bin/{path}", body, query)

    async def wecom(self, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Call the WeCom face: POST with a body, else GET."""
        return await self._call(f"/wecom/cgi-bin/{path}", body, query)

    async def token(self, app_id: str = "wx1") -> str:
        """The stable token of an official account."""
        wanted = {"grant_type": "client_credential", "appid": app_id, "secret": SECRET}
        return str((await self.wechat("stable_token", wanted))["access_token"])

    async def work_token(self, secret: str = WORK_SECRET) -> str:
        """The token of an app of the corp."""
        return str((await self.wecom("gettoken", corpid="ww1", corpsecret=secret))["access_token"])

    async def customer(self, **facts: Any) -> str:
        """A new customer of wx1 who follows and has just written, unless `facts` say otherwise."""
        wanted = {"account": "wx1", "following": True, "grant": "message", **facts}
        return str((await self.play("customers", wanted))["openid"])

    async def send(self, openid: str, msgtype: str = "text", **branch: Any) -> dict[str, Any]:
        """A customer-service message."""
        body = {"touser": openid, "msgtype": msgtype, msgtype: branch or {"content": "你好"}}
        return await self.wechat("message/custom/send", body, access_token=await self.token())

    async def notify(self, touser: str, msgtype: str = "text", more: Any = None, **branch: Any) -> dict[str, Any]:
        """A message of the app 1000002 to members."""
        body = {"touser": touser, "agentid": 1000002, "msgtype": msgtype, msgtype: branch or {"content": "你好"}}
        return await self.wecom("message/send", {**body, **(more or {})}, access_token=await self.work_token())

    async def play(self, path: str, body: Any = None, *, expect: int = 200, **query: str) -> Any:
        """POST to the control face."""
        response = await self.client.post(f"/play/{path}", json=body or {}, params=query)
        assert response.status == expect, await response.text()
        return await response.json()

    async def act(self, path: str, body: Any = None, *, wait: bool = True) -> Any:
        """An act of a person; waits for the callback's outcome."""
        return await self.play(path, body, wait="1" if wait else "0")

    async def view(self, path: str, **query: str) -> Any:
        """GET from the control face."""
        response = await self.client.get(f"/play/{path}", params=query)
        assert response.status == 200, await response.text()
        return await response.json()

    async def ledger(self, api: str = "") -> list[dict[str, Any]]:
        """The ledger's lines, of one API when it is named."""
        lines: list[dict[str, Any]] = (await self.view("ledger"))["lines"]
        return [line for line in lines if api in ("", line["api"])]

    async def thread(self, openid: str) -> list[dict[str, Any]]:
        """The messages on a customer's phone."""
        return list((await self.view(f"customers/{openid}/thread"))["thread"])

    async def member_thread(self, user_id: str = "Lan", agent_id: str = "1000002") -> list[dict[str, Any]]:
        """The messages of an app on a member's phone."""
        return list((await self.view(f"members/{user_id}/thread", agent_id=agent_id))["thread"])

    async def _call(self, path: str, body: Any, query: dict[str, str]) -> dict[str, Any]:
        if body is None:
            response = await self.client.get(path, params=query)
        else:
            raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
            response = await self.client.post(path, data=raw, params=query)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def start(
    directory: Path, receiver_url: str, receiver: Receiver, clock: Clock, *, mode: str = "safe", **values: int
) -> Stand:
    """Start an emulator on a free port; the caller closes `client`."""
    played = make_world(receiver_url, mode)
    client = TestClient(TestServer(app.build(played, directory, clock, quick(**values))))
    await client.start_server()
    return Stand(client, clock, receiver, played, directory)
