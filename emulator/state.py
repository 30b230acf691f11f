"""What the platforms remember: people, codes, tokens, media, messages. Held in memory, saved with each change."""

import secrets
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from emulator.database import Database
from emulator.journal import Journal

T = TypeVar("T")
Trigger = Literal["message", "menu", "follow", "scan"]
LETTERS = string.ascii_letters + string.digits + "-_"


@dataclass(slots=True)
class Grant:
    """What one trigger still allows to be sent to a customer: `left` messages before `until` (ms)."""

    left: int
    until: int


@dataclass(slots=True)
class Customer:
    """A WeChat user as one official account knows him."""

    openid: str
    account: str
    label: str
    following: bool = False
    subscribed_at: int = 0
    scene: str = ""
    talked_at: int = 0
    typing_until: int = 0
    grants: dict[str, Grant] = field(default_factory=dict)

    @classmethod
    def read(cls, body: dict[str, Any]) -> "Customer":
        """The customer as it was saved."""
        return cls(**{**body, "grants": {trigger: Grant(**grant) for trigger, grant in body["grants"].items()}})


@dataclass(slots=True)
class Token:
    """An access token of an account. `killed` tells a token replaced by a newer one from one that ran out."""

    value: str
    account: str
    source: Literal["token", "stable_token", "gettoken"]
    until: int
    killed: bool = False


@dataclass(slots=True)
class QrCode:
    """A parametric QR code; `until` 0 is a permanent one. `label` is what the poster shows."""

    ticket: str
    account: str
    scene: str
    url: str
    until: int
    label: str = ""


@dataclass(slots=True)
class Persona:
    """A customer-service account of an official account: a name and a face for messages."""

    kf_account: str
    account: str
    nickname: str
    kf_id: int
    avatar: str = ""


@dataclass(slots=True)
class Media:
    """A file uploaded by an account or sent by a person; the bytes lie in the data directory under `id`."""

    id: str
    owner: str
    type: str
    name: str
    content_type: str
    size: int
    created_at: int


@dataclass(slots=True)
class Menu:
    """The menu of an official account, as it was created."""

    account: str
    buttons: list[dict[str, Any]]


@dataclass(slots=True)
class ResponseCode:
    """The right to change a card once: for everyone who got it (`user_id` empty) or for the one who pressed."""

    code: str
    agent: str
    msgid: str
    user_id: str
    until: int
    used: bool = False


@dataclass(slots=True)
class Once:
    """Something that must not happen twice: a task id, a client message id, the same content. `until` 0 is for ever."""

    name: str
    until: int
    answer: str = ""


class Shelf(Generic[T]):
    """The things of one kind by key; `put` saves."""

    def __init__(self, kind: str, read: Callable[[Any], T], database: Database, journal: Journal) -> None:
        self._kind = kind
        self._journal = journal
        self._things = {key: read(body) for key, body in database.records(kind)}

    def get(self, key: str) -> T | None:
        """The thing, or None."""
        return self._things.get(key)

    def put(self, key: str, thing: T) -> T:
        """Keep the thing as it is now; call again after changing it."""
        self._things[key] = thing
        self._journal.record(self._kind, key, thing)
        return thing

    def __iter__(self) -> Iterator[T]:
        return iter(self._things.values())

    def __len__(self) -> int:
        return len(self._things)

    def clear(self) -> None:
        """Forget everything; the database is emptied by the caller."""
        self._things.clear()


class State:
    """All shelves, and the numbers that are given out once."""

    def __init__(self, database: Database, journal: Journal) -> None:
        def shelf(kind: str, read: Callable[[Any], T]) -> Shelf[T]:
            return Shelf(kind, read, database, journal)

        self.customers = shelf("customer", Customer.read)
        self.tokens = shelf("token", lambda body: Token(**body))
        self.current_tokens = shelf("current_token", str)
        self.codes = shelf("code", lambda body: QrCode(**body))
        self.scenes = shelf("scene", str)
        self.personas = shelf("persona", lambda body: Persona(**body))
        self.media = shelf("media", lambda body: Media(**body))
        self.menus = shelf("menu", lambda body: Menu(**body))
        self.response_codes = shelf("response_code", lambda body: ResponseCode(**body))
        self.once = shelf("once", lambda body: Once(**body))
        self.used = {key: list(marks) for key, marks in database.records("used")}
        self._last_message = database.last_id("message")
        self._last_delivery = database.last_id("delivery")
        self._last_msg_id = 0

    def clear(self) -> None:
        """Forget everything in memory."""
        for thing in vars(self).values():
            if isinstance(thing, Shelf):
                thing.clear()
        self.used.clear()
        self._last_message = self._last_delivery = 0

    def next_message(self) -> int:
        """The number of the next message on any phone."""
        self._last_message += 1
        return self._last_message

    def next_delivery(self) -> int:
        """The number of the next callback delivery."""
        self._last_delivery += 1
        return self._last_delivery

    def next_msg_id(self, now: int) -> int:
        """A 64-bit MsgId, above 2^53 like the real ones, rising with time and across restarts."""
        self._last_msg_id = max(self._last_msg_id + 1, (now << 20) | secrets.randbits(20))
        return self._last_msg_id


def random_text(length: int) -> str:
    """Letters, digits, `-` and `_`, as tokens, tickets and openids are made of."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))
