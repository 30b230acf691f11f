"""From an empty folder to a working product, and once more with the data it had."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.configuration import free_port


class Demo:
    """A running demo and what it has printed."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.process = process
        self.printed: list[str] = []

    async def until_open(self) -> None:
        """Wait for the last line of what it prints."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.printed.append(line.decode().rstrip())
            if self.printed[-1].startswith("  Logs:"):
                return
        raise AssertionError("\n".join(self.printed))

    def address(self, of: str) -> str:
        """The address printed behind a word."""
        line = next(line for line in self.printed if line.strip().startswith(of))
        return line.split()[-1]


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[Demo]:
    command = [sys.executable, "-m", "gateway", "demo", "--data-dir", str(folder)]
    ports = ["--port", str(free_port()), "--emulator-port", str(free_port())]
    process = await asyncio.create_subprocess_exec(
        *command,
        *ports,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Demo(folder, process)
    try:
        await running.until_open()
        yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        running.printed += (await process.stdout.read()).decode().splitlines()
        assert await process.wait() == 0, "\n".join(running.printed)


async def ask(url: str, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def _emulator_pid(folder: Path) -> int:
    return int((folder / "emulator.pid").read_text(encoding="ascii"))


@pytest.mark.timeout(300)
async def test_a_fresh_folder_becomes_a_working_product_that_keeps_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    async with demo(folder) as first:
        stage = (await ask(f"{first.address('Stage')}play/state?light=1"))["customers"]
        assert len(stage) == 300
        posters = (await ask(f"{first.address('Stage')}play/state?light=1"))["posters"]
        assert "林小兰 · 上海静安寺店" in {poster["label"] for poster in posters}
        assert len(posters) == 12
        token = first.address("API token")
        api = first.address("API").removesuffix("/openapi.json")
        assert len((await ask(f"{api}/conversations?limit=200", token))["items"]) == 24
        assert [one["code"] for one in (await ask(f"{api}/templates", token))["items"]] == [
            "birthday",
            "new-arrival",
            "tea-evening",
        ]
        assert (await ask(f"{api}/check?accounts=true", token))["ok"] is True
        emulator = _emulator_pid(folder)
    assert first.printed[-1] == f"The demo has ended; its data stays in {folder}"
    assert not Path(f"/proc/{emulator}").exists()

    async with demo(folder) as second:
        assert second.address("API token") == token
        assert not [line for line in second.printed if "followers" in line]
        assert (
            len(
                (await ask(f"{second.address('API').removesuffix('/openapi.json')}/conversations?limit=200", token))[
                    "items"
                ]
            )
            == 24
        )
        keys = yaml.safe_load((folder / "secrets.yaml").read_text(encoding="utf-8"))
        assert keys["api_token"] == token
