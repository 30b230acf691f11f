"""One node per SQLite file: a lock file that says who holds it.

The lock itself is the kernel's (`flock`), so it ends with its process however that dies; what is written inside
only tells people, and the next start, who held it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.errors import Locked, Refused

FILE_NAME = "node.lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that wrote the lock file."""

    pid: int
    host: str
    boot_id: str
    since: int

    @classmethod
    def this_process(cls) -> Holder:
        """The running process, since now (seconds since the Unix epoch)."""
        return cls(os.getpid(), socket.gethostname(), boot_id(), int(time.time()))

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Read a lock file's text; None when it is empty or not ours to understand."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


class NodeLock:
    """A held data directory. `previous` is the process that held it last and ended without letting go."""

    def __init__(self, descriptor: int, previous: Holder | None) -> None:
        self._descriptor: int | None = descriptor
        self.previous = previous

    @classmethod
    def take(cls, directory: Path) -> NodeLock:
        """Hold `directory` for this process. Raises Locked when another holds it, Refused when it cannot be locked."""
        path = directory / FILE_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refused(f"{path} cannot be written ({error.strerror}): give this user the directory") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            text = _read(descriptor)
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise Locked(_held_by(directory, Holder.parse(text))) from error
            raise Refused(f"{path} cannot be locked ({error.strerror}): keep it on a local disk") from error
        previous = Holder.parse(_read(descriptor))
        _write(descriptor, json.dumps(asdict(Holder.this_process())))
        return cls(descriptor, previous)

    def release(self) -> None:
        """Let go. Safe to call twice. The file stays: removing it could race with the next process."""
        if self._descriptor is not None:
            _write(self._descriptor, "")
            os.close(self._descriptor)
            self._descriptor = None

    def describe_previous(self) -> str | None:
        """One line on a holder that died, or None after a clean end."""
        if self.previous is None:
            return None
        rebooted = self.previous.boot_id != boot_id()
        reason = "the machine was restarted" if rebooted else "it was killed"
        return f"the last node (process {self.previous.pid} on {self.previous.host}) did not close: {reason}"


def boot_id() -> str:
    """Identifies this start of the machine; empty where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _held_by(directory: Path, holder: Holder | None) -> str:
    if holder is None:
        return f"{directory} is in use by another process: stop it, or choose another data_dir"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    return (
        f"{directory} is in use by process {holder.pid} on {holder.host} since {since}: "
        f"stop that node first (kill {holder.pid}), or choose another data_dir"
    )


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode("utf-8", "replace")


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
