"""A circuit breaker as a value: leave a platform alone that does not answer, then ask once whether it is back.

closed ──5 failures in a row──> open ──its time is over──> half open (one probe) ──answered──> closed
                                  ^                              └─failed: twice as long──┐
                                  └───────────────────────────────────────────────────────┘
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from domain.calls import MINUTE, SECOND

FAILURES = 5
FIRST_REST_MS = 5 * SECOND
LONGEST_REST_MS = 2 * MINUTE


class Circuit(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row, and until when (ms) the platform is left alone; `probing` while the one probe is out."""

    failures: int = 0
    rest_ms: int = 0
    open_until: int = 0
    probing: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether calls simply go through."""
        return self.rest_ms == 0

    def circuit(self, now: int) -> Circuit:
        """The state at `now`."""
        if self.is_closed:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.open_until else Circuit.HALF_OPEN

    def allows(self, wanted: int, now: int) -> int:
        """How many of `wanted` calls may be made now: all, none, or the one probe."""
        match self.circuit(now):
            case Circuit.CLOSED:
                return wanted
            case Circuit.OPEN:
                return 0
            case Circuit.HALF_OPEN:
                return 0 if self.probing else min(wanted, 1)

    def called(self, now: int) -> "Breaker":
        """A call is under way; when half open it is the probe."""
        return replace(self, probing=True) if self.circuit(now) is Circuit.HALF_OPEN else self

    def not_called(self) -> "Breaker":
        """Nothing was called after all: the next caller may make the probe."""
        return replace(self, probing=False)

    def answered(self) -> "Breaker":
        """The platform answered, whatever it said."""
        return Breaker()

    def failed(self, now: int) -> "Breaker":
        """The platform did not answer, or answered nonsense."""
        match self.circuit(now):
            case Circuit.CLOSED if self.failures + 1 < FAILURES:
                return replace(self, failures=self.failures + 1)
            case Circuit.CLOSED:
                return Breaker(self.failures + 1, FIRST_REST_MS, now + FIRST_REST_MS)
            case Circuit.OPEN:
                # A call from before it opened: the rest has been decided already.
                return self
            case Circuit.HALF_OPEN:
                rest = min(LONGEST_REST_MS, 2 * self.rest_ms)
                return Breaker(self.failures + 1, rest, now + rest)
