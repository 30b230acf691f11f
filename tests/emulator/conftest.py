"""Fixtures of the emulator's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.emulator.stand import Clock, Receiver, Stand, start

Starter = Callable[..., Awaitable[Stand]]


@pytest.fixture
def steady() -> Clock:
    """The emulator's source of time."""
    return Clock()


@pytest.fixture
async def receiver() -> Receiver:
    """What answers the callbacks."""
    return Receiver()


@pytest.fixture
async def receiver_url(receiver: Receiver) -> AsyncIterator[str]:
    """Where the callbacks go."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.take)
    server = TestServer(application)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def begin(tmp_path: Path, receiver_url: str, receiver: Receiver, steady: Clock) -> AsyncIterator[Starter]:
    """Starts emulators over the same directory; `mode` and changed limits may be given."""
    running: list[Stand] = []

    async def starter(**options: Any) -> Stand:
        url = options.pop("url", receiver_url)
        stand = await start(tmp_path, url, receiver, steady, **options)
        running.append(stand)
        return stand

    yield starter
    for stand in running:
        await stand.client.close()


@pytest.fixture
async def stand(begin: Starter) -> Stand:
    """A running emulator."""
    return await begin()
