"""Changes as server-sent events, for the page."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiohttp import web

from emulator.play.common import EMULATOR

HEARTBEAT_S = 15.0


async def events(request: web.Request) -> web.StreamResponse:
    """`GET /play/events`: one JSON object per change, a comment as heartbeat. Ends when the listener lags too far."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with request.app[EMULATOR].events.listen() as queue:
        await response.write(b": listening\n\n")
        async for change in _changes(queue):
            await response.write(b": beat\n\n" if change is None else b"data: " + orjson.dumps(change) + b"\n\n")
    return response


async def _changes(queue: "asyncio.Queue[dict[str, Any] | None]") -> AsyncIterator[dict[str, Any] | None]:
    """The changes until the end of the queue; None when nothing happened for a while."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                change = await queue.get()
        except TimeoutError:
            yield None
            continue
        if change is None:
            return
        yield change
