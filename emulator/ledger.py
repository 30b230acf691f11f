"""The ledger: an append-only file with one JSON line per accepted call, the judge of every test."""

import os
from array import array
from pathlib import Path
from typing import Any

import orjson


class Ledger:
    """`ledger.jsonl`. Lines are numbered from 1; a line torn by a crash is cut off when the file is opened."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "ledger.jsonl"
        self._ends = array("Q")
        self._file = -1
        self._open()

    def append(self, entries: list[dict[str, Any]]) -> None:
        """Number, write and fsync. On an error (disk full) the file is cut back to whole lines and OSError raised."""
        first = len(self._ends) + 1
        lines = [orjson.dumps({"n": n, **entry}) + b"\n" for n, entry in enumerate(entries, first)]
        size = self._ends[-1] if self._ends else 0
        try:
            _write_all(self._file, b"".join(lines))
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise
        for line in lines:
            size += len(line)
            self._ends.append(size)

    def read(self, since: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """The lines numbered above `since`, oldest first, at most `limit`."""
        first = max(0, since)
        last = min(len(self._ends), first + max(0, limit))
        if first >= last:
            return []
        start = self._ends[first - 1] if first else 0
        block = os.pread(self._file, self._ends[last - 1] - start, start)
        return [orjson.loads(line) for line in block.splitlines()]

    def start_anew(self) -> None:
        """Put the present file aside as `ledger.1.jsonl`, `ledger.2.jsonl`, ... and begin again at line 1."""
        os.close(self._file)
        taken = sum(1 for _ in self._directory.glob("ledger.*.jsonl"))
        self._path.rename(self._directory / f"ledger.{taken + 1}.jsonl")
        self._ends = array("Q")
        self._open()

    def close(self) -> None:
        """Close the file; what was appended is already on the disk."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        end = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                self._ends.append(end)
        os.ftruncate(self._file, end)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
