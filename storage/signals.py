"""What an open database tells about itself: counters for metrics, and a signal after each commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counters since the database was opened; `waiting` is the number of writes not answered yet.

    A commit is a whole group on SQLite, one transaction on PostgreSQL.
    """

    waiting: int = 0
    commits: int = 0
    lost_groups: int = 0
    largest_group: int = 0
    units: int = 0
    failed_units: int = 0
    merged_calls: int = 0
    merged_splits: int = 0
    reruns: int = 0
    checkpoints: int = 0
    wal_frames_pending: int = 0
    longest_unit_ms: int = 0


class CommitSignal:
    """Wakes whoever waits for this node's next commit; a hint, never the only way to notice a change."""

    def __init__(self) -> None:
        self.count = 0
        self._next: asyncio.Future[None] | None = None

    def notify(self) -> None:
        """Count one commit and wake the waiters. Call it on the database's event loop."""
        self.count += 1
        if self._next is not None:
            self._next.set_result(None)
            self._next = None

    async def beyond(self, seen: int) -> int:
        """Wait until more than `seen` commits have happened; return their number."""
        while self.count <= seen:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
        return self.count
