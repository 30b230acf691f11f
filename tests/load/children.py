"""The processes of a run: started, asked for work by JSON lines, watched for the CPU time they use, ended."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 60.0
STOP_S = 20.0
_LINE_BYTES = 1024 * 1024


class ChildError(Exception):
    """A process of the run did not start, or ended before its time; the message names its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process; `log` is where its standard error goes."""

    process: Process
    log: Path

    async def ask(self, **job: Any) -> dict[str, Any]:
        """Give it a job and wait for the answer. Raises ChildError when it ends instead."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise ChildError(f"a process ended before its time; its last words are in {self.log}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def listens(self, port: int) -> None:
        """Wait until it takes connections. Raises ChildError."""
        try:
            async with asyncio.timeout(START_S):
                while not await _accepts(port):
                    self._require_alive()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise ChildError(f"nothing listens on port {port} after {START_S:.0f} s; see {self.log}") from None

    def cpu_s(self) -> float:
        """CPU time of all its threads so far, in seconds. Linux alone tells it this finely; elsewhere 0."""
        used = 0
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                used += int(path.read_text().split()[0])
        return used / 1e9

    def _require_alive(self) -> None:
        if self.process.returncode is not None:
            raise ChildError(f"a process ended with status {self.process.returncode}; see {self.log}")


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def child(folder: Path, name: str, *arguments: str) -> AsyncIterator[Child]:
    """`python -m` with `arguments`; it gets SIGTERM at the end of the block."""
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *arguments, stdin=PIPE, stdout=PIPE, stderr=errors, limit=_LINE_BYTES
        )
    try:
        yield Child(process, log)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def serve_jobs(work: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """The child's side of `ask`: one job a line, until the parent closes the pipe."""
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await work(json.loads(line))), flush=True)
