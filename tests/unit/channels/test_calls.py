"""One call: what each answer means, above all when nothing may be asked twice."""

from __future__ import annotations

import socket
import traceback
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calls import HOUR, MINUTE, SECOND
from gateway.channels.calls import Request, Wire
from gateway.channels.errors import Refused, Retry, SendError, Unknown, WindowClosed
from gateway.channels.files import sniff
from gateway.channels.wechat.codes import CODES
from tests.clock import FakeClock
from tests.unit.channels.platform import HANG_UP, Platform, answer, code, raw

SAY = Request("/cgi-bin/message/custom/send", {"touser": "o1", "text": {"content": "你好 👍🏽"}})
AGAIN = Request("/cgi-bin/qrcode/create", {"a": 1}, repeatable=True, proof="ticket")
TOKEN = "tok-9f3a-secret"


@pytest.fixture
def wire(platform: Platform, session: aiohttp.ClientSession, clock: FakeClock) -> Wire:
    return Wire(session, platform.base, CODES, clock)


async def failure(wire: Wire, request: Request) -> SendError:
    with pytest.raises(SendError) as failed:
        await wire.ask(request, TOKEN)
    return failed.value


async def test_a_call_is_utf_8_json_with_the_token_in_the_query(wire: Wire, platform: Platform) -> None:
    assert await wire.ask(SAY, TOKEN) == {"errcode": 0, "errmsg": "ok"}
    [asked] = platform.asked
    assert (asked.method, asked.path, asked.query) == ("POST", SAY.api, {"access_token": TOKEN})
    assert asked.body == '{"touser":"o1","text":{"content":"你好 👍🏽"}}'.encode()
    assert asked.headers["content-type"] == "application/json; charset=utf-8"


async def test_half_a_character_is_refused_before_anything_is_asked(wire: Wire, platform: Platform) -> None:
    problem = await failure(wire, Request(SAY.api, {"content": "half \ud83d"}))
    assert (type(problem), problem.reason) == (Refused, "wrong_characters")
    assert platform.asked == []


SUCCESSES = [
    answer({"errcode": 0}),
    answer({"errcode": "0"}),
    answer({"errcode": 45081}),
    answer({"errcode": 0, "x": [1]}),
]


@pytest.mark.parametrize("good", SUCCESSES)
async def test_success_is_an_errcode_of_zero_or_one_as_good(wire: Wire, platform: Platform, good: bytes) -> None:
    platform.will_answer(good)
    await wire.ask(SAY)


async def test_where_the_platform_sends_no_errcode_the_proof_is_the_thing_asked_for(
    wire: Wire, platform: Platform
) -> None:
    platform.will_answer(answer({"ticket": "t"}), answer({"other": "t"}), answer({"errcode": None, "ticket": "t"}))
    assert await wire.ask(AGAIN) == {"ticket": "t"}
    assert isinstance(await failure(wire, AGAIN), Retry)
    assert isinstance(await failure(wire, AGAIN), Retry)


UNREADABLE = {
    "hang up": HANG_UP,
    "half a status line": b"HTT",
    "garbage": b"\x00\xff" * 50,
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "empty": raw(b""),
    "HTML": raw(b"<html>ok</html>", "Content-Type: text/html"),
    "truncated JSON": raw(b'{"errcode": 0'),
    "UTF-16": raw('{"errcode": 0}'.encode("utf-16")),
    "broken gzip": raw(b"\x1f\x8bxxxx", "Content-Encoding: gzip"),
    "NaN": raw(b'{"errcode": NaN}'),
    "a list": answer([{"errcode": 0}]),
    "a string": answer("ok"),
    "no errcode": answer({"errmsg": "ok"}),
    "errcode null": answer({"errcode": None}),
    "errcode true": answer({"errcode": True}),
    "errcode false": answer({"errcode": False}),
    "errcode 0.0": raw(b'{"errcode": 0.0}'),
    "errcode a list": answer({"errcode": [0]}),
    "errcode 'ok'": answer({"errcode": "ok"}),
    "errcode ''": answer({"errcode": ""}),
    "errcode in full width": answer({"errcode": "０"}),
    "too large": raw(b'{"errcode": 0, "x": "' + b"x" * 1024 * 1024 + b'"}'),
    "500": raw(b"", status="500 Oh"),
    "502": raw(b"", status="502 Oh"),
    "503 without Retry-After": raw(b"", status="503 Oh"),
}


@pytest.mark.parametrize("bad", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_answer_nobody_can_read_is_unknown_and_is_repeated_only_where_that_is_harmless(
    wire: Wire, platform: Platform, bad: bytes
) -> None:
    platform.will_answer(bad, bad)
    assert isinstance(await failure(wire, SAY), Unknown)
    assert isinstance(await failure(wire, AGAIN), Retry)
    assert len(platform.asked) == 2


async def test_an_endless_answer_is_cut_off(wire: Wire, platform: Platform) -> None:
    platform.will_answer(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 3_000_000)
    problem = await failure(wire, SAY)
    assert (type(problem), problem.reason) == (Unknown, "answer_too_large")


async def test_what_was_never_written_may_be_sent_again(session: aiohttp.ClientSession, clock: FakeClock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    refused = await failure(Wire(session, f"http://127.0.0.1:{port}", CODES, clock), SAY)
    assert (type(refused), refused.reason) == (Retry, "not_connected")


class Broken:
    """A session whose requests end in an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def request(self, *_: object, **__: object) -> object:
        raise self.error


WHERE: Any = ConnectionKey("host", 443, True, True, None, None, None)
BREAKS: list[tuple[Exception, type[SendError], str]] = [
    (aiohttp.ClientConnectorError(WHERE, OSError(111, "refused")), Retry, "not_connected"),
    (aiohttp.ClientConnectorDNSError(WHERE, OSError(-2, "no such name")), Retry, "not_connected"),
    (aiohttp.ConnectionTimeoutError("connect"), Retry, "not_connected"),
    (aiohttp.ClientConnectorSSLError(WHERE, OSError(1, "wrong version")), Retry, "tls_refused"),
    (aiohttp.ClientConnectorCertificateError(WHERE, Exception("expired")), Retry, "tls_refused"),
    (aiohttp.SocketTimeoutError("read"), Unknown, "connection_broken"),
    (aiohttp.ServerDisconnectedError(), Unknown, "connection_broken"),
    (aiohttp.ClientOSError(104, "reset"), Unknown, "connection_broken"),
    (aiohttp.ClientPayloadError("half"), Unknown, "connection_broken"),
    (TimeoutError(), Unknown, "connection_broken"),
    (ConnectionResetError(), Unknown, "connection_broken"),
]


@pytest.mark.parametrize(("error", "kind", "reason"), BREAKS)
async def test_a_broken_connection_may_be_repeated_only_before_the_request_was_written(
    clock: FakeClock, error: Exception, kind: type[SendError], reason: str
) -> None:
    wire = Wire(Broken(error), "http://host", CODES, clock)  # type: ignore[arg-type]
    problem = await failure(wire, SAY)
    assert (type(problem), problem.reason) == (kind, reason)
    harmless = await failure(wire, AGAIN)
    assert (type(harmless), harmless.reason) == (Retry, reason)


async def test_a_wrong_certificate_stops_the_account_and_calls_a_person(clock: FakeClock) -> None:
    error = aiohttp.ClientConnectorCertificateError(WHERE, Exception("expired"))
    problem = await failure(Wire(Broken(error), "http://host", CODES, clock), SAY)  # type: ignore[arg-type]
    assert isinstance(problem, Retry)
    assert (problem.block, problem.alarm) == ("*", True)


async def test_a_redirect_is_never_followed(wire: Wire, platform: Platform) -> None:
    platform.will_answer(raw(b"", f"Location: {platform.base}/elsewhere", status="302 Found"))
    problem = await failure(wire, SAY)
    assert isinstance(problem, Refused)
    assert problem.alarm
    assert platform.paths() == [SAY.api]


@pytest.mark.parametrize("status", ["400 Bad", "403 No", "404 Where", "413 Large"])
async def test_a_refused_request_is_final_and_wants_a_person(wire: Wire, platform: Platform, status: str) -> None:
    platform.will_answer(raw(b"", status=status))
    problem = await failure(wire, SAY)
    assert isinstance(problem, Refused)
    assert problem.alarm


WAITS = [
    ("30", 30 * SECOND),
    ("0", SECOND),
    ("-5", 5 * SECOND),
    ("1000000000", HOUR),
    ("9" * 20, HOUR),
    ("9" * 5000, 5 * SECOND),
    ("soon", 5 * SECOND),
    ("", 5 * SECOND),
    ("Mon, 21 Sep 2026 14:18:20 GMT", 5 * MINUTE),
    ("Mon, 21 Sep 2026 14:18:20", 5 * MINUTE),
    ("Mon, 21 Sep 2020 14:18:20 GMT", SECOND),
    ("Mon, 21 Sep 2099 14:18:20 GMT", HOUR),
]


@pytest.mark.parametrize(("header", "wait_ms"), WAITS)
@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
async def test_a_busy_platform_is_left_alone_as_long_as_it_asks(
    wire: Wire, platform: Platform, status: str, header: str, wait_ms: int
) -> None:
    platform.will_answer(raw(b"", f"Retry-After: {header}", status=status))
    problem = await failure(wire, SAY)
    assert isinstance(problem, Retry)
    assert (problem.after_ms, problem.block) == (wait_ms, SAY.api)


@pytest.mark.parametrize(
    ("errcode", "kind", "reason"),
    [
        (-1, Retry, "busy"),
        ("45015", WindowClosed, "window_closed"),
        (45047, WindowClosed, "window_used_up"),
        (40003, Refused, "unknown_person"),
        (987654, Refused, "unknown_code"),
        (2**70, Unknown, "answer_unreadable"),
    ],
)
async def test_an_errcode_means_what_the_table_says(
    wire: Wire, platform: Platform, errcode: object, kind: type[SendError], reason: str
) -> None:
    platform.will_answer(code(errcode))
    problem = await failure(wire, SAY)
    assert (type(problem), problem.reason) == (kind, reason)


BREAKING = [
    *UNREADABLE.values(),
    raw(b"", status="302 Found"),
    raw(b"", status="404 No"),
    code(40001, f"{TOKEN} expired"),
]


@pytest.mark.parametrize("bad", BREAKING)
async def test_no_error_knows_the_token_or_the_address(wire: Wire, platform: Platform, bad: bytes) -> None:
    platform.will_answer(bad)
    problem = await failure(wire, SAY)
    told = (
        "".join(traceback.format_exception(problem, chain=True)) + repr(problem.__context__) + repr(problem.__cause__)
    )
    assert TOKEN not in told
    assert "access_token" not in told
    assert str(platform.port) not in told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(noise=st.binary(max_size=200))
async def test_noise_in_an_answer_is_a_send_error_and_nothing_else(
    wire: Wire, platform: Platform, noise: bytes
) -> None:
    platform.will_answer(raw(noise), noise)
    assert isinstance(await failure(wire, SAY), Unknown)
    assert isinstance(await failure(wire, SAY), SendError)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
GET = Request("/cgi-bin/media/get", query={"media_id": "../x?access_token=y&z\r\n"}, repeatable=True, proof="video_url")


async def test_a_file_is_bytes_and_its_id_is_only_ever_a_parameter(wire: Wire, platform: Platform) -> None:
    platform.will_answer(raw(PNG, "Content-Type: image/png"))
    assert await wire.download(GET, TOKEN) == PNG
    [asked] = platform.asked
    assert (asked.method, asked.path) == ("GET", "/cgi-bin/media/get")
    assert asked.query == {**GET.query, "access_token": TOKEN}


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (code(40007), Refused, "media_gone"),
        (raw(b'{"errcode":40007,"errmsg":"x"}', "Content-Type: text/plain"), Refused, "media_gone"),
        (answer({"video_url": "http://x/y"}), Refused, "no_file"),
        (answer({"errcode": 0}), Refused, "no_file"),
        (raw(b"<html>", "Content-Type: text/html"), Retry, "answer_unreadable"),
        (raw(b"x" * (20 * 1024 * 1024 + 1)), Retry, "answer_too_large"),
    ],
    ids=["code", "code as text", "video", "success", "HTML", "too large"],
)
async def test_what_is_no_file_is_an_error(
    wire: Wire, platform: Platform, said: bytes, kind: type[SendError], reason: str
) -> None:
    platform.will_answer(said)
    with pytest.raises(kind) as failed:
        await wire.download(GET, TOKEN)
    assert failed.value.reason == reason


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"#!AMR\n\x3c", "audio/amr"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"<svg onload=alert(1)>", "application/octet-stream"),
        (b"<html>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(content: bytes, content_type: str) -> None:
    assert sniff(content) == content_type
