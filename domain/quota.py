"""Reply windows and allowances as data. Which bucket to spend is decided here; spending happens in the statement that records `calling`."""

from dataclasses import dataclass
from enum import StrEnum

from domain.messages import Inbound, Kind

KEEP_FOR_TALK = 2
"""Messages of a window that pushes must leave to the advisor."""


class Trigger(StrEnum):
    """What opened a reply window."""

    MESSAGE = "message"
    FOLLOW = "follow"
    SCAN = "scan"
    MENU = "menu"


@dataclass(frozen=True, slots=True)
class WindowRule:
    """`messages` may be sent within `lasts_ms` after the trigger. `document` is the platform's page."""

    trigger: Trigger
    messages: int
    lasts_ms: int
    document: str


@dataclass(frozen=True, slots=True)
class AllowanceRule:
    """At most `calls` within any `window_ms`, for each key of `scope` (account, member)."""

    scope: str
    calls: int
    window_ms: int
    document: str


@dataclass(frozen=True, slots=True)
class PlatformRules:
    """What one platform allows. `text_bytes` is where we cut; `windows` empty means: may always be written to."""

    kind: str
    text_bytes: int
    windows: tuple[WindowRule, ...] = ()
    allowances: tuple[AllowanceRule, ...] = ()
    button_chars: int = 10


def trigger_of(inbound: Inbound) -> Trigger | None:
    """The window an inbound event opens, if any. A tap on an option of a message menu counts as a menu click, not as a message."""
    match inbound.kind:
        case Kind.MESSAGE:
            return Trigger.MENU if inbound.key else Trigger.MESSAGE
        case Kind.FOLLOW:
            return Trigger.SCAN if inbound.scene else Trigger.FOLLOW
        case Kind.SCAN:
            return Trigger.SCAN
        case Kind.MENU:
            return Trigger.MENU
        case Kind.UNPARSED:
            return Trigger.MESSAGE if inbound.content is not None else None
        case Kind.UNFOLLOW | Kind.CARD | Kind.CALL_DONE:
            return None
