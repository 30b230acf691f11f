"""Following and leaving the account; refusing pushes and wanting them again."""

from collections.abc import Sequence

from domain.actions import Action, Followed, OptOut, Phrase, Say, Unfollowed
from domain.context import Context
from handlers import scan


def follow(context: Context) -> Sequence[Action]:
    """She follows: by a code, which is a scan too, or by herself."""
    if context.inbound.scene:
        return [Followed(), *scan.run(context)]
    return [Followed(), Say(Phrase("help.customer"))]


def unfollow(context: Context) -> Sequence[Action]:
    """She leaves. Of somebody we never met there is nothing to end."""
    if context.customer is None or context.customer.is_new:
        return []
    return [Unfollowed()]


def stop(context: Context) -> Sequence[Action]:
    """She refuses pushes."""
    del context
    return [OptOut(refuse=True)]


def start(context: Context) -> Sequence[Action]:
    """She wants pushes again."""
    del context
    return [OptOut(refuse=False)]
