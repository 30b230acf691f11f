"""Operations over HTTP: who asks, reading query and body, answering with JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from orjson import dumps
from pydantic import BaseModel

from console.api.errors import (
    STATUS,
    MalformedError,
    MethodError,
    TooLargeError,
    UnauthorizedError,
    UnsupportedError,
    as_problem,
    body_of,
)
from console.api.json import read_json
from console.api.operation import AnyOperation, Asked, Desk
from domain.access import Caller
from domain.errors import InvalidError, NotFoundError, ProblemError
from services.access_tokens import authenticate

PREFIX = "/api/v1"
MAX_BODY = 1024 * 1024
BODY_SECONDS = 10.0
MAX_KEY = 128

Door = Callable[[web.Request], Awaitable[Caller]]
"""Lets a request in, or raises UnauthorizedError."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def bearer(desk: Desk) -> Door:
    """The door for everybody: a living API token. It is looked up at each request, so a revoked one ends at once."""

    async def let_in(request: web.Request) -> Caller:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            raise UnauthorizedError
        caller = await desk.db.read(lambda tx: authenticate(tx, secret.strip(), desk.clock()))
        if caller is None:
            raise UnauthorizedError
        return caller

    return let_in


def routes_of(operations: Sequence[AnyOperation], desk: Desk, door: Door) -> list[web.RouteDef]:
    """The routes of all operations, and one behind them for whatever else is asked under the prefix."""
    routes = [
        web.route(operation.method, PREFIX + operation.path, _handler(operation, desk, door))
        for operation in operations
    ]
    paths = sorted({operation.path for operation in operations})
    return [*routes, *(web.route("*", PREFIX + path, _wrong_method) for path in paths), _nothing_else(door)]


def _handler(operation: AnyOperation, desk: Desk, door: Door) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            caller = await door(request)
            asked = Asked(
                caller=caller,
                query=operation.query.model_validate(_query(request)),
                body=await _body(operation, request),
                path=dict(request.match_info),
                idempotency_key=_idempotency_key(request),
            )
            result = await operation.answer(desk, asked)
            return _json(operation.status, result.model_dump_json().encode())
        except Exception as error:
            return refusal(as_problem(error))

    return handle


def _query(request: web.Request) -> Mapping[str, str]:
    values = dict(request.query)
    if len(values) < len(request.query):
        raise InvalidError("a query parameter is there twice")
    return values


async def _body(operation: AnyOperation, request: web.Request) -> BaseModel:
    model: type[BaseModel] = operation.body
    if not operation.takes_body:
        return model()
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedError("the body must be plain application/json")
    return model.model_validate(read_json(await _content(request)))


async def _content(request: web.Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while chunk := await request.content.readany():
                content += chunk
                if len(content) > MAX_BODY:
                    raise TooLargeError(f"the body is over {MAX_BODY:,} bytes")
    except (web.RequestPayloadError, ConnectionError, TimeoutError):
        raise MalformedError("the body was cut off, or took too long") from None
    return bytes(content)


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise InvalidError(f"1 to {MAX_KEY} printable ASCII characters", field="Idempotency-Key")
    return key


def _json(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(
        status=status, body=body, content_type="application/json", charset="utf-8", headers={**fixed, **(headers or {})}
    )


def refusal(problem: ProblemError) -> web.Response:
    """An error as a response."""
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(problem, UnauthorizedError) else None
    return _json(STATUS.get(problem.code, 422), dumps(body_of(problem)), headers)


def document(content: Mapping[str, Any]) -> Handler:
    """A handler that answers a fixed JSON document to anybody."""
    body = dumps(content)

    async def handle(request: web.Request) -> web.StreamResponse:
        return _json(200, body)

    return handle


async def _wrong_method(request: web.Request) -> web.StreamResponse:
    return refusal(MethodError(f"{request.method} is not known here"))


def _nothing_else(door: Door) -> web.RouteDef:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            await door(request)
            raise NotFoundError("there is nothing at this address")
        except Exception as error:
            return refusal(as_problem(error))

    return web.route("*", PREFIX + "/{tail:.*}", handle)
