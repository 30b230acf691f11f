"""Calling a platform: one request, one answer, and what a broken one means.

The question behind every failure is whether the platform may have done what was asked. Before the request is written it
cannot have: `Retry`. Afterwards nobody knows: `Unknown`, unless the call is `repeatable`. An access token travels in the
query, so no address is ever put into an error or a log line.
"""

import email.utils
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, TypeVar

import aiohttp
import orjson

from domain.calls import HOUR, MINUTE, SECOND
from gateway.channels.codes import Codes, Reaction, asks, judge
from gateway.channels.contract import MediaFile
from gateway.channels.errors import Refused, Retry, SendError, Unknown
from gateway.channels.tokens import Credentials
from gateway.channels.xml import clean

ANSWER_BYTES = 1024 * 1024
FILE_BYTES = 20 * 1024 * 1024

_TIMEOUT = aiohttp.ClientTimeout(connect=3, total=8)
_FILE_TIMEOUT = aiohttp.ClientTimeout(connect=3, total=30)
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
_CODE = re.compile(r"-?[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,20}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `api` is the path below the base and the name in blocks and logs; `repeatable` says that doing it twice is
    doing it once; `proof` names the key that stands for success where the platform sends no errcode."""

    api: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    file: MediaFile | None = None
    repeatable: bool = False
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers, and a body no longer than was allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """The way to one platform, over a session shared by all."""

    def __init__(self, session: aiohttp.ClientSession, base: str, codes: Codes, clock: Callable[[], int]) -> None:
        self._session = session
        self._base = base
        self._codes = codes
        self._clock = clock

    async def ask(self, request: Request, token: str = "") -> dict[str, Any]:
        """The platform's answer to a call, once it says that it succeeded. Raises SendError."""
        return self._success(request, await self._exchange(request, token, ANSWER_BYTES), token)

    async def download(self, request: Request, token: str) -> bytes:
        """The bytes of a file. An answer in JSON or text is an error, or a link that we do not follow. Raises SendError."""
        answer = await self._exchange(request, token, FILE_BYTES)
        if not answer.headers.get("Content-Type", "").startswith(("application/json", "text/")):
            return answer.body
        self._success(request, answer, token)
        raise Refused("no_file", f"{request.api} answered without a file")

    def _success(self, request: Request, answer: Answer, token: str) -> dict[str, Any]:
        values = _read_json(answer.body)
        code = _code(values, request.proof)
        if values is None or code is None:
            raise _uncertain(request, "answer_unreadable", "answered something that is no answer")
        message = clean(str(values.get("errmsg", "")))
        if token:
            message = message.replace(token, "***")
        problem = judge(self._codes, code, message, request.api, self._clock())
        if problem is not None:
            raise problem
        return values

    async def _exchange(self, request: Request, token: str, limit: int) -> Answer:
        outcome = await self._attempt(request, token, limit)
        # Raised out here, so that no traceback leads back to an error that knows the address.
        if isinstance(outcome, SendError):
            raise outcome
        problem = _refused_status(request, outcome, self._clock())
        if problem is not None:
            raise problem
        return outcome

    async def _attempt(self, request: Request, token: str, limit: int) -> Answer | SendError:
        try:
            async with self._session.request(
                "GET" if request.body is None and request.file is None else "POST",
                self._base + request.api,
                params={**request.query, "access_token": token} if token else request.query,
                data=_data(request),
                headers=None if request.file else _HEADERS,
                timeout=_TIMEOUT if limit == ANSWER_BYTES and request.file is None else _FILE_TIMEOUT,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, response.headers, await _read(response, limit))
        except _TooLargeError:
            return _uncertain(request, "answer_too_large", f"answered more than {limit} bytes")
        except orjson.JSONEncodeError:
            return Refused("wrong_characters", f"{request.api} was not asked: its words cannot be written as UTF-8")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _broken(request, error)


class Api:
    """A platform's api for one account: with its token, and with one new token when the platform refuses it."""

    def __init__(self, wire: Wire, codes: Codes, credentials: Credentials) -> None:
        self._wire = wire
        self._codes = codes
        self._credentials = credentials

    async def ask(self, request: Request) -> dict[str, Any]:
        """Like `Wire.ask`, with the account's token."""
        return await self._with_token(lambda token: self._wire.ask(request, token))

    async def download(self, request: Request) -> bytes:
        """Like `Wire.download`, with the account's token."""
        return await self._with_token(lambda token: self._wire.download(request, token))

    async def _with_token(self, call: Callable[[str], Awaitable[T]]) -> T:
        token = await self._credentials.get()
        try:
            return await call(token.value)
        except SendError as error:
            if not asks(self._codes, error, Reaction.REFRESH):
                raise
        renewed = await self._credentials.renew(token)
        return await call(renewed.value)


class _TooLargeError(Exception):
    pass


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > limit:
            raise _TooLargeError
    return bytes(body)


def _data(request: Request) -> bytes | aiohttp.FormData | None:
    if request.file is not None:
        form = aiohttp.FormData()
        form.add_field(
            "media", request.file.content, filename=request.file.name, content_type=request.file.content_type
        )
        return form
    return orjson.dumps(request.body) if request.body is not None else None


def _broken(request: Request, error: Exception) -> SendError:
    name = type(error).__name__
    if isinstance(error, aiohttp.ClientSSLError):
        return Retry("tls_refused", f"{request.api}: {name}", after_ms=MINUTE, block="*", alarm=True)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Retry("not_connected", f"{request.api}: {name}", after_ms=SECOND)
    return _uncertain(request, "connection_broken", f"broke off with {name}")


def _uncertain(request: Request, reason: str, what: str) -> SendError:
    message = f"{request.api} {what}"
    return Retry(reason, message, after_ms=SECOND) if request.repeatable else Unknown(reason, message)


def _refused_status(request: Request, answer: Answer, now: int) -> SendError | None:
    status = answer.status
    reason, message = f"http_{status}", f"{request.api} answered with status {status}"
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        # The query holds the token: it goes to the configured host and nowhere else.
        return Refused("redirected", message, alarm=True)
    if status == 429 or (status == 503 and "Retry-After" in answer.headers):
        return Retry(reason, message, after_ms=_retry_after(answer.headers, now), block=request.api)
    if status >= 500:
        return _uncertain(request, reason, f"answered with status {status}")
    return Refused(reason, message, alarm=True)


def _retry_after(headers: Mapping[str, str], now: int) -> int:
    text = headers.get("Retry-After", "").strip()
    wait_ms = int(text) * SECOND if _SECONDS.fullmatch(text) else _until(text, now)
    return max(SECOND, min(HOUR, wait_ms))


def _until(date: str, now: int) -> int:
    try:
        at = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return 5 * SECOND
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(aware.timestamp() * SECOND) - now


def _read_json(body: bytes) -> dict[str, Any] | None:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _code(values: Mapping[str, Any] | None, proof: str) -> int | None:
    if values is None:
        return None
    code = values.get("errcode")
    if code is None and "errcode" not in values:
        return 0 if proof and proof in values else None
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    return int(code) if isinstance(code, str) and _CODE.fullmatch(code) else None
