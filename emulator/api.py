"""How a platform's API is served: read the call, let faults strike, check the token, answer after the ledger is safe."""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from emulator.core import Emulator
from emulator.faults import Fault
from emulator.world import Agent, OfficialAccount

log = logging.getLogger(__name__)

# Non-ASCII written as \uXXXX: the platform refuses it (ASCII control characters must be escaped in JSON, so they pass).
ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u(?!00[0-7])")
LARGEST_BODY = 32 * 1024 * 1024


class Refused(Exception):
    """The platform's answer to a call it does not accept."""

    def __init__(self, errcode: int, detail: str = "") -> None:
        super().__init__(errcode, detail)
        self.errcode = errcode
        self.detail = detail


class Missing(Exception):
    """Something that is answered with 404 and an empty body, like an unknown path."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The file of a multipart call."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class File:
    """An answer that is a file, not JSON."""

    content_type: str
    data: bytes
    name: str = ""


Account = OfficialAccount | Agent
Answer = dict[str, Any] | File


@dataclass(slots=True)
class Call:
    """One call as a platform sees it. `sender` is the account or app whose token it carries."""

    emulator: Emulator
    api: str
    query: Mapping[str, str]
    body: dict[str, Any]
    origin: str
    upload: Upload | None = None
    fault: str | None = None
    identified: Account | None = None

    @property
    def account(self) -> OfficialAccount:
        """The official account that calls."""
        if not isinstance(self.identified, OfficialAccount):
            raise TypeError("an official account's API was registered without its token")
        return self.identified

    @property
    def agent(self) -> Agent:
        """The app that calls."""
        if not isinstance(self.identified, Agent):
            raise TypeError("an app's API was registered without its token")
        return self.identified

    def text(self, key: str, missing: int) -> str:
        """A non-empty text of the body. Raises Refused with the errcode given."""
        value = self.body.get(key)
        if not isinstance(value, str) or not value:
            raise Refused(missing, f"missing {key}")
        return value

    def write(self, sender: Account, **facts: Any) -> None:
        """Put the call into the ledger as accepted."""
        self.emulator.write(sender, self.api, fault=self.fault, **facts)


@dataclass(frozen=True, slots=True)
class Api:
    """One API: its path below the face, its function, and the limits each call spends."""

    method: str
    path: str
    function: Callable[[Call], Answer]
    limits: tuple[str, ...] = ()
    token: bool = True


@dataclass(frozen=True, slots=True)
class Face:
    """What differs between platforms: where they live, who a token belongs to, what each errcode says."""

    platform: str
    errors: Mapping[int, str]
    identify: Callable[[Emulator, str | None], Account]
    subject: Callable[[Call], str]
    receivers: Callable[[dict[str, Any]], set[str]]
    raw_unicode: bool = False


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(emulator: Emulator, face: Face, api: Api) -> Handler:
    """The aiohttp handler of one API."""
    name = api.path.removeprefix("/cgi-bin/").removeprefix("/")

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            call = await _read(emulator, face, api, name, request)
            fault = emulator.faults.for_call(face.platform, name, face.receivers(call.body))
            if fault is not None and (spoiled := _spoil(request, face, fault)) is not None:
                return spoiled
            call.fault = fault.kind if fault else None
            answer = _run(call, face, api)
            await emulator.commit()
        except Refused as refusal:
            return _refusal(face, refusal)
        except Missing:
            return web.Response(status=404)
        except OSError as error:
            return _refusal(face, Refused(-1, str(error)))
        return await _respond(request, answer, fault)

    return handle


def _run(call: Call, face: Face, api: Api) -> Answer:
    if api.token:
        call.identified = face.identify(call.emulator, call.query.get("access_token"))
    now = call.emulator.clock.now()
    for name in api.limits:
        limit = call.emulator.limit(name)
        if not call.emulator.counters.spend(limit, face.subject(call), now):
            raise Refused(limit.errcode)
    return api.function(call)


async def _read(emulator: Emulator, face: Face, api: Api, name: str, request: web.Request) -> Call:
    if request.method != api.method:
        raise Refused(43002 if api.method == "POST" else 43001)
    call = Call(emulator, name, request.query, {}, str(request.url.origin()))
    if request.method == "GET":
        return call
    if request.content_type == "multipart/form-data":
        call.upload = await _read_upload(request)
        return call
    raw = await request.read()
    if face.raw_unicode and ESCAPED.search(raw):
        raise Refused(40033)
    call.body = _read_json(raw)
    return call


def _read_json(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise Refused(44002)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(47001, str(error)) from error
    if not isinstance(body, dict):
        raise Refused(47001, "expected an object")
    return body


async def _read_upload(request: web.Request) -> Upload | None:
    form = await request.post()
    part = form.get("media")
    if not isinstance(part, web.FileField):
        return None
    return Upload(part.filename, part.content_type, part.file.read())


def _spoil(request: web.Request, face: Face, fault: Fault) -> web.StreamResponse | None:
    """The answer of a fault that keeps the call from being accepted; None when it is accepted all the same."""
    value = int(fault.value or 0)
    if fault.kind == "status":
        return web.Response(status=value, text="")
    if fault.kind == "errcode":
        return _refusal(face, Refused(value))
    if fault.kind == "garbage":
        return web.Response(text="<html><body>502 Bad Gateway</body></html>", content_type="text/html")
    if fault.kind == "cut":
        return _cut(request)
    return None


async def _respond(request: web.Request, answer: Answer, fault: Fault | None) -> web.StreamResponse:
    if fault is not None and fault.kind == "accept_then_cut":
        return _cut(request)
    if fault is not None and fault.kind == "slow":
        await asyncio.sleep(fault.value or 0)
    if isinstance(answer, File):
        name = re.sub(r'["\\\x00-\x1f\x7f]', "_", answer.name)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
        return web.Response(body=answer.data, content_type=answer.content_type, headers=headers)
    return _json(answer)


def _refusal(face: Face, refusal: Refused) -> web.Response:
    words = face.errors.get(refusal.errcode, "unknown error")
    detail = f", {refusal.detail}" if refusal.detail else ""
    rid = "-".join(secrets.token_hex(4) for _ in range(3))
    return _json({"errcode": refusal.errcode, "errmsg": f"{words}{detail} rid: {rid}"})


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json", charset="utf-8")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
