"""The emulator as a whole: the parts every face shares, and the few things they all do."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emulator.callbacks import Courier
from emulator.clock import Clock
from emulator.database import Database, Row
from emulator.events import Events
from emulator.faults import Faults
from emulator.journal import Journal
from emulator.ledger import Ledger
from emulator.limits import Counters, Limit, Limits
from emulator.state import Customer, State
from emulator.world import Agent, OfficialAccount, World

log = logging.getLogger(__name__)

Sender = Literal["me", "them", "system"]


@dataclass(slots=True)
class Message:
    """One bubble on a phone. `me` is the owner of the phone, `them` the account or app.

    `thread` is an openid or `corp_id/agent_id/user_id`; `ref` the platform's id of the message, when it has one.
    """

    id: int
    at: int
    thread: str
    sender: Sender
    type: str
    text: str = ""
    persona: dict[str, str] | None = None
    media_url: str | None = None
    options: list[dict[str, Any]] = field(default_factory=list)
    buttons: list[dict[str, Any]] = field(default_factory=list)
    state: str = "ok"
    content: dict[str, Any] = field(default_factory=dict)
    ref: str = ""

    def shown(self) -> dict[str, Any]:
        """The message as the control face tells it."""
        return {
            "id": self.id,
            "at": self.at,
            "from": self.sender,
            "persona": self.persona,
            "type": self.type,
            "text": self.text,
            "media_url": self.media_url,
            "options": self.options,
            "buttons": self.buttons,
            "state": self.state,
            "content": self.content,
        }


class Emulator:
    """World, state, limits, ledger, faults and callbacks of one running emulator."""

    def __init__(self, world: World, directory: Path, source: Callable[[], float], limits: Limits) -> None:
        """`directory` is created when missing; `source` gives seconds like `time.time`."""
        directory.mkdir(parents=True, exist_ok=True)
        self.world = world
        self.directory = directory
        self.limits = limits
        self.media_directory = directory / "media"
        self.media_directory.mkdir(exist_ok=True)
        self.ledger = Ledger(directory)
        self.database = Database(directory)
        self.journal = Journal(self.database, self.ledger)
        self.state = State(self.database, self.journal)
        self.clock = Clock(source, _saved_lead(self.database))
        self.counters = Counters(self.state.used, lambda key, marks: self.journal.record("used", key, marks))
        self.faults = Faults()
        self.events = Events()
        self.courier = Courier(self.clock, self.faults, self.limits, self.journal, self.state.next_delivery)

    async def start(self) -> None:
        """Open the client that delivers callbacks, and close the deliveries an earlier run left open."""
        await self.courier.start(self.database.by_ref("delivery", "open"))

    async def stop(self) -> None:
        """Stop delivering, write what is left, close the files."""
        self.events.close()
        await self.courier.stop()
        await self.journal.stop()
        self.database.close()
        self.ledger.close()

    def commit(self) -> Awaitable[None]:
        """Wait until everything done so far is on the disk."""
        return self.journal.commit()

    async def forget(self) -> None:
        """Forget all but the world: people, messages, tokens, faults, the ledger, the moved clock."""
        await self.courier.drop_all()
        await self.journal.forget()
        self.state.clear()
        self.faults.remove(None)
        self.clock.reset()
        for file in self.media_directory.iterdir():
            file.unlink()
        self.events.publish("reset")

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Raises ValueError for a step back."""
        self.clock.advance(seconds)
        self.journal.record("clock", "ahead_ms", self.clock.ahead_ms)
        self.events.publish("clock", now=self.clock.now())

    def limit(self, name: str) -> Limit:
        """The limit of this name."""
        return self.limits[name]

    def write(self, account: OfficialAccount | Agent, api: str, **facts: Any) -> None:
        """Put one accepted call, or one of its receivers, into the ledger.

        Facts are `to`, `msgtype`, `body`, `shown` (default True), `why_not_shown` and `fault`.
        """
        entry = {
            "at": self.clock.now(),
            "platform": account.platform,
            "account": account.id,
            "api": api,
            "to": None,
            "msgtype": None,
            "body": {},
            "shown": True,
            "why_not_shown": None,
            "fault": None,
        }
        self.journal.line({**entry, **facts})

    def show(self, thread: str, sender: Sender, type_: str, **facts: Any) -> Message:
        """Put a new message on a phone."""
        message = Message(self.state.next_message(), self.clock.now(), thread, sender, type_, **facts)
        return self.save(message)

    def save(self, message: Message) -> Message:
        """Keep a message as it is now, and tell the pages once that is durable."""
        self.journal.row(Row("message", message.id, message.thread, message.ref, message))
        if self.events:
            shown = {"thread": message.thread, "message": message.shown()}
            self.journal.afterwards(lambda: self.events.publish("message", **shown))
        return message

    def message(self, message_id: int) -> Message | None:
        """A message by its number, or None."""
        body = self.database.row("message", message_id)
        return Message(**body) if body else None

    def messages(self, thread: str) -> list[Message]:
        """A phone's thread, oldest first."""
        return [Message(**body) for body in self.database.thread("message", thread)]

    def messages_of(self, ref: str) -> list[Message]:
        """The messages with this platform id, on all phones."""
        return [Message(**body) for body in self.database.by_ref("message", ref)]

    def keep_customer(self, customer: Customer) -> None:
        """Save a customer, and tell the pages once that is durable."""
        self.state.customers.put(customer.openid, customer)
        if self.events:
            facts = {"openid": customer.openid, "account": customer.account, "label": customer.label}
            following = customer.following
            self.journal.afterwards(lambda: self.events.publish("customer", **facts, following=following))


def _saved_lead(database: Database) -> int:
    saved = dict(database.records("clock"))
    return int(saved.get("ahead_ms", 0))
