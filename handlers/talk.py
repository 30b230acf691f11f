"""A customer writes, or taps the menu: it goes to whom the decision names."""

from collections.abc import Sequence

from domain.actions import Action, Phrase, Receive, Say
from domain.calls import Lane
from domain.context import Context
from domain.conversation import choose_recipient
from domain.messages import Content


def run(context: Context) -> Sequence[Action]:
    """Any message of a customer."""
    content = context.inbound.content
    return [received(context, content)] if content is not None else []


def received(context: Context, content: Content) -> Receive:
    """Keep and relay this content by the routing decision."""
    if context.conversation is None:
        raise LookupError("a customer's message comes with her conversation")
    return Receive(content, choose_recipient(context.binding, context.conversation, context.now))


def menu(context: Context) -> Sequence[Action]:
    """A tap on the account's menu: she learns who her advisor is, or how to reach one."""
    if context.owner is None:
        return [Say(Phrase("help.customer"), Lane.WELCOME)]
    return [Say(Phrase("already_bound.customer"), Lane.WELCOME, context.owner.id)]
