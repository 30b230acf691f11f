"""What was acknowledged survives kill -9, wherever it strikes (INV-01); what was not may be there or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select, text

from storage.crashpoints import POINTS, VARIABLE, CrashPlan
from storage.engine import Database
from tests.contract.writing_child import MUTANT, acknowledged

ROOT = Path(__file__).parents[2]
SQLITE_POINTS = [point for point in POINTS if point.startswith(("writer.", "checkpoint.", "migrate."))]
POSTGRES_POINTS = [point for point in POINTS if point.startswith(("postgres.", "migrate."))]

LINES_AT_MOST = 5_000
PASSING = {
    "writer.in_group": 9,
    "writer.before_commit": 4,
    "writer.after_commit": 4,
    "writer.after_answer": 4,
    "checkpoint.before": 2,
    "checkpoint.after": 2,
    "postgres.before_commit": 20,
    "postgres.after_commit": 20,
}
"""Not the first time, so that something has been acknowledged before; the others are passed once in a process."""


def run_child(url: str, data_dir: Path, environment: Mapping[str, str], *, kill_after: int | None = None) -> set[str]:
    """Let a process write until it kills itself, or is killed after so many lines; the names it said were stored."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.writing_child", url, str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if len(lines) == (kill_after or LINES_AT_MOST):
            process.send_signal(signal.SIGKILL)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, complaint
    assert kill_after or len(lines) < LINES_AT_MOST, f"it never came to {environment}"
    return {line.strip() for line in lines if line.endswith("\n")}


def names(tx: Connection) -> set[str]:
    if not inspect(tx).has_table(acknowledged.name):
        return set()
    return set(tx.scalars(select(acknowledged.c.id)))


def damage(tx: Connection) -> str:
    return str(tx.execute(text("PRAGMA integrity_check")).scalar_one())


async def stored_after(url: str, data_dir: Path) -> set[str]:
    async with await Database.open(url, data_dir=data_dir, migrate=True, min_free_mb=1) as db:
        if url.startswith("sqlite"):
            assert await db.read(damage) == "ok"
        return await db.read(names)


@pytest.mark.parametrize("point", SQLITE_POINTS)
async def test_sqlite_keeps_what_it_acknowledged_at_every_crash_point(
    point: str, sqlite_url: str, tmp_path: Path
) -> None:
    said = run_child(sqlite_url, tmp_path, {VARIABLE: f"{point}:{PASSING.get(point, 1)}"})
    stored = await stored_after(sqlite_url, tmp_path)
    assert said <= stored
    if point == "writer.before_commit":
        assert said == stored, "what was not committed is gone"
    if point == "writer.after_commit":
        assert stored - said, "stored, and nobody was told: a platform's repeat must find it"


@pytest.mark.postgres
@pytest.mark.parametrize("point", POSTGRES_POINTS)
async def test_postgres_keeps_what_it_acknowledged_at_every_crash_point(
    point: str, postgres_url: str, tmp_path: Path
) -> None:
    said = run_child(postgres_url, tmp_path, {VARIABLE: f"{point}:{PASSING.get(point, 1)}"})
    assert said <= await stored_after(postgres_url, tmp_path)


async def test_killed_again_and_again_nothing_acknowledged_is_lost(db_url: str, tmp_path: Path) -> None:
    said: set[str] = set()
    for lines in (150, 437):
        said |= run_child(db_url, tmp_path, {}, kill_after=lines)
    assert len(said) >= 150 + 437
    assert said <= await stored_after(db_url, tmp_path)


async def test_the_test_notices_answers_given_before_the_commit(sqlite_url: str, tmp_path: Path) -> None:
    environment = {VARIABLE: "writer.before_commit:4", MUTANT: "answer_before_commit"}
    said = run_child(sqlite_url, tmp_path, environment)
    assert said - await stored_after(sqlite_url, tmp_path)


@pytest.mark.parametrize("plan", ["writer.nowhere:1", "writer.before_commit:soon", ":3"])
def test_a_crash_plan_that_names_no_step_is_an_error(plan: str) -> None:
    with pytest.raises(ValueError, match=VARIABLE):
        CrashPlan.from_environment({VARIABLE: plan})


def test_a_crash_plan_strikes_once_at_the_passing_it_names() -> None:
    plan = CrashPlan.from_environment({VARIABLE: "writer.in_group:2"})
    assert plan is not None
    passed = ["writer.in_group", "writer.before_commit", "writer.in_group", "writer.in_group"]
    assert [plan.reached(name) for name in passed] == [False, False, True, False]


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}])
def test_without_a_plan_nothing_strikes(environment: dict[str, str]) -> None:
    assert CrashPlan.from_environment(environment) is None
