"""Answers to a consent card, tapped or typed."""

from collections.abc import Sequence

from domain.actions import Action, Consent, Phrase, Say
from domain.buttons import ConsentKey, read_key
from domain.calls import Lane
from domain.consent import is_unmistakable, read_answer
from domain.context import Context
from domain.messages import Text
from handlers import talk


def pressed(context: Context) -> Sequence[Action]:
    """She tapped: the card says which binding it is about. A card that is over binds nobody."""
    key = read_key(context.inbound.key)
    if not isinstance(key, ConsentKey):
        return talk.run(context)
    if any(pending.id == key.binding for pending in context.facts.pending):
        return [Consent(key.binding, key.answer)]
    if context.owner is not None:
        return [Say(Phrase("already_bound.customer"), Lane.WELCOME, context.owner.id)]
    return [Say(Phrase("help.customer"), Lane.WELCOME)]


def typed(context: Context) -> Sequence[Action]:
    """She typed "同意", "好的" or "1": an answer only while exactly one card is open, else it is talk like any other.

    Once something else was said to her, only a word that can mean nothing else answers the card: "好的" may be for the advisor.
    """
    content, facts = context.inbound.content, context.facts
    answer = read_answer(content.text) if isinstance(content, Text) else None
    if not isinstance(content, Text) or answer is None or len(facts.pending) != 1:
        return talk.run(context)
    (pending,) = facts.pending
    if facts.asked != pending.id and not is_unmistakable(content.text):
        return talk.run(context)
    return [Consent(pending.id, answer)]
