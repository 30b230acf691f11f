"""A run on paper: the table for people, the same figures as JSON, and the goals beside them. Nothing passes or fails here."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.load.loops import loop_name
from tests.load.rounds import Summary


@dataclass(frozen=True, slots=True)
class Goal:
    """What docs/operations/performance.md aims at: a ratio to bare, and whose row it is read from."""

    id: str
    text: str
    least: float


GOALS: Mapping[str, Goal] = {
    "accept": Goal("G1", "≥ 0.40 × bare", 0.40),
    "whole way": Goal("G2", "≥ 0.30 × bare", 0.30),
    "push": Goal("G4", "≥ 0.60 × bare client", 0.60),
}


def machine(folder: Path) -> dict[str, Any]:
    """Where the figures come from."""
    return {
        "at": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "aiohttp": version("aiohttp"),
        "loop": loop_name(),
        "fsync_ms": round(_fsync_ms(folder), 2),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms(folder: Path) -> float:
    """What one commit costs the disk at least: a page written and synced, the median of 50."""
    path, taken = folder / "fsync", []
    with path.open("wb") as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(1000 * (time.perf_counter() - started))
    path.unlink()
    return median(taken)


def as_json(about: Mapping[str, Any], summaries: Sequence[Summary]) -> dict[str, Any]:
    """Everything, for programs."""
    goals = {goal.id: {"goal": goal.least, "of": name} for name, goal in GOALS.items()}
    for summary in summaries:
        if summary.name in GOALS:
            goals[GOALS[summary.name].id]["measured"] = round(summary.ratio, 3)
    return {"machine": dict(about), "goals": goals, "rows": [asdict(summary) for summary in summaries]}


def show(about: Mapping[str, Any], summaries: Sequence[Summary]) -> None:
    """Print it."""
    console = Console(width=None if os.isatty(1) else 140, highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("")
    for head in ("× bare", "lowest–highest", "CPU × bare", "a second", "p50 ms", "p99 ms", "held", "goal"):
        table.add_column(head, justify="right")
    for summary in summaries:
        table.add_row(*_cells(summary))
    console.print(table)
    console.print(
        "Ratios are what counts; rates are this machine's, now. Held: bursts between two bare ones of one speed. Only they "
        "count, or all of them where fewer than three held."
    )


def _cells(one: Summary) -> list[str]:
    goal = GOALS.get(one.name)
    return [
        one.name,
        f"{one.ratio:.3f}",
        f"{one.lowest:.3f}–{one.highest:.3f}" if one.ratio != 1.0 else "",
        f"{one.cpu_ratio:.2f}" if one.cpu_ratio else "-",
        f"{one.rate:,.0f}",
        f"{one.p50_ms:.1f}" if one.p50_ms else "-",
        f"{one.p99_ms:.1f}" if one.p99_ms else "-",
        f"{one.held} of {one.bursts}",
        f"{goal.id} {goal.text}: {_standing(one.ratio, goal)}" if goal else "",
    ]


def _standing(ratio: float, goal: Goal) -> str:
    return "reached" if ratio >= goal.least else f"{100 * ratio / goal.least:.0f} % of it"
