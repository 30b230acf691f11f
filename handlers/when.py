"""What routes look at: small questions about an event, to be read aloud in the table of routes."""

from collections.abc import Callable

from domain.buttons import ConsentKey, read_key
from domain.consent import is_start, is_stop, read_answer
from domain.context import Context
from domain.messages import Kind, Text
from domain.people import Side

Question = Callable[[Context], bool]


def customer(*kinds: Kind) -> Question:
    """An event of these kinds from a customer."""
    return lambda context: context.account.side is Side.CUSTOMER and context.inbound.kind in kinds


def advisor(*kinds: Kind) -> Question:
    """An event of these kinds from somebody at work."""
    return lambda context: context.account.side is Side.ADVISOR and context.inbound.kind in kinds


def anybody(*kinds: Kind) -> Question:
    """An event of these kinds, whoever it is from."""
    return lambda context: context.inbound.kind in kinds


def always(context: Context) -> bool:
    """Whatever is left."""
    del context
    return True


def consent_pressed(context: Context) -> bool:
    """A customer tapped an answer of a consent card."""
    return _from_customer(context) and isinstance(read_key(context.inbound.key), ConsentKey)


def could_answer_consent(context: Context) -> bool:
    """A customer typed something that answers a consent card, if one is open."""
    return _from_customer(context) and read_answer(_typed(context)) is not None


def stops(context: Context) -> bool:
    """A customer refuses pushes (退订, TD ...)."""
    return _from_customer(context) and is_stop(_typed(context))


def starts(context: Context) -> bool:
    """A customer wants pushes again."""
    return _from_customer(context) and is_start(_typed(context))


def unknown_member(context: Context) -> bool:
    """Somebody wrote from the work app who is no advisor of ours, or none any more."""
    at_work = context.account.side is Side.ADVISOR and context.inbound.kind is not Kind.CALL_DONE
    return at_work and bool(context.inbound.sender) and (context.advisor is None or not context.advisor.active)


def asks_help(context: Context) -> bool:
    """An advisor asks how this works."""
    return context.account.side is Side.ADVISOR and _typed(context).strip().casefold() in {"帮助", "help", "?", "？"}


def _from_customer(context: Context) -> bool:
    return context.account.side is Side.CUSTOMER and context.inbound.kind is Kind.MESSAGE


def _typed(context: Context) -> str:
    content = context.inbound.content
    return content.text if isinstance(content, Text) else ""
