"""A platform of a few lines: answers what it was told to, byte for byte, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

HANG_UP = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


Answerer = Callable[[Asked], bytes]


@dataclass(slots=True)
class Platform:
    """Answers in the order of `answers`; afterwards `otherwise` decides. An empty answer hangs up."""

    answers: deque[bytes] = field(default_factory=deque)
    otherwise: Answerer = lambda _: answer({"errcode": 0, "errmsg": "ok"})
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    gate: asyncio.Event | None = None

    @property
    def base(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def will_answer(self, *answers: bytes) -> None:
        """Line up answers."""
        self.answers.extend(answers)

    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [asked.path for asked in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            if self.gate is not None:
                await self.gate.wait()
            writer.write(self.answers.popleft() if self.answers else self.otherwise(asked))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *rest = head.split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in rest if item)}
    if headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urllib.parse.urlsplit(target)
    return Asked(method, url.path, dict(urllib.parse.parse_qsl(url.query)), headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def raw(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer with this body."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def answer(values: object, *headers: str, status: str = "200 OK") -> bytes:
    """An answer in JSON."""
    return raw(json.dumps(values).encode(), "Content-Type: application/json; charset=utf-8", *headers, status=status)


def code(errcode: object, errmsg: str = "no") -> bytes:
    """An answer with an error code."""
    return answer({"errcode": errcode, "errmsg": errmsg})


@asynccontextmanager
async def playing() -> AsyncIterator[Platform]:
    """A platform that listens on a free port."""
    platform = Platform()
    server = await asyncio.start_server(platform.serve, "127.0.0.1", 0)
    platform.port = server.sockets[0].getsockname()[1]
    async with server:
        yield platform
