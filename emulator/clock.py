"""The emulator's own clock, which a test may move forward."""

from collections.abc import Callable


class Clock:
    """Milliseconds since the Unix epoch, plus whatever `advance` added so far."""

    def __init__(self, source: Callable[[], float], ahead_ms: int = 0) -> None:
        """`source` gives seconds like `time.time`; `ahead_ms` is what an earlier run had been moved forward."""
        self._source = source
        self.ahead_ms = ahead_ms

    def now(self) -> int:
        """The present, in milliseconds."""
        return int(self._source() * 1000) + self.ahead_ms

    def outside(self) -> int:
        """The present as everybody else sees it, in milliseconds: callbacks are stamped with it, because a receiver
        whose clock was not moved would refuse stamps from the future."""
        return int(self._source() * 1000)

    def advance(self, seconds: float) -> None:
        """Move forward. Raises ValueError for a step backwards: platforms never take back an expiry."""
        if seconds < 0:
            raise ValueError(f"advance_s is {seconds}; the clock only moves forward")
        self.ahead_ms += int(seconds * 1000)

    def reset(self) -> None:
        """Follow the source again."""
        self.ahead_ms = 0
