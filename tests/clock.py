"""A clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass

START = 1_790_000_000_000
"""2026-09-21 14:13:20 UTC."""


@dataclass(slots=True)
class FakeClock:
    """Call it for the time in milliseconds since the Unix epoch (UTC); `now` may also be read and set."""

    now: int = START

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int = 0, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> int:
        """Move forward (or back, with a negative step) and return the new time."""
        self.now += ms + round(1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days))))
        return self.now
