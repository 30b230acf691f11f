"""What a handler sees: the event, the people it concerns, and the facts its route asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.binding import Binding, PendingBinding
from domain.calls import OutboxState
from domain.conversation import Conversation, Focus, Reachable
from domain.ids import AdvisorId, BindingId, CustomerId
from domain.messages import Inbound
from domain.people import Account, Advisor, Brand, Customer
from domain.scene import Scene


class Fact(StrEnum):
    """Facts that are loaded only for the routes that need them; each has one loader in services/receive.py."""

    SCENE = "scene"
    PENDING = "pending"
    ASKED = "asked"
    REACHABLE = "reachable"
    FOCUS = "focus"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class DoneCall:
    """The call that a `call_done` event is about: where it ended and why, and whom it was for.

    `text` is what was sent, `params` what was commanded.
    """

    state: OutboxState
    reason: str
    is_command: bool
    command: str
    to_customer: bool
    customer_id: CustomerId | None
    advisor_id: AdvisorId | None
    text: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """The loaded facts; a fact that was not asked for has its default.

    `asked`: the binding whose consent card is the last thing said to this customer.
    `reachable`: the conversations this advisor may be answering in.
    """

    scene: Scene | None = None
    pending: tuple[PendingBinding, ...] = ()
    asked: BindingId | None = None
    reachable: tuple[Reachable, ...] = ()
    focus: Focus | None = None
    call: DoneCall | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One event and the basics around it: `customer`, `binding`, `conversation` on the customers' side, `advisor` on the advisors'."""

    now: int
    brand: Brand
    account: Account
    inbound: Inbound
    customer: Customer | None = None
    advisor: Advisor | None = None
    binding: Binding | None = None
    conversation: Conversation | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def owner(self) -> Advisor | None:
        """The customer's own advisor, while he works for the brand: a leaver keeps nobody from having another."""
        return self.binding.advisor if self.binding and self.binding.advisor.active else None
