"""An advisor pressed a button of one of our cards."""

from collections.abc import Sequence

from domain.actions import Action, DecideWaiting, SendHeld, SetFocus
from domain.buttons import ConsentKey, Pick, Reply, Window, read_key
from domain.context import Context


def run(context: Context) -> Sequence[Action]:
    """Any pressed button; a key that is none of ours means nothing."""
    advisor = context.advisor
    if advisor is None:
        return []
    match read_key(context.inbound.key):
        case Reply(conversation):
            return [SetFocus(advisor.id, conversation)]
        case Pick(held, conversation):
            return [SendHeld(advisor.id, held, conversation)]
        case Window(conversation, send):
            return [DecideWaiting(advisor.id, conversation, send)]
        case ConsentKey() | None:
            return []
