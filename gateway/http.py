"""The HTTP face: one map from errors to answers, limits on what may be read, headers that belong on every answer.

Nothing here ever answers 500 or shows a trace: what went wrong inside is in the log, under the id the caller gets.
"""

import asyncio
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from domain.errors import ProblemError
from storage.errors import StorageError

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOOK_BYTES = 64 * 1024
BODY_SECONDS = 5.0
IDLE_SECONDS = 10.0
"""For a connection without a complete request: idle ones, and those that send their headers drop by drop."""

STATUS: Mapping[str, int] = {
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "conflict": 409,
    "too_large": 413,
    "unsupported_encoding": 415,
    "too_many": 429,
    "unavailable": 503,
}
"""What each code of an error is in HTTP; a code that is missing here is answered 400."""

_MESSAGES: Mapping[int, tuple[str, str]] = {
    400: ("invalid", "the request cannot be read"),
    401: ("unauthorized", "sign in first"),
    403: ("forbidden", "you may not do this"),
    404: ("not_found", "there is nothing here"),
    405: ("method_not_allowed", "this address does not take this method"),
    408: ("timeout", "the request took too long to arrive"),
    413: ("too_large", "the request is larger than allowed here"),
    415: ("unsupported_encoding", "send the body as it is, without Content-Encoding"),
    417: ("invalid", "send the request without Expect"),
}

_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def problem(code: str, message: str, field: str | None = None) -> web.Response:
    """An error as the API shows it: `{"error": {"code", "message", "field"?}}`."""
    error = {"code": code, "message": message} | ({"field": field} if field else {})
    body = orjson.dumps({"error": error})
    return web.Response(body=body, status=STATUS.get(code, 400), content_type="application/json", charset="utf-8")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into one answer."""
    try:
        _refuse_odd(request)
        return await handler(request)
    except ProblemError as error:
        return problem(error.code, error.message, error.field)
    except web.HTTPException as error:
        return _of_aiohttp(error)
    except StorageError as error:
        log.warning("storage_failed", path=request.path, error=str(error))
        return problem("unavailable", "nothing was stored; try again in a moment")
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        reference = secrets.token_hex(6)
        log.exception("request_failed", path=request.path, method=request.method, reference=reference)
        return problem("unavailable", f"this did not work, and it is our fault; the log has it as {reference}")


def _refuse_odd(request: web.Request) -> None:
    # An absolute address in the request line is for proxies, which this is not.
    if not request.raw_path.startswith("/"):
        raise web.HTTPBadRequest
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType


def _of_aiohttp(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        raise error
    if error.status >= 500:
        return problem("unavailable", "this did not work; try again in a moment")
    code, message = _MESSAGES.get(error.status, ("invalid", "the request cannot be answered"))
    answer = problem(code, message)
    answer.set_status(error.status)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    if error.status in (408, 413, 415, 417):
        # Whatever is left of the body is not going to be read.
        answer.force_close()
    return answer


async def read_body(request: web.Request, limit: int = HOOK_BYTES, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body, at most `limit` bytes, within `seconds`. Raises the HTTP error to answer with (413, 408, 400)."""
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    if request.content_length and request.content.is_eof():
        # All of it came with the headers, as nearly every callback does: nothing to wait for.
        return request.content.read_nowait()
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, ValueError):
        raise web.HTTPBadRequest from None
    return bytes(body)


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """Where a request comes from: the peer, or what trusted proxies say, read from the right up to the first stranger."""
    address = request.remote or ""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while _is_within(address, trusted) and forwarded:
        claimed = forwarded.pop().strip()
        if not _is_address(claimed):
            break
        address = claimed
    return address


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "advisor-gateway"


def new_app(*middlewares: Middleware) -> web.Application:
    """An application with our error answers and headers; `middlewares` run inside them."""
    app = web.Application(middlewares=[answer_errors, *middlewares], client_max_size=1024 * 1024)
    app.on_response_prepare.append(_add_headers)
    return app


def new_runner(app: web.Application) -> web.AppRunner:
    """A runner with our limits. A client that goes away never cancels a handler: what it sent is still kept."""
    return web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=1.0,
        auto_decompress=False,
        handler_cancellation=False,
        shutdown_timeout=5.0,
    )
