"""When to copy SQLite's write-ahead log back into the file, and doing it on the writer's own connection."""

from __future__ import annotations

import sqlite3
from typing import Final

from storage.crashpoints import crash_point
from storage.signals import Stats

TARGET_FRAMES: Final = 1_000
"""Pages (4 KiB each) the log should gather between two checkpoints."""
MOST_COMMITS: Final = 2_000


class CheckpointPace:
    """Learns how many commits fill the log.

    The log is left at its size and overwritten from the start, which syncs half as slowly as growing it anew;
    so its file size tells nothing, and the number of frames is known only after a checkpoint.
    """

    def __init__(self) -> None:
        self._commits = 0
        self._every = 20
        self._frames_before = 0

    def committed(self) -> bool:
        """Count a commit; true when a checkpoint is due."""
        self._commits += 1
        return self._commits >= self._every

    def learn(self, frames: int) -> None:
        """Set the pace from the `frames` the log holds now."""
        grown = frames - self._frames_before if frames >= self._frames_before else frames
        self._every = min(MOST_COMMITS, max(1, self._commits * TARGET_FRAMES // max(1, grown)))
        self._frames_before = frames
        self._commits = 0


def checkpoint(connection: sqlite3.Connection, pace: CheckpointPace, stats: Stats) -> None:
    """Copy what no reader still needs; never waits for a reader. Raises sqlite3.Error; the log keeps everything then."""
    crash_point("checkpoint.before")
    _, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    crash_point("checkpoint.after")
    pace.learn(frames)
    stats.checkpoints += 1
    stats.wal_frames_pending = frames - copied
