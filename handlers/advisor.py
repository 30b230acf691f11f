"""An advisor writes from his work app: his answer goes to the one customer it is certainly for, or is held."""

from collections.abc import Sequence

from domain.actions import Action, Hold, Phrase, Send, SetFocus, Tell, TellSender
from domain.codes import read_code
from domain.context import Context
from domain.conversation import Addressed, Answering, Held, Taken, address
from domain.messages import Content, Kind, Text


def answer(context: Context) -> Sequence[Action]:
    """Any message of an advisor."""
    advisor, content = context.advisor, context.inbound.content
    if advisor is None or content is None:
        return []
    typed = read_code(content.text) if isinstance(content, Text) else read_code("")
    facts = context.facts
    answering = Answering(typed.code, typed.rest, facts.reachable, facts.focus, unclear=typed.unclear)
    match address(answering, context.now):
        case Addressed() as addressed:
            stripped = _without_code(content, addressed.text)
            # "#A17" and nothing else, as before a picture: the same as pressing the card of that customer.
            return [
                Send(advisor.id, addressed, stripped) if stripped else SetFocus(advisor.id, addressed.conversation.id)
            ]
        case Taken(conversation):
            told = Phrase("claimed.other", {"advisor": conversation.taken_by})
            return [Tell(advisor.id, told, conversation.customer_id)]
        case Held() as held:
            return [Hold(advisor.id, held, _without_code(content, held.text) or content)]


def stranger(context: Context) -> Sequence[Action]:
    """Somebody at work who is no advisor of ours: he is told where to turn, once for each message he writes."""
    return [TellSender(Phrase("stranger.at_work"))] if context.inbound.kind is Kind.MESSAGE else []


def help_(context: Context) -> Sequence[Action]:
    """How answering works."""
    del context
    return [TellSender(Phrase("help.advisor"))]


def _without_code(content: Content, text: str) -> Content | None:
    if not isinstance(content, Text):
        return content
    return Text(text) if text.strip() else None
