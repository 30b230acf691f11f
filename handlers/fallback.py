"""What no other route wants: things we cannot read, and events that mean nothing to us. They stay in the inbox, raw."""

from collections.abc import Sequence

from domain.actions import Action, Phrase, TellSender
from domain.context import Context
from domain.people import Side
from handlers import talk


def unreadable(context: Context) -> Sequence[Action]:
    """A message of a kind we do not know is shown as what it is; an event of such a kind is only kept."""
    content = context.inbound.content
    if content is None:
        return []
    if context.account.side is Side.ADVISOR:
        return [TellSender(Phrase("unsupported.advisor"))]
    return [talk.received(context, content)]


def nothing(context: Context) -> Sequence[Action]:
    """Kept, and nothing else."""
    del context
    return []
