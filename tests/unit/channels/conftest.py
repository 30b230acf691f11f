"""A platform that plays along, and an HTTP session to reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.unit.channels.platform import Platform, playing


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """A platform of a few lines."""
    async with playing() as platform:
        yield platform


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The HTTP session all channels share."""
    async with aiohttp.ClientSession() as session:
        yield session
