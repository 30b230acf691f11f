"""The emulator as a process of its own: starting, stopping, being killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from emulator.__main__ import main
from tests.emulator.stand import KEY

WORLD = f"""
official_accounts:
  - {{app_id: wx1, secret: s, original_id: gh_1, name: 林间茶, token: T, encoding_aes_key: {KEY}}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with a world file."""
    (tmp_path / "world.yaml").write_text(WORLD, encoding="utf-8")
    return tmp_path


def options(files: Path, port: int = 0) -> list[str]:
    return ["--world", str(files / "world.yaml"), "--data-dir", str(files / "data"), "--port", str(port)]


@contextlib.asynccontextmanager
async def running(files: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, aiohttp.ClientSession]]:
    """A process that has said where it listens, and a client for it; killed at the end when it still lives."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emulator", *options(files), stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    try:
        said = re.fullmatch(r"emulator: listening on (http://\S+)\n", (await process.stdout.readline()).decode())
        assert said
        async with aiohttp.ClientSession(said[1]) as http:
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_sigterm_stops_cleanly_and_streams_do_not_hold_it_up(files: Path) -> None:
    async with running(files) as (process, http), http.get("/play/events") as stream:
        assert await stream.content.readline() == b": listening\n"
        process.send_signal(signal.SIGTERM)
        await stream.read()  # raises when the stream was torn off instead of ended
        assert await process.wait() == 0


async def test_what_was_answered_survives_kill_9(files: Path) -> None:
    answered = 0
    async with running(files) as (process, http):
        wanted = {"count": 20, "following": True, "grant": "message"}
        openids = (await (await http.post("/play/customers", json=wanted)).json())["openids"]
        token = await (await http.get("/wechat/cgi-bin/token", params=asking())).json()

        async def send(openid: str) -> None:
            nonlocal answered
            body = {"touser": openid, "msgtype": "text", "text": {"content": "hello"}}
            query = {"access_token": token["access_token"]}
            with contextlib.suppress(aiohttp.ClientError):
                while True:
                    answer = await (
                        await http.post("/wechat/cgi-bin/message/custom/send", json=body, params=query)
                    ).json()
                    if answer["errcode"]:
                        return
                    answered += 1
                    if answered == 50:
                        process.kill()

        await asyncio.gather(*(send(openid) for openid in openids))
        await process.wait()
    lines = [json.loads(line) for line in (files / "data" / "ledger.jsonl").read_text().splitlines()]
    assert sum(line["api"] == "message/custom/send" for line in lines) >= answered >= 50
    async with running(files) as (_, http):
        state = await (await http.get("/play/state")).json()
    assert sum(len(customer["thread"]) for customer in state["customers"]) >= answered


def asking() -> dict[str, str]:
    return {"grant_type": "client_credential", "appid": "wx1", "secret": "s"}


@pytest.mark.parametrize("world", ["official_accounts: 7", "{"])
def test_a_bad_world_file_is_told_in_one_line(files: Path, world: str, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "world.yaml").write_text(world)
    assert main(options(files)) == 2
    assert "world.yaml: " in capsys.readouterr().err


def test_a_taken_port_is_told_in_one_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(options(files, int(taken.getsockname()[1]))) == 2
    assert "address already in use" in capsys.readouterr().err.lower()
