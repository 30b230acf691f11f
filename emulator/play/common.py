"""What the control face's handlers share: reading requests, answering, errors that say how to mend them."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from emulator.api import Upload
from emulator.core import Emulator
from emulator.told import Told
from emulator.world import OfficialAccount

EMULATOR = web.AppKey("emulator", Emulator)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PlayError(Exception):
    """Something asked of the control face that cannot be done; the message says why and how to mend it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the control face: its JSON or form fields, and a file when one came."""

    emulator: Emulator
    fields: dict[str, Any]
    origin: str
    upload: Upload | None = None

    def text(self, key: str) -> str:
        """A non-empty text. Raises PlayError naming the field."""
        value = self.fields.get(key)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise PlayError(400, "bad_field", f"{key}: expected text, found {value!r}")
        return str(value)

    def optional(self, key: str) -> str:
        """A text, empty when absent. Raises PlayError naming the field."""
        return self.text(key) if self.fields.get(key) not in (None, "") else ""

    def number(self, key: str) -> float:
        """A number, also written as text (forms). Raises PlayError naming the field."""
        value = self.fields.get(key)
        try:
            number = float(value) if isinstance(value, str | int | float) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise PlayError(400, "bad_field", f"{key}: expected a number, found {value!r}")
        return number

    def whole(self, key: str) -> int:
        """A whole number. Raises PlayError naming the field."""
        number = self.number(key)
        if number != int(number):
            raise PlayError(400, "bad_field", f"{key}: expected a whole number, found {number}")
        return int(number)

    def raw_fields(self) -> dict[str, Any]:
        """The XML fields of a `raw` act, under `fields` or `xml fields`. Raises PlayError."""
        fields = self.fields.get("xml fields", self.fields.get("fields"))
        if not isinstance(fields, dict) or not isinstance(fields.get("MsgType"), str):
            raise PlayError(400, "bad_field", "fields: expected an object with MsgType")
        return fields


async def read(request: web.Request) -> Request:
    """Read a request's body: JSON object, multipart form with `file`, or nothing. Raises PlayError."""
    emulator, origin = request.app[EMULATOR], str(request.url.origin())
    if request.content_type == "multipart/form-data":
        return await _read_form(request, emulator, origin)
    raw = await request.read()
    try:
        fields = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise PlayError(400, "bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise PlayError(400, "bad_json", "the body must be a JSON object")
    return Request(emulator, fields, origin)


async def _read_form(request: web.Request, emulator: Emulator, origin: str) -> Request:
    form = await request.post()
    file = form.get("file")
    fields = {key: value for key, value in form.items() if isinstance(value, str)}
    if not isinstance(file, web.FileField):
        return Request(emulator, fields, origin)
    return Request(emulator, fields, origin, Upload(file.filename, file.content_type, file.file.read()))


def official_account(emulator: Emulator, app_id: str) -> OfficialAccount:
    """The account of this app id; empty is the only one there is. Raises PlayError 404."""
    accounts = emulator.world.official_accounts
    found = emulator.world.account(app_id) or (accounts[0] if not app_id and len(accounts) == 1 else None)
    if found is None:
        known = ", ".join(one.app_id for one in accounts) or "none"
        raise PlayError(404, "unknown_account", f"account: the world file has {known}, found {app_id!r}")
    return found


async def answer_deed(request: web.Request, emulator: Emulator, told: Told) -> web.Response:
    """What a person's act led to; with `?wait=1` only once the callback's outcome is known."""
    await emulator.commit()
    facts: dict[str, Any] = {
        "msg_id": told.msg_id,
        "create_time": told.create_time,
        "delivery": told.delivery.id if told.delivery else None,
    }
    if told.delivery is not None and request.query.get("wait") == "1":
        await told.delivery.ended.wait()
        facts["attempts"] = [attempt.shown() for attempt in told.delivery.attempts]
        facts["delivered"] = bool(told.delivery.delivered)
    return answer(facts)


def answer(facts: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(facts), status=status, content_type="application/json", charset="utf-8")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a PlayError into `{"error": {"code", "message"}}`."""
    try:
        return await handler(request)
    except PlayError as error:
        return answer({"error": {"code": error.code, "message": str(error)}}, error.status)
