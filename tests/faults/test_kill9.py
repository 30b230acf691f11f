"""kill -9 under load: what was answered 200 is stored, once, whatever moment the process dies at."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from tests.configuration import APP_ID, configuration, free_port, write_configuration
from tests.driver import Account
from tests.evidence import keep_evidence

CLIENTS = 32
CYCLES = int(os.environ.get("ADVISOR_KILL_CYCLES", "10"))
SEED = int(os.environ.get("ADVISOR_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


@dataclass(slots=True)
class Gateway:
    """A gateway in its own process, to be killed."""

    directory: Path
    mutant: str = ""
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/oa"

    @property
    def database(self) -> Path:
        return self.directory / "gateway.db"

    async def start(self) -> None:
        values = configuration(self.directory, port=self.port, internal_port=free_port(), emulator="http://127.0.0.1:9")
        config = write_configuration(self.directory / "config.yaml", values)
        environment = {**os.environ, "GATEWAY_MUTANT": self.mutant}
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--roles", "web"]
        self.process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        await self._listening()

    async def _listening(self) -> None:
        for _ in range(3000):
            assert self.process is not None
            assert self.process.returncode is None, "the gateway did not start"
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise AssertionError("the gateway does not listen")

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def stored(self) -> Counter[str]:
        """Message ids in the inbox, and how often each."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT dedup_key FROM inbox").fetchall()
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        return Counter(key for (key,) in rows)


@dataclass(slots=True)
class Load:
    """Clients that post until the gateway dies, and remember what was answered 200."""

    url: str
    oa: Account = field(default_factory=lambda: Account(receive_id=APP_ID))
    acknowledged: set[str] = field(default_factory=set)
    sent: int = 0

    async def client(self, session: ClientSession, number: int) -> None:
        while True:
            self.sent += 1
            msg_id = str(8_000_000_000_000_000_000 + self.sent)
            signed = self.oa.text(f"o{number:027d}", f"第{self.sent}条", msg_id=msg_id)
            try:
                async with session.post(URL(f"{self.url}?{signed.target}", encoded=True), data=signed.body) as answer:
                    if answer.status == 200:
                        self.acknowledged.add(f"msg:{msg_id}")
            except (ClientError, OSError, TimeoutError):
                return

    async def until_dead(self, gateway: Gateway, seconds: float) -> None:
        async with ClientSession(timeout=ClientTimeout(total=10)) as session:
            clients = [asyncio.create_task(self.client(session, number)) for number in range(CLIENTS)]
            await asyncio.sleep(seconds)  # the fault's own timing: how long the load runs before the kill
            await gateway.kill()
            await asyncio.gather(*clients)


async def kill_cycles(directory: Path, cycles: int, mutant: str = "") -> tuple[int, int, int]:
    """Acknowledged, lost and doubled after `cycles` kills."""
    chance = random.Random(SEED)
    gateway = Gateway(directory, mutant)
    load = Load(gateway.url)
    for _ in range(cycles):
        await gateway.start()
        await load.until_dead(gateway, chance.uniform(0.1, 0.6))
    await gateway.start()
    await gateway.kill()
    stored = gateway.stored()
    return len(load.acknowledged), len(load.acknowledged - stored.keys()), sum(n > 1 for n in stored.values())


@pytest.mark.timeout(3000)
async def test_no_acknowledged_callback_is_lost(tmp_path: Path) -> None:
    acknowledged, lost, doubled = await kill_cycles(tmp_path, CYCLES)
    keep_evidence("kill9", seed=SEED, cycles=CYCLES, acknowledged=acknowledged, lost=lost, doubled=doubled)
    assert acknowledged > CYCLES * 10
    assert (lost, doubled) == (0, 0)


@pytest.mark.timeout(300)
async def test_the_mutant_that_acknowledges_before_the_commit_is_caught() -> None:
    with tempfile.TemporaryDirectory() as directory:
        _, lost, _ = await kill_cycles(Path(directory), 6, mutant="ack_before_commit")
    assert lost > 0
