"""Following, leaving, and refusing pushes. What she refuses ends at once, also what was already queued."""

from domain.actions import OptOut
from domain.calls import Lane
from domain.messages import Text
from services.tell import say_to_customer, to_advisor
from services.work import Work, about
from storage import bindings, conversations, people
from storage.outbox import cancel_pushes


def followed(work: Work) -> None:
    """She follows the account, for the first time or again."""
    inbound = work.context.inbound
    people.set_following(work.tx, work.brand, work.account, inbound.sender, work.now, follows=True)


def unfollowed(work: Work) -> None:
    """She left the account: nothing is pushed to her there any more, nobody has to take her; her advisor is told."""
    inbound, conversation = work.context.inbound, work.conversation
    people.set_following(work.tx, work.brand, work.account, inbound.sender, work.now, follows=False)
    if conversation is None:
        return
    conversations.stop_waiting(work.tx, work.brand, conversation.id)
    cancel_pushes(work.tx, work.brand, conversation.customer_id, "unfollowed", work.now, account=work.account)
    _tell_owner(work, "unfollowed.advisor")


def opt_out(work: Work, action: OptOut) -> None:
    """She refuses pushes, or wants them again; talk goes on either way."""
    if work.conversation is None:
        return
    customer = work.conversation.customer_id
    people.set_opted_out(work.tx, work.brand, customer, work.now if action.refuse else None)
    if not action.refuse:
        say_to_customer(work, Text(work.say("resumed.customer")), Lane.TALK, None)
        return
    cancel_pushes(work.tx, work.brand, customer, "opted_out", work.now)
    say_to_customer(work, Text(work.say("withdrawn.customer")), Lane.TALK, None)
    _tell_owner(work, "withdrawn.advisor")


def _tell_owner(work: Work, key: str) -> None:
    if work.conversation is None:
        return
    conversation = work.conversation
    binding = bindings.active(work.tx, work.brand, conversation.customer_id)
    if binding is None:
        return
    words = Text(work.say(key, **about(work, binding.advisor, conversation.customer_id)))
    to_advisor(work, binding.advisor, [words], Lane.TALK, conversation.id, conversation.customer_id)
