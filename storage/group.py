"""Running a group: many steps in one transaction, a savepoint each, all or nothing at the commit."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection

from storage.crashpoints import crash_point
from storage.errors import Conflict, Corrupt, Unavailable
from storage.jobs import Job, call, fail_all
from storage.signals import Stats
from storage.translate import translate
from storage.units import unit_running

RERUNS: Final = 3
GROUP_S: Final = 0.025
"""A group that has lasted this long is committed; what is left waits for the next one."""


class GroupLostError(Exception):
    """The engine gave up the whole transaction; its cause says why."""


def run_group(tx: Connection, steps: deque[list[Job]], done: list[Job], stats: Stats) -> None:
    """Run steps inside the open transaction `tx`, moving their jobs to `done`; stop when the group is old enough.

    A step that fails keeps its error in its jobs. Raises GroupLostError when nothing of the group can be stored.
    """
    started = time.monotonic()
    while steps and (not done or time.monotonic() - started < GROUP_S):
        step = steps.popleft()
        done.extend(step)
        _run_step(tx, step, stats)
        crash_point("writer.in_group")


def lose_group(jobs: Sequence[Job], error: BaseException) -> None:
    """Replace every answer of a group that was not stored: even a refusal may have rested on a row that is gone now."""
    cause = error.__cause__ if isinstance(error, GroupLostError) else None
    fail_all(jobs, cause or error)


def _run_step(tx: Connection, step: list[Job], stats: Stats) -> None:
    try:
        results = _attempt(tx, step, stats)
    except GroupLostError:
        raise
    except BaseException as error:
        if len(step) == 1:
            step[0].error = error
            return
        # One bad record must not fail its neighbours: halve until it stands alone.
        stats.merged_splits += 1
        middle = len(step) // 2
        _run_step(tx, step[:middle], stats)
        _run_step(tx, step[middle:], stats)
    else:
        for job, result in zip(step, results, strict=True):
            job.result = result


def _attempt(tx: Connection, step: list[Job], stats: Stats) -> Sequence[Any]:
    """Run a step; a job on its own is run again on `Conflict`, a merged one is going to be halved anyway."""
    stats.merged_calls += len(step) > 1
    for _ in range(RERUNS if len(step) == 1 else 0):
        try:
            return _inside_savepoint(tx, step, stats)
        except Conflict:
            stats.reruns += 1
    return _inside_savepoint(tx, step, stats)


def _inside_savepoint(tx: Connection, step: list[Job], stats: Stats) -> Sequence[Any]:
    started = time.monotonic()
    raw = _begin_savepoint(tx)
    try:
        with unit_running(tx):
            results = call(step, tx)
        _refuse_open_savepoint(tx)
        raw.execute("RELEASE unit")
    except BaseException as error:
        known = translate(error)
        if _ends_the_group(error, known) or not (tx.in_transaction() and raw.in_transaction):
            raise GroupLostError from error
        _roll_back(tx, raw)
        if known is error:
            raise
        raise known from error
    finally:
        stats.longest_unit_ms = max(stats.longest_unit_ms, int((time.monotonic() - started) * 1000))
    return results


def _begin_savepoint(tx: Connection) -> sqlite3.Connection:
    """Past SQLAlchemy, which compiles each savepoint anew: that costs more than most statements of a unit (measured)."""
    try:
        raw = cast(sqlite3.Connection, tx.connection.dbapi_connection)
        raw.execute("SAVEPOINT unit")
    except Exception as error:
        raise GroupLostError from error
    return raw


def _refuse_open_savepoint(tx: Connection) -> None:
    if tx.in_nested_transaction():
        raise RuntimeError("a unit of work left a savepoint of its own open: end it, or use `with tx.begin_nested()`")


def _ends_the_group(error: BaseException, known: BaseException) -> bool:
    """A full or failing disk ends SQLite's whole transaction, released savepoints too."""
    return known is not error and isinstance(known, Unavailable | Corrupt)


def _roll_back(tx: Connection, raw: sqlite3.Connection) -> None:
    try:
        while inner := tx.get_nested_transaction():
            inner.rollback()
        raw.execute("ROLLBACK TO unit")
        raw.execute("RELEASE unit")
    except BaseException as error:
        raise GroupLostError from error
