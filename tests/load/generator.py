"""A closed-loop load generator: ready-made requests over some kept-alive connections, answers counted by status.

Its own process, so that it has the other core: `python -m tests.load.generator` takes jobs as JSON lines (children.py),
`{"port", "file", "connections"}`, and answers each with a `Burst`.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from tests.load import loops
from tests.load.children import serve_jobs

HOST = "127.0.0.1"
_LENGTH = struct.Struct(">I")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Burst:
    """What came of one job: requests a second, answers by status, latency in ms, and when it began (monotonic, s)."""

    rate: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    began: float


def write_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Keep requests in a file, each behind its length."""
    with path.open("wb") as file:
        for request in requests:
            file.write(_LENGTH.pack(len(request)) + request)


def read_requests(path: Path) -> Iterator[bytes]:
    """The requests of a file."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


def http_post(host: str, target: str, body: bytes) -> bytes:
    """One POST as bytes."""
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last is complete."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[str], latencies: list[float]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._latencies = latencies
        self._buffer = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = _CONTENT_LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        self._statuses[head[9:12].decode()] += 1
        self._latencies.append(time.perf_counter() - self._sent_at)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def send_next(self) -> None:
        """Send the next request, or close when there is none left."""
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def fire(port: int, requests: Sequence[bytes], connections: int) -> Burst:
    """Send everything over connections that are open before the clock starts."""
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    waiting = iter(requests)
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(waiting, statuses, latencies), HOST, port))[1]
        for _ in range(connections)
    ]
    began = time.monotonic()
    for connection in opened:
        connection.send_next()
    await asyncio.gather(*(connection.done for connection in opened))
    elapsed = time.monotonic() - began
    statuses["lost"] = len(requests) - statuses.total()
    latencies.sort()
    return Burst(
        rate=len(latencies) / elapsed,
        statuses={status: count for status, count in statuses.items() if count},
        p50_ms=1000 * _share(latencies, 0.5),
        p99_ms=1000 * _share(latencies, 0.99),
        began=began,
    )


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[int(len(ordered) * share)] if ordered else 0.0


async def _work(job: dict[str, Any]) -> dict[str, Any]:
    requests = list(read_requests(Path(job["file"])))
    return asdict(await fire(job["port"], requests, job["connections"]))


if __name__ == "__main__":
    loops.run(serve_jobs(_work))
