"""Pushes, ours and bare, from one process: `python -m tests.load.pusher CONFIG PLATFORM_URL`.

Takes jobs as JSON lines (children.py): `{"what": "ours" | "bare", "count", "people"}`. Ours are outbox rows in state queued, sent by
the gateway's own sender and channel, with every outcome committed; bare is aiohttp's client posting one constant body.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection, exists, func, select

from domain.calls import BLOCKING
from gateway.app import Gateway
from gateway.config import load
from gateway.outbox import SLOTS
from gateway.telemetry import set_up_logs
from storage.calls import Traffic
from storage.clock import host_clock
from storage.leases import one_of
from storage.tables.queue import outbox
from tests.load import loops, people
from tests.load.children import serve_jobs

_BODY = json.dumps(
    {"touser": people.openid(1), "msgtype": "text", "text": {"content": "新茶到店，周末来坐坐？"}}
).encode()
_LOOK_S = 0.02
CONCURRENCY = SLOTS[Traffic.PUSH]


class Pusher:
    """Sends bursts one way or the other."""

    def __init__(self, gateway: Gateway, session: aiohttp.ClientSession, url: str) -> None:
        self._gateway = gateway
        self._session = session
        self._url = f"{url}/bare?access_token=a-token-for-the-bench"
        self._sent = 0

    async def work(self, job: dict[str, Any]) -> dict[str, Any]:
        """One burst: how many went out a second, and the CPU time of this process for it."""
        count = job["count"]
        if job["what"] == "ours":
            await people.hold_pushes(self._gateway.db, count, job["people"], host_clock())
        began, cpu = time.monotonic(), time.process_time()
        await (self._ours(count) if job["what"] == "ours" else self._bare(count))
        elapsed, used = time.monotonic() - began, time.process_time() - cpu
        return {"rate": count / elapsed, "cpu_s": used}

    async def _ours(self, count: int) -> None:
        db = self._gateway.db
        await db.write(people.let_go)
        self._gateway.wake_outbox()
        while await db.read(_any_open):  # noqa: ASYNC110 - a look at every commit would be measured, too
            await asyncio.sleep(_LOOK_S)
        self._sent += count
        accepted = await db.read(_accepted)
        if accepted != self._sent:
            raise RuntimeError(f"{self._sent} pushes were queued and {accepted} accepted")

    async def _bare(self, count: int) -> None:
        numbers = iter(range(count))
        await asyncio.gather(*(self._post(numbers) for _ in range(CONCURRENCY)))

    async def _post(self, numbers: Iterator[int]) -> None:
        for _ in numbers:
            async with self._session.post(self._url, data=_BODY) as answer:
                await answer.read()


def _any_open(tx: Connection) -> bool:
    return bool(
        tx.execute(select(exists().where(outbox.c.brand == people.BRAND, one_of(outbox.c.state, BLOCKING)))).scalar()
    )


def _accepted(tx: Connection) -> int:
    mine = (outbox.c.brand == people.BRAND, outbox.c.state == "accepted")
    return int(tx.execute(select(func.count()).select_from(outbox).where(*mine)).scalar_one())


async def serve(config: Path, url: str) -> None:
    """Take jobs until the parent goes away."""
    set_up_logs(level="WARNING")
    gateway = Gateway(load(config), ["outbox"])
    await gateway.start()
    try:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            await serve_jobs(Pusher(gateway, session, url).work)
    finally:
        await gateway.stop()


if __name__ == "__main__":
    loops.run(serve(Path(sys.argv[1]), sys.argv[2]))
