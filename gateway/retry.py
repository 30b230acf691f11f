"""When to try again: pure arithmetic, no clock and no chance inside."""

from domain.calls import MINUTE, SECOND

INBOX_ATTEMPTS = 5
"""After so many failures an event is parked, and its key goes on."""

SEND_ATTEMPTS = 12
"""After so many calls that came to nothing a row is dead."""

MEDIA_ATTEMPTS = 15
"""After so many failures, some two hours, a file is lost; platforms keep them for three days."""

_INBOX_WAITS = (1 * SECOND, 5 * SECOND, 25 * SECOND, 2 * MINUTE)
_LONGEST_WAIT = 5 * MINUTE
_SPREAD = 0.25


def inbox_wait(attempts: int) -> int:
    """Milliseconds until an event that failed `attempts` times (1 or more) is tried again."""
    return _INBOX_WAITS[min(attempts, len(_INBOX_WAITS)) - 1]


def send_wait(attempts: int, asked_ms: int, chance: float) -> int:
    """Milliseconds until a call that came to nothing `attempts` times (1 or more) is made again.

    Doubles from a second to five minutes, but never sooner than the platform asked for (`asked_ms`). `chance` (0 to 1) spreads
    rows that failed together over a quarter of the wait, so that they do not come back together.
    """
    doubled = min(_LONGEST_WAIT, SECOND << min(attempts - 1, 16))
    wait = max(asked_ms, doubled)
    return wait + round(wait * _SPREAD * chance)


def media_wait(attempts: int) -> int:
    """Milliseconds until a file that could not be fetched `attempts` times (1 or more) is asked for again."""
    return min(30 * MINUTE, SECOND << min(attempts - 1, 16))
