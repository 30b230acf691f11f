"""What goes out: sends and commands to platforms, their lanes, states and outcomes. An outbox row is a promise to send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.messages import Content, decode, encode

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Lane(StrEnum):
    """How urgent a row is; see DUE_MS."""

    WELCOME = "welcome"
    TALK = "talk"
    CARD = "card"
    COMMAND = "command"
    PUSH = "push"


DUE_MS: Mapping[Lane, int] = {
    Lane.WELCOME: 20 * SECOND,
    Lane.TALK: 60 * SECOND,
    Lane.CARD: 10 * MINUTE,
    Lane.COMMAND: 10 * MINUTE,
}
"""Milliseconds until a row of this lane is due. A push is due at its own expiry."""

EXPIRES_MS: Mapping[Lane, int] = {
    Lane.WELCOME: 10 * MINUTE,
    Lane.TALK: 1 * DAY,
    Lane.CARD: 1 * DAY,
    Lane.COMMAND: 7 * DAY,
}
"""Milliseconds after which a row of this lane is no longer worth sending. A push carries its own."""


class OutboxState(StrEnum):
    """States of an outbox row. Drawn in docs/states/outbox.md."""

    QUEUED = "queued"
    CALLING = "calling"
    RETRY_AT = "retry_at"
    WAITING_WINDOW = "waiting_window"
    HELD = "held"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DEAD = "dead"


BLOCKING = (OutboxState.QUEUED, OutboxState.CALLING, OutboxState.RETRY_AT)
"""States in which a row holds those behind it in its stream."""

OPEN = (*BLOCKING, OutboxState.WAITING_WINDOW, OutboxState.HELD)
"""States in which a row may still be sent."""


@dataclass(frozen=True, slots=True)
class Persona:
    """Whose face a message carries: a name, and the platform's own persona account where it has one."""

    name: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message to one person. `to` is the platform's id of that person; `task` the card's own id, unique for ever."""

    to: str
    content: Content
    persona: Persona | None = None
    task: str = ""


class CommandName(StrEnum):
    """What else a platform can be told to do."""

    MAKE_CODE = "make_code"
    MARK_PRESSED = "mark_pressed"


@dataclass(frozen=True, slots=True)
class Command:
    """Something a platform is told to do; the result comes back as an inbound `call_done`."""

    name: CommandName
    params: Mapping[str, str] = field(default_factory=dict)


Call = Outbound | Command


def encode_call(call: Call) -> dict[str, Any]:
    """A call as plain JSON values; `decode_call` is its inverse."""
    if isinstance(call, Command):
        return {"command": call.name.value, "params": dict(call.params)}
    persona = {"name": call.persona.name, "account": call.persona.account} if call.persona else None
    return {"to": call.to, "content": encode(call.content), "persona": persona, "task": call.task}


def decode_call(values: Mapping[str, Any]) -> Call:
    """The call that `encode_call` wrote."""
    if "command" in values:
        return Command(CommandName(values["command"]), values["params"])
    persona = Persona(**values["persona"]) if values["persona"] else None
    return Outbound(values["to"], decode(values["content"]), persona, values["task"])
