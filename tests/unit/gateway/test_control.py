"""The control socket: for its owner alone, in however deep a folder, after however bad an end."""

from __future__ import annotations

import socket
from pathlib import Path
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from gateway.control import FILE_NAME, ControlSocket, operator_of, short_path


async def who(request: web.Request) -> web.Response:
    return web.Response(text=operator_of(request) or "a stranger")


async def ask(data_dir: Path) -> str:
    with short_path(data_dir) as address:
        connector = aiohttp.UnixConnector(path=address)
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://node/who") as response:
            return await response.text()


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A data directory whose path is longer than a socket's may be."""
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    return folder


async def test_it_serves_its_owner_and_goes_away(deep: Path) -> None:
    control = ControlSocket(deep, [web.get("/who", who)])
    await control.start()
    assert (deep / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert (await ask(deep)).startswith("local:")
    await control.stop()
    assert not (deep / FILE_NAME).exists()


async def test_the_socket_of_a_dead_node_is_replaced(tmp_path: Path) -> None:
    left_behind = socket.socket(socket.AF_UNIX)
    with short_path(tmp_path) as address:
        left_behind.bind(address)
    left_behind.close()
    control = ControlSocket(tmp_path, [web.get("/who", who)])
    await control.start()
    assert (await ask(tmp_path)).startswith("local:")
    await control.stop()


async def test_another_user_is_a_stranger(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path, [web.get("/who", who)])
    await control.start()
    with patch("gateway.control._peer_user", return_value=12345):
        assert await ask(tmp_path) == "a stranger"
    await control.stop()
