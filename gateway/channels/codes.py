"""What follows from a platform's error code. Each channel has one table of codes; here is what its rules mean.

OK         as good as done
RETRY      the platform did not do it and says: try again
REFRESH    a new token once, then the same call once more
WINDOW     the customer must write first
MINUTE     this api rests until the next minute
HOUR       this api rests for an hour
TOMORROW   this api rests until midnight in China, and a person should know
UPLOAD     the media id is dead: upload once more, then give up
GIVE_UP    final for this item or person
ALARM      final, and a person must mend something
BUG        final: we called it wrongly
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.calls import DAY, HOUR, MINUTE, SECOND
from gateway.channels.errors import Refused, Retry, SendError, WindowClosed

_CHINA_MS = 8 * HOUR
_LONGEST_MESSAGE = 200


class Reaction(StrEnum):
    """See the table above."""

    OK = "ok"
    RETRY = "retry"
    REFRESH = "refresh"
    WINDOW = "window"
    MINUTE = "minute"
    HOUR = "hour"
    TOMORROW = "tomorrow"
    UPLOAD = "upload"
    GIVE_UP = "give_up"
    STOP = "stop"
    ALARM = "alarm"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about a code, and the stable word it is called by."""

    reaction: Reaction
    reason: str


Codes = Mapping[int, Rule]

UNKNOWN_CODE = Rule(Reaction.ALARM, "unknown_code")
"""For a code no table knows: never repeated, and a person must look."""


def judge(codes: Codes, code: int, message: str, api: str, now: int) -> SendError | None:
    """What `code`, answered by `api` at `now` with `message`, means; None when the call succeeded."""
    rule = codes.get(code, UNKNOWN_CODE)
    if code == 0 or rule.reaction is Reaction.OK:
        return None
    error = _error(rule, f"{api} answered {code} {message[:_LONGEST_MESSAGE]}".strip(), api, now)
    error.code = code
    return error


def asks(codes: Codes, error: SendError, reaction: Reaction) -> bool:
    """Whether `error` came from a code whose rule is `reaction`."""
    return error.code != 0 and codes.get(error.code, UNKNOWN_CODE).reaction is reaction


def _error(rule: Rule, message: str, api: str, now: int) -> SendError:
    match rule.reaction:
        case Reaction.RETRY:
            return Retry(rule.reason, message)
        case Reaction.WINDOW:
            return WindowClosed(rule.reason, message)
        case Reaction.MINUTE:
            return Retry(rule.reason, message, after_ms=MINUTE - now % MINUTE + SECOND, block=api)
        case Reaction.HOUR:
            return Retry(rule.reason, message, after_ms=HOUR, block=api)
        case Reaction.TOMORROW:
            return Retry(rule.reason, message, after_ms=_until_midnight(now), block=api, alarm=True)
        case Reaction.GIVE_UP | Reaction.UPLOAD | Reaction.OK:
            return Refused(rule.reason, message)
        case Reaction.REFRESH:
            return Retry(rule.reason, message, after_ms=MINUTE, block="*", alarm=True)
        case Reaction.STOP:
            return Retry(rule.reason, message, after_ms=5 * MINUTE, block="*", alarm=True)
        case Reaction.ALARM | Reaction.BUG:
            return Refused(rule.reason, message, alarm=True)


def _until_midnight(now: int) -> int:
    # The platforms count their days in China, which knows no summer time.
    return DAY - (now + _CHINA_MS) % DAY + MINUTE
