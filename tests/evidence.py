"""What a long test saw, kept as one JSON line each under build/evidence: seed, figures, versions."""

from __future__ import annotations

import json
import platform
import sqlite3
import time
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent / "build" / "evidence"


def keep_evidence(name: str, **figures: object) -> None:
    """Append one run of `name`, and print it."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    line = json.dumps({"name": name, "at": int(time.time()), **figures, **versions})
    with (DIRECTORY / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line)
