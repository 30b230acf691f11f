"""SQLite's single writer: one thread, one connection, whole units, many of them per commit.

The file is only ever written and checkpointed here. A unit runs inside a savepoint, so that its failure is its
own; a full disk or a failing commit ends the transaction and with it the whole group, and then nobody in the
group hears a yes.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from storage.checkpoint import CheckpointPace, checkpoint
from storage.crashpoints import crash_point
from storage.errors import Unavailable
from storage.group import lose_group, run_group
from storage.jobs import Job, plan, require_room, settle
from storage.signals import CommitSignal, Stats

log = logging.getLogger(__name__)


class Writer:
    """Takes units and records on the event loop, runs them on its own thread, answers after the commit."""

    def __init__(self, engine: Engine, signal: CommitSignal, stats: Stats) -> None:
        self._engine = engine
        self._signal = signal
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._pending: list[Job] = []
        self._closed = False
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._connection: Connection | None = None
        self._pace = CheckpointPace()
        self._failing = False
        # A process that forgets to close must still be able to exit; the file survives even kill -9.
        self._thread = Thread(target=self._run, name="storage-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[..., Any], record: Any) -> asyncio.Future[Any]:
        """Queue a job. Cancelling the future gives up the answer, never the job. Raises Unavailable when overloaded."""
        if self._closed:
            raise Unavailable("the database is closed", retryable=False)
        require_room(self._stats.waiting)
        job = Job(run, record, self._loop.create_future())
        self._stats.waiting += 1
        self._pending.append(job)
        if len(self._pending) == 1:
            # Once per turn of the loop: whatever this turn still adds shares the group, and the thread wakes once.
            self._loop.call_soon(self._hand_over)
        return job.future

    async def close(self) -> None:
        """Finish everything that was handed over, end the thread; SQLite copies the log back when the last connection closes."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _hand_over(self) -> None:
        if self._pending:
            self._queue.put(self._pending)
            self._pending = []

    def _answer(self, jobs: list[Job], committed: bool) -> None:
        self._stats.waiting -= len(jobs)
        settle(jobs)
        if committed:
            self._signal.notify()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._disconnect()
            self._engine.dispose()
            self._loop.call_soon_threadsafe(self._stopped.set_result, None)

    def _work(self) -> None:
        """Take what waits, commit it as a group, copy the log back now and then; until the end is handed over."""
        steps: deque[list[Job]] = deque()
        more = True
        while more or steps:
            if more:
                jobs, more = self._take(wait=not steps)
                steps.extend(plan(jobs))
            if steps and self._commit_group(steps) and self._pace.committed():
                self._checkpoint()

    def _take(self, *, wait: bool) -> tuple[list[Job], bool]:
        """Everything handed over so far, waiting for the first if asked to; and whether more may come."""
        jobs: list[Job] = []
        while wait or not self._queue.empty():
            wait = False
            handed = self._queue.get()
            if handed is None:
                return jobs, False
            jobs += handed
        return jobs, True

    def _commit_group(self, steps: deque[list[Job]]) -> bool:
        done: list[Job] = []
        try:
            tx = self._connected()
            with tx.begin():
                run_group(tx, steps, done, self._stats)
                crash_point("writer.before_commit")
        except BaseException as error:
            self._give_up(steps, done, error)
            return False
        crash_point("writer.after_commit")
        self._count(done)
        self._tell(done, committed=True)
        crash_point("writer.after_answer")
        return True

    def _give_up(self, steps: deque[list[Job]], done: list[Job], error: BaseException) -> None:
        if not done:
            # The transaction did not even begin: the next group would only wait for the same lock again.
            done = [job for step in steps for job in step]
            steps.clear()
        lose_group(done, error)
        self._stats.lost_groups += 1
        if not self._failing:
            self._failing = True
            log.error("writing failed, %d callers were told: %s", len(done), done[0].error)
        self._disconnect()
        self._tell(done, committed=False)

    def _count(self, done: list[Job]) -> None:
        if self._failing:
            self._failing = False
            log.warning("writing works again")
        self._stats.commits += 1
        self._stats.units += len(done)
        self._stats.failed_units += sum(job.error is not None for job in done)
        self._stats.largest_group = max(self._stats.largest_group, len(done))

    def _tell(self, jobs: list[Job], *, committed: bool) -> None:
        try:
            self._loop.call_soon_threadsafe(self._answer, jobs, committed)
        except RuntimeError:
            log.warning("%d writes ended after their event loop was closed", len(jobs))

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        """Forget the connection after a failure: the next group starts on a clean one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except SQLAlchemyError as error:
                log.warning("closing the write connection failed: %s", error)

    def _checkpoint(self) -> None:
        try:
            # The raw connection: through SQLAlchemy it would begin a transaction, which blocks its own checkpoint.
            checkpoint(cast(sqlite3.Connection, self._connected().connection.dbapi_connection), self._pace, self._stats)
        except (sqlite3.Error, SQLAlchemyError) as error:
            log.warning("checkpoint failed, the log keeps growing: %s", error)
            self._disconnect()
