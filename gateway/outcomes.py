"""What came of a call, as it is recorded: pure, one place, every kind of answer."""

from domain.calls import OutboxState
from gateway.channels.contract import Accepted
from gateway.channels.errors import Refused, Retry, SendError, WindowClosed
from gateway.retry import SEND_ATTEMPTS, send_wait
from storage.calls import OutboxRow
from storage.delivery import no_window
from storage.settlement import Outcome


def accepted(answer: Accepted) -> Outcome:
    """The platform took it."""
    return Outcome(OutboxState.ACCEPTED, platform_id=answer.platform_id, values=answer.values)


def failed(error: SendError, row: OutboxRow, now: int, chance: float) -> Outcome:
    """The call did not simply succeed; `chance` (0 to 1) spreads the next attempt."""
    match error:
        case Refused():
            return Outcome(OutboxState.REFUSED, error.reason, took_nothing=True)
        case WindowClosed():
            return Outcome(no_window(row.traffic), error.reason, closes_window=True)
        case Retry():
            return _again(error, row, now, chance)
        case _:
            # `Unknown`, and whatever a channel may raise that this gateway does not know: it may have arrived.
            return Outcome(OutboxState.UNKNOWN, error.reason)


def _again(error: Retry, row: OutboxRow, now: int, chance: float) -> Outcome:
    calls = row.attempts + 1
    next_at = now + send_wait(calls, error.after_ms, chance)
    state = OutboxState.RETRY_AT
    if next_at >= row.expires_at:
        state = OutboxState.EXPIRED
    elif calls >= SEND_ATTEMPTS:
        state = OutboxState.DEAD
    return Outcome(state, error.reason, next_at=next_at, block=error.block, took_nothing=True)


def wants_alarm(error: SendError, outcome: Outcome) -> bool:
    """Whether a person must look: the platform's answer says so, or nothing more will be tried."""
    asked = isinstance(error, Refused | Retry) and error.alarm
    return asked or outcome.state is OutboxState.DEAD


_AWAY = frozenset(
    {"not_connected", "connection_broken", "answer_unreadable", "answer_too_large", "tls_refused", "timeout"}
)


def is_away(error: SendError | None) -> bool:
    """Whether the platform did not answer, or not like itself: for the breaker. "Too often" is an answer; our own waits are none."""
    return error is not None and error.code == 0 and (error.reason in _AWAY or error.reason.startswith("http_5"))
