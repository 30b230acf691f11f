"""Answers to a consent card, tapped or typed."""

from collections.abc import Sequence

from domain.actions import Action, Consent, Phrase, Say
from domain.buttons import ConsentKey, read_key
from domain.calls import Lane
from domain.consent import read_answer
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
    if context.binding is not None:
        return [Say(Phrase("already_bound.customer"), Lane.WELCOME, context.binding.advisor.id)]
    return [Say(Phrase("help.customer"), Lane.WELCOME)]


def typed(context: Context) -> Sequence[Action]:
    """She typed "1" or "同意": an answer only while exactly one card is open, else it is talk like any other."""
    content = context.inbound.content
    answer = read_answer(content.text) if isinstance(content, Text) else None
    if answer is None or len(context.facts.pending) != 1:
        return talk.run(context)
    return [Consent(context.facts.pending[0].id, answer)]
