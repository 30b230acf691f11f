"""What a channel may raise.

Rejected          the envelope is not genuine: one generic answer (401), whatever was wrong
Malformed         a genuine envelope around no message at all (400)
SendError         a call did not simply succeed; what to do next is the type
├── Refused       final; `reason` is a stable word, `alarm` asks for a person
├── WindowClosed  the customer must write first
├── Retry         nothing was accepted; again after `after_ms`; may block an api or the account meanwhile
└── Unknown       it may have been accepted: never repeated by machine
"""


class Rejected(Exception):
    """The envelope is not genuine. `why` is for the counters only; the answer never differs."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Malformed(Exception):
    """A genuine envelope with a body that is no message at all: answered 400."""


class SendError(Exception):
    """Why a call did not simply succeed; the decision what to do next is the type. `code` is the platform's own, where it gave one."""

    code = 0

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message


class Refused(SendError):
    """Final for this message."""

    def __init__(self, reason: str, message: str = "", *, alarm: bool = False) -> None:
        super().__init__(reason, message)
        self.alarm = alarm


class WindowClosed(SendError):
    """The platform's reply window is closed or used up, whatever our own books say."""


class Retry(SendError):
    """Not accepted; may be tried again after `after_ms`. `block` names the scope ("*" or an api path) to leave alone until then;
    `alarm` asks for a person, because time alone will not mend it."""

    def __init__(
        self, reason: str, message: str = "", *, after_ms: int = 1000, block: str = "", alarm: bool = False
    ) -> None:
        super().__init__(reason, message)
        self.after_ms = after_ms
        self.block = block
        self.alarm = alarm


class Unknown(SendError):
    """The connection broke after the request was written, or the answer cannot be read."""
