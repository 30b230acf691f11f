"""The emulator as a process of its own, which ends with the demo."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from gateway.demo.house import House
from storage.errors import Unavailable

_DATA = "emulator"
_PID_FILE = "emulator.pid"
_START_S = 30.0
_STOP_S = 10.0
_LOOK_EVERY_S = 0.05


@asynccontextmanager
async def emulator(house: House) -> AsyncIterator[None]:
    """The emulator, from when it answers until the context ends. Raises Unavailable when it does not come up."""
    data, pid_file = house.folder / _DATA, house.folder / _PID_FILE
    data.mkdir(exist_ok=True)
    process = await _start(house, data)
    try:
        pid_file.write_text(str(process.pid), encoding="ascii")
        await _until_it_answers(house, process)
        yield
    finally:
        await _stop(process)
        pid_file.unlink(missing_ok=True)


async def _start(house: House, data: Path) -> Process:
    command = [sys.executable, "-m", "emulator", "--world", str(house.world_file), "--data-dir", str(data)]
    with (house.folder / "emulator.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            "--port",
            str(house.ports.emulator),
            stdout=log,
            stderr=log,
            # Ctrl-C is for the demo: the platforms must still be there while the gateway finishes what it has in hand.
            start_new_session=True,
        )


async def _until_it_answers(house: House, process: Process) -> None:
    try:
        async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{house.emulator_url}/play/state?light=1") as response:
                        if response.ok:
                            return
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        pass
    log = house.folder / "emulator.log"
    raise Unavailable(f"the emulator did not start: {_last_line(log)} (see {log})", retryable=False)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def end_orphan(folder: Path) -> None:
    """A demo that was killed leaves its emulator behind, on its port and writing to its files: end that very process."""
    pid = _orphan(folder)
    if pid is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(round(_STOP_S / _LOOK_EVERY_S)):
            if _orphan(folder) != pid:
                return
            await asyncio.sleep(_LOOK_EVERY_S)


def _orphan(folder: Path) -> int | None:
    try:
        pid = int((folder / _PID_FILE).read_text(encoding="ascii"))
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    # The number may be somebody else's by now: only a process with our very arguments is ours to end.
    return pid if b"emulator" in arguments and str(folder / _DATA).encode() in arguments else None
