"""Named steps at which a test can kill the process, to prove that what was promised survives.

`GATEWAY_CRASH_AT=writer.before_commit:3` sends SIGKILL to the own process when it passes that step for the third time.
Unset, a step costs one cached call. New steps are named in POINTS, so that a test can walk all of them.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

VARIABLE = "GATEWAY_CRASH_AT"

POINTS = (
    "writer.in_group",
    "writer.before_commit",
    "writer.after_commit",
    "writer.after_answer",
    "checkpoint.before",
    "checkpoint.after",
    "migrate.before_commit",
    "migrate.after_commit",
    "postgres.before_commit",
    "postgres.after_commit",
    "intake.after_commit",
    "inbox.before_apply",
    "inbox.after_apply",
    "outbox.before_begin",
    "outbox.after_begin",
    "outbox.after_call",
    "outbox.after_settle",
)


@dataclass(slots=True)
class CrashPlan:
    """Die at the `passing`-th time that `name` is reached."""

    name: str
    passing: int
    _passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CrashPlan | None:
        """Read the plan, or None when there is none. Raises ValueError for a step that does not exist."""
        text = environment.get(VARIABLE, "")
        if not text:
            return None
        name, _, passing = text.partition(":")
        if name not in POINTS or not (passing or "1").isdecimal():
            raise ValueError(f"{VARIABLE}={text}: write name:n with a name of {', '.join(POINTS)}")
        return cls(name, int(passing or "1"))

    def reached(self, name: str) -> bool:
        """Count a passing of `name`; true at the one that was asked for."""
        if name != self.name:
            return False
        with self._lock:
            self._passed += 1
            return self._passed == self.passing


@functools.cache
def _plan() -> CrashPlan | None:
    return CrashPlan.from_environment(os.environ)


def crash_point(name: str) -> None:
    """Die here, without any clean-up, when the environment asks for it."""
    plan = _plan()
    if plan is not None and plan.reached(name):
        os.kill(os.getpid(), signal.SIGKILL)
