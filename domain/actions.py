"""What a handler may ask for. services/apply.py turns actions into rows, all of one event in one transaction.

Words are named, not written: a `Phrase` is a key of the catalogue with its fields; `{customer}`, `{code}`, `{advisor}`, `{shop}` and
`{brand}` are filled in from the people the action is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.calls import Lane
from domain.consent import Answer
from domain.conversation import Addressed, Decision, Held
from domain.ids import AdvisorId, BindingId, ConversationId, CustomerId, HeldId
from domain.messages import Content


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of the catalogue."""

    key: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receive:
    """Save the customer's message in her conversation, with its routing decision, and relay it to whom the decision names:
    the advisor, or the queue's advisors when it is the first one waiting."""

    content: Content
    decision: Decision


@dataclass(frozen=True, slots=True)
class Say:
    """The brand says something to the customer of this event, under the face of `advisor_id` where one is given."""

    words: Phrase
    lane: Lane = Lane.WELCOME
    advisor_id: AdvisorId | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """The gateway says something to an advisor in his work app, about a customer where one is given."""

    advisor_id: AdvisorId
    words: Phrase
    about: CustomerId | None = None
    lane: Lane = Lane.TALK


@dataclass(frozen=True, slots=True)
class TellSender:
    """Say something to the person who wrote from the work app, known to us or not."""

    words: Phrase
    lane: Lane = Lane.TALK


@dataclass(frozen=True, slots=True)
class OpenPending:
    """Open a binding that waits for consent, and show the consent card to the customer. An open one for the same advisor is reused."""

    advisor_id: AdvisorId
    scene: str
    offer: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The customer answered the consent card of `binding_id`: keep a receipt; yes binds (unless she is bound meanwhile), no releases."""

    binding_id: BindingId
    answer: Answer


@dataclass(frozen=True, slots=True)
class Send:
    """The advisor's answer goes to the customer of the addressed conversation. From a queue, the first answer claims it."""

    advisor_id: AdvisorId
    addressed: Addressed
    content: Content


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep an answer whose addressee is not certain, and show the picker."""

    advisor_id: AdvisorId
    held: Held
    content: Content


@dataclass(frozen=True, slots=True)
class SendHeld:
    """The advisor picked: send the held answer `held_id` to that conversation."""

    advisor_id: AdvisorId
    held_id: HeldId
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class SetFocus:
    """The advisor pressed the card button of a conversation: his next answers go there."""

    advisor_id: AdvisorId
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class Followed:
    """The customer follows the account (again)."""


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """The customer left the account: pushes are cancelled at once, her advisor is told."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """The customer refuses pushes (`refuse`), or wants them again."""

    refuse: bool


@dataclass(frozen=True, slots=True)
class DecideWaiting:
    """The advisor decides over answers that waited for the customer's window: send or discard."""

    advisor_id: AdvisorId
    conversation_id: ConversationId
    send: bool


@dataclass(frozen=True, slots=True)
class SaveCode:
    """A platform made the code of a scene."""

    scene: str
    ticket: str
    url: str


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Something a person of the brand must know."""

    kind: str
    subject: str
    text: str


Action = (
    Receive
    | Say
    | Tell
    | TellSender
    | OpenPending
    | Consent
    | Send
    | Hold
    | SendHeld
    | SetFocus
    | Followed
    | Unfollowed
    | OptOut
    | DecideWaiting
    | SaveCode
    | RaiseAlarm
)
