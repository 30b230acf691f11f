"""What our own buttons answer with: `reply:<conversation>`, `pick:<held>:<conversation>`, `window:<conversation>:send`,
`consent:<binding>:yes`.

A pressed key comes from outside: reading one gives None unless every part has its form.
"""

from dataclasses import dataclass

from domain.consent import Answer
from domain.ids import BindingId, ConversationId, HeldId, is_id


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer this customer next."""

    conversation: ConversationId

    def __str__(self) -> str:
        return f"reply:{self.conversation}"


@dataclass(frozen=True, slots=True)
class Pick:
    """The held answer is for this customer."""

    held: HeldId
    conversation: ConversationId

    def __str__(self) -> str:
        return f"pick:{self.held}:{self.conversation}"


@dataclass(frozen=True, slots=True)
class Window:
    """Send or discard what waited for this customer's window."""

    conversation: ConversationId
    send: bool

    def __str__(self) -> str:
        return f"window:{self.conversation}:{'send' if self.send else 'discard'}"


@dataclass(frozen=True, slots=True)
class ConsentKey:
    """The customer's answer to the consent card of this binding."""

    binding: BindingId
    answer: Answer

    def __str__(self) -> str:
        return f"consent:{self.binding}:{self.answer.value}"


Pressed = Reply | Pick | Window | ConsentKey


def read_key(key: str) -> Pressed | None:
    """What a pressed button means; None when it is none of ours."""
    match key.split(":"):
        case ["reply", conversation] if is_id(conversation):
            return Reply(ConversationId(conversation))
        case ["pick", held, conversation] if is_id(held) and is_id(conversation):
            return Pick(HeldId(held), ConversationId(conversation))
        case ["window", conversation, "send" | "discard" as choice] if is_id(conversation):
            return Window(ConversationId(conversation), choice == "send")
        case ["consent", binding, "yes" | "no" as answer] if is_id(binding):
            return ConsentKey(BindingId(binding), Answer(answer))
        case _:
            return None


def conversation_in(key: str) -> ConversationId | None:
    """The conversation a pressed button names, if it names one."""
    match read_key(key):
        case Reply(conversation) | Pick(_, conversation) | Window(conversation, _):
            return conversation
        case _:
            return None
