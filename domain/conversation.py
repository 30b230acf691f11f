"""The two decisions of a talk: who gets a customer's message, and which customer an advisor's answer is for.

Both are pure and return the steps that led to the result; the steps are stored with the message and printed by `why`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.binding import Binding
from domain.calls import HOUR, MINUTE
from domain.ids import ConversationId, CustomerId
from domain.people import Advisor

OPEN_MS = 48 * HOUR
"""A conversation counts as open this long after the customer's last message: as long as the widest platform window, because
a conversation that is wrongly thought closed would make another one "the only open one"."""

CLAIM_SILENT_MS = 24 * HOUR
"""A claim ends after this silence of both sides."""

FOCUS_MS = 10 * MINUTE
"""How long a pressed card button keeps the advisor's next answers with its customer."""

SHOWN_MS = HOUR
"""How long an advisor may believe that a customer he saw in the queue is still waiting."""

HELD_EXPIRES_MS = 24 * HOUR
"""How long a held answer waits for its pick."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: the rule asked, the fact it saw, what followed."""

    rule: str
    fact: str
    result: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The talk with one customer in one account. `claimed_by` holds while it was taken from a queue."""

    id: ConversationId
    customer_id: CustomerId
    claimed_by: Advisor | None = None
    claim_until: int = 0
    waiting_since: int = 0


class RecipientKind(StrEnum):
    """Where a customer's message goes."""

    ADVISOR = "advisor"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Decision:
    """The recipient of a customer's message and the steps that led there. `queue` is `brand` or `shop:<id>`."""

    kind: RecipientKind
    advisor: Advisor | None
    queue: str
    steps: tuple[Step, ...]


def choose_recipient(binding: Binding | None, conversation: Conversation, now: int) -> Decision:
    """Who gets a customer's message: the bound advisor > who claimed the conversation > the brand queue."""
    steps: list[Step] = []
    advisor = _bound(binding, steps) or _claimed(conversation, now, steps)
    if advisor is not None:
        return Decision(RecipientKind.ADVISOR, advisor, "", tuple(steps))
    steps.append(Step("brand queue", "nobody else is due", "waits for the first answer"))
    return Decision(RecipientKind.QUEUE, None, "brand", tuple(steps))


def _bound(binding: Binding | None, steps: list[Step]) -> Advisor | None:
    if binding is None:
        steps.append(Step("bound advisor", "no active binding", "next rule"))
        return None
    advisor = binding.advisor
    if not advisor.at_work:
        missing = "is no longer active" if not advisor.active else "has no work app"
        steps.append(Step("bound advisor", f"{advisor.name} {missing}", "next rule"))
        return None
    steps.append(Step("bound advisor", f"{advisor.name} ({binding.state})", "gets it"))
    return advisor


def _claimed(conversation: Conversation, now: int, steps: list[Step]) -> Advisor | None:
    advisor = conversation.claimed_by
    if advisor is None:
        steps.append(Step("claimed conversation", "not claimed", "next rule"))
        return None
    if conversation.claim_until <= now or not advisor.at_work:
        steps.append(Step("claimed conversation", f"the claim of {advisor.name} has ended", "next rule"))
        return None
    steps.append(Step("claimed conversation", f"claimed by {advisor.name}", "gets it"))
    return advisor


@dataclass(frozen=True, slots=True)
class Reachable:
    """A conversation an advisor may mean: his own (bound or claimed), one that waits in a queue he serves, one he lately had.

    `taken_by` names the colleague who has it by now: it may no longer be answered in, yet he may not know.
    """

    id: ConversationId
    customer_id: CustomerId
    code: str
    owned: bool
    open: bool
    taken_by: str = ""


@dataclass(frozen=True, slots=True)
class Focus:
    """The conversation an advisor chose by a card button."""

    conversation_id: ConversationId
    until: int


class HeldBecause(StrEnum):
    """Why an answer was not sent but held."""

    UNKNOWN_CODE = "unknown_code"
    UNCLEAR_CODE = "unclear_code"
    SEVERAL_OPEN = "several_open"
    NONE_OPEN = "none_open"


@dataclass(frozen=True, slots=True)
class Addressed:
    """An answer with a certain addressee. `text` is what is left after the code, `by` the rule that decided."""

    conversation: Reachable
    text: str
    by: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """An answer whose addressee is not certain: never guess. `options` are what the picker shows."""

    because: HeldBecause
    text: str
    options: tuple[Reachable, ...]
    steps: tuple[Step, ...]
    code: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The addressee is certain, but a colleague has the conversation by now."""

    conversation: Reachable
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Answering:
    """All that is known when an advisor answers. `unclear`: it begins like a code that cannot be read.

    `quoted` is set where the platform names the quoted message.
    """

    code: str
    text: str
    reachable: Sequence[Reachable]
    focus: Focus | None = None
    quoted: ConversationId | None = None
    unclear: bool = False


def address(answering: Answering, now: int) -> Addressed | Taken | Held:
    """The code typed > the card button pressed > the quoted message > the only open conversation > held, with a picker."""
    steps: list[Step] = []
    if answering.code:
        return _by_code(answering, steps)
    if answering.unclear:
        steps.append(Step("code typed", "begins like a code, and is none", "held, a picker is shown"))
        return Held(HeldBecause.UNCLEAR_CODE, answering.text, _open(answering.reachable), tuple(steps))
    by_id = {item.id: item for item in answering.reachable}
    focus = answering.focus
    if focus and focus.until > now and (chosen := by_id.get(focus.conversation_id)):
        return _certain(chosen, answering.text, "card button", steps)
    steps.append(Step("card button", "no button pressed, or its time is over", "next rule"))
    if answering.quoted and (quoted := by_id.get(answering.quoted)):
        return _certain(quoted, answering.text, "quoted message", steps)
    # A customer he lost counts, too: he may not have noticed, and mean her.
    meant = [item for item in answering.reachable if item.open]
    if len(meant) == 1 and meant[0].owned:
        return _certain(meant[0], answering.text, "only open conversation", steps)
    options = _open(answering.reachable)
    because = HeldBecause.SEVERAL_OPEN if options else HeldBecause.NONE_OPEN
    steps.append(Step("only open conversation", f"he may mean any of {len(meant)}", "held, a picker is shown"))
    return Held(because, answering.text, options, tuple(steps))


def _by_code(answering: Answering, steps: list[Step]) -> Addressed | Taken | Held:
    for item in answering.reachable:
        if item.code == answering.code:
            return _certain(item, answering.text, "code typed", steps)
    steps.append(
        Step("code typed", f"#{answering.code} names none of this advisor's customers", "held, a picker is shown")
    )
    return Held(HeldBecause.UNKNOWN_CODE, answering.text, _open(answering.reachable), tuple(steps), answering.code)


def _certain(item: Reachable, text: str, rule: str, steps: list[Step]) -> Addressed | Taken:
    if item.taken_by:
        steps.append(Step(rule, f"#{item.code}", f"not sent: {item.taken_by} has this conversation"))
        return Taken(item, tuple(steps))
    steps.append(Step(rule, f"#{item.code}", "sent there"))
    return Addressed(item, text, rule, tuple(steps))


def _open(reachable: Sequence[Reachable]) -> tuple[Reachable, ...]:
    return tuple(item for item in reachable if item.open and not item.taken_by)
