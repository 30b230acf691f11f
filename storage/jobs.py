"""What waits to be written: single units, and records that are merged with others of their kind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from storage.errors import Corrupt, Unavailable
from storage.translate import translate

log = logging.getLogger(__name__)

SINGLE: Final = object()
"""In place of a record: this job is a unit of its own."""

MERGE_LIMIT: Final = 500
"""Most records handed to one merged call; keeps a call well inside the 50 ms a unit may last."""

WAITING_LIMIT: Final = 20_000
"""Writes that may wait before new ones are turned away, which bounds memory and keeps answers in time."""


@dataclass(slots=True, eq=False)
class Job:
    """One caller's wish and, later, its answer."""

    run: Callable[..., Any]
    record: Any
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def require_room(waiting: int) -> None:
    """Raise Unavailable when too many writes wait already."""
    if waiting >= WAITING_LIMIT:
        raise Unavailable(f"{waiting} writes are waiting for the database: slow down and try again")


def plan(jobs: Iterable[Job]) -> list[list[Job]]:
    """The jobs as steps: a unit is a step of its own, records for the same callable share one."""
    steps: list[list[Job]] = []
    merged: dict[Callable[..., Any], list[Job]] = {}
    for job in jobs:
        step = None if job.record is SINGLE else merged.get(job.run)
        if step is not None and len(step) < MERGE_LIMIT:
            step.append(job)
            continue
        steps.append([job])
        if job.record is not SINGLE:
            merged[job.run] = steps[-1]
    return steps


def call(step: Sequence[Job], tx: Connection) -> Sequence[Any]:
    """Run a step's unit once; one result per job, in their order."""
    first = step[0]
    if first.record is SINGLE:
        return [first.run(tx)]
    results: Sequence[Any] = first.run(tx, [job.record for job in step])
    if len(results) != len(step):
        raise TypeError(f"{first.run!r} returned {len(results)} results for {len(step)} records")
    return results


def fail_all(jobs: Sequence[Job], error: BaseException) -> None:
    """Answer every job that nothing was stored, each with an error of its own: a shared one would gather tracebacks."""
    known = translate(error)
    for job in jobs:
        if isinstance(known, Corrupt):
            job.error = Corrupt(str(known))
        else:
            job.error = Unavailable(str(known), retryable=getattr(known, "retryable", True))
        job.error.__cause__ = error


def settle(jobs: Iterable[Job]) -> None:
    """Answer the callers. Runs on their event loop, after the commit."""
    for job in jobs:
        if job.future.done():
            _note_orphan(job)
        elif isinstance(job.error, StopIteration):
            # A future takes any error but this one, and would leave everybody after it without an answer.
            job.future.set_exception(RuntimeError(f"{job.run!r} raised StopIteration"))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _note_orphan(job: Job) -> None:
    if job.error is not None:
        log.warning("a unit failed after its caller had gone away: %r: %s", job.run, job.error)
