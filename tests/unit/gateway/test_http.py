"""The HTTP face alone: every error has one answer, no answer has a trace, and every answer has its headers."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import make_mocked_request

from domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, ProblemError
from gateway.http import client_address, new_app, new_runner, read_body
from storage.errors import Conflict, Unavailable


class TeapotError(ProblemError):
    """A code that the map does not know."""

    code = "teapot"


RAISED: dict[str, tuple[Exception, int, str]] = {
    "invalid": (InvalidError("no such name", field="name"), 400, "invalid"),
    "missing": (NotFoundError("not here"), 404, "not_found"),
    "conflict": (ConflictError("changed"), 409, "conflict"),
    "forbidden": (ForbiddenError("no"), 403, "forbidden"),
    "teapot": (TeapotError("short"), 400, "teapot"),
    "storage": (Unavailable("the disk at /var/lib is full"), 503, "unavailable"),
    "stale": (Conflict("x"), 503, "unavailable"),
    "bug": (KeyError("secret detail"), 503, "unavailable"),
    "aiohttp": (web.HTTPInternalServerError(text="secret detail"), 503, "unavailable"),
}


async def _raise(request: web.Request) -> web.Response:
    raise RAISED[request.match_info["which"]][0]


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await read_body(request, limit=10, seconds=0.05))


async def _own(_request: web.Request) -> web.Response:
    return web.Response(text="x", headers={"Content-Security-Policy": "default-src 'self'"})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server with a few routes."""
    application = new_app()
    application.add_routes([web.get("/raise/{which}", _raise), web.post("/echo", _echo), web.get("/own", _own)])
    runner = new_runner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.mark.parametrize("which", RAISED)
async def test_every_error_has_its_answer(url: str, http: ClientSession, which: str) -> None:
    error, status, code = RAISED[which]
    async with http.get(f"{url}/raise/{which}") as answer:
        assert answer.status == status
        said = (await answer.json())["error"]
    assert said["code"] == code
    assert (
        "Traceback" not in said["message"] and "secret detail" not in said["message"] and "/var" not in said["message"]
    )
    if isinstance(error, ProblemError):
        assert said["message"] == error.message
        assert said.get("field") == error.field


async def test_unknown_addresses_have_one_answer(url: str, http: ClientSession) -> None:
    bodies = set()
    for path in ("/", "/nowhere", "/ECHO", "/echo/", "/%2e%2e/etc/passwd", "/api/v1/nothing"):
        async with http.get(url + path) as answer:
            assert answer.status in (404, 405)
            bodies.add(await answer.read())
    assert len(bodies) == 1


async def test_a_wrong_method_names_the_right_ones(url: str, http: ClientSession) -> None:
    async with http.put(f"{url}/echo") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(("body", "status"), [(b"x" * 10, 200), (b"x" * 11, 413), (b"", 200)])
async def test_a_body_has_a_greatest_length(url: str, http: ClientSession, body: bytes, status: int) -> None:
    async with http.post(f"{url}/echo", data=body) as answer:
        assert answer.status == status


async def test_a_body_without_a_length_has_the_same_limit(url: str, http: ClientSession) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"xxxx"

    async with http.post(f"{url}/echo", data=endless()) as answer:
        assert answer.status == 413


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip"])
async def test_compressed_bodies_are_not_opened(url: str, http: ClientSession, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    async with http.post(
        f"{url}/echo", data=b"junk", headers=headers, skip_auto_headers=["Content-Encoding"]
    ) as answer:
        assert answer.status == 415


async def _raw(url: str, request: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_body_that_never_ends_is_cut(url: str) -> None:
    answer = await _raw(url, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 408")


async def test_an_absolute_address_is_for_proxies(url: str) -> None:
    answer = await _raw(url, b"GET http://elsewhere.example/own HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


async def test_every_answer_has_its_headers_and_pages_may_set_their_own(url: str, http: ClientSession) -> None:
    for path in ("/own", "/nowhere", "/raise/bug"):
        async with http.get(url + path) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "advisor-gateway"
            expected = "default-src 'self'" if path == "/own" else "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers["Content-Security-Policy"] == expected


PROXY = [ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_network("::1/128")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("1.2.3.4", "9.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "not-an-address", "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9, junk", "10.0.0.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("", "9.9.9.9", ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str, address: str) -> None:
    request = make_mocked_request("POST", "/", headers={"X-Forwarded-For": forwarded} if forwarded else {})
    request = request.clone(remote=peer)
    assert client_address(request, PROXY) == address
