"""A house for each test: gateway and emulator on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """On SQLite."""
    opened = House(tmp_path)
    try:
        await opened.start()
        yield opened
    finally:
        await opened.stop()
