"""What travels: the contents of messages, and events that came in.

Inbound and outbound are different types on purpose: what came in is a fact, what goes out is a promise (domain/calls.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from domain.ids import AccountId, MediaId


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text as the person typed it, normalised once at the edge."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a media row of ours."""

    media: MediaId


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice message: a media row of ours; `format` as the platform names it (amr, speex)."""

    media: MediaId
    format: str = ""


@dataclass(frozen=True, slots=True)
class Location:
    """A place; degrees, WGS-84 as the platform sends them."""

    latitude: float
    longitude: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link card. Its addresses are never fetched by us."""

    title: str
    url: str
    description: str = ""
    picture_url: str = ""


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """A mini-program card; `thumb` is the picture shown on it."""

    title: str
    app_id: str
    path: str
    thumb: MediaId | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a card: `key` comes back when it is pressed."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card with buttons; each platform renders it as it can (message menu, template card)."""

    title: str
    body: str
    buttons: tuple[Button, ...] = ()
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Something we cannot read: kept raw and shown as what it is."""

    kind: str
    raw: str


Content = Text | Image | Voice | Location | Link | MiniProgram | Card | Unparsed

_CONTENTS: Mapping[str, type[Any]] = {
    "text": Text,
    "image": Image,
    "voice": Voice,
    "location": Location,
    "link": Link,
    "mini_program": MiniProgram,
    "card": Card,
    "unparsed": Unparsed,
}
_NAMES = {kind: name for name, kind in _CONTENTS.items()}
_FIELDS = {kind: tuple(item.name for item in fields(kind)) for kind in _NAMES}


def kind_of(content: Content) -> str:
    """The stable name of a content's kind, as it is stored and shown to programs."""
    return _NAMES[type(content)]


def encode(content: Content) -> dict[str, Any]:
    """A content as plain JSON values; `decode` is its inverse. The only codec of contents."""
    values: dict[str, Any] = {name: getattr(content, name) for name in _FIELDS[type(content)]}
    if isinstance(content, Card):
        values["buttons"] = [{"key": button.key, "text": button.text} for button in content.buttons]
    return {"type": kind_of(content), **values}


def decode(values: Mapping[str, Any]) -> Content:
    """The content that `encode` wrote. Raises KeyError or TypeError on anything else."""
    rest = {name: value for name, value in values.items() if name != "type"}
    if values["type"] == "card":
        rest["buttons"] = tuple(Button(**button) for button in rest["buttons"])
    content: Content = _CONTENTS[values["type"]](**rest)
    return content


class Kind(StrEnum):
    """What an inbound event is."""

    MESSAGE = "message"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    SCAN = "scan"
    MENU = "menu"
    CARD = "card"
    CALL_DONE = "call_done"
    UNPARSED = "unparsed"


@dataclass(frozen=True, slots=True)
class WantedMedia:
    """A file the platform keeps for a few days: to be fetched at once. `id` is the media row the content refers to."""

    id: MediaId
    origin: str
    type: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """One event from outside, after verification and parsing.

    `dedup_key` is unique per account: a second event with the same key is the same event.
    `order_key` names what must stay in order: account and sender, or the account where there is no person.
    `scene` is what a code carried; `key` is the menu key, card button or menu option; `task` the card's own id.
    """

    account: AccountId
    kind: Kind
    sender: str
    dedup_key: str
    order_key: str
    occurred_at: int
    content: Content | None = None
    scene: str = ""
    key: str = ""
    task: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    media: tuple[WantedMedia, ...] = ()


def encode_inbound(inbound: Inbound) -> dict[str, Any]:
    """An inbound event as plain JSON values; `decode_inbound` is its inverse."""
    values: dict[str, Any] = {item.name: getattr(inbound, item.name) for item in fields(inbound)}
    values["kind"] = inbound.kind.value
    values["content"] = encode(inbound.content) if inbound.content is not None else None
    values["values"] = dict(inbound.values)
    values["media"] = [{"id": m.id, "origin": m.origin, "type": m.type} for m in inbound.media]
    return values


def decode_inbound(values: Mapping[str, Any]) -> Inbound:
    """The event that `encode_inbound` wrote."""
    rest = dict(values)
    rest["kind"] = Kind(rest["kind"])
    rest["content"] = decode(rest["content"]) if rest["content"] is not None else None
    rest["media"] = tuple(WantedMedia(**m) for m in rest["media"])
    return Inbound(**rest)
