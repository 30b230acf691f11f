"""A customer's message: kept once, then relayed to her advisor, or put in the brand queue for whoever answers first."""

from collections.abc import Sequence

from domain.actions import Receive
from domain.buttons import Reply, Window
from domain.calls import HOUR, MINUTE, Lane
from domain.codes import neutralise
from domain.conversation import Conversation
from domain.ids import ConversationId, CustomerId
from domain.messages import Button, Card, Content, Image, Link, Location, MiniProgram, Text, Unparsed, Voice
from domain.people import Advisor
from services.alarms import close_alarm, raise_alarm
from services.tell import say_to_customer, to_advisor
from services.work import Work, about
from storage.conversations import (
    Kept,
    NewMessage,
    Unseen,
    keep_message,
    last_in_at,
    start_waiting,
    stop_waiting,
    unseen,
)
from storage.hands import end_focus
from storage.outbox import release_waiting, waiting_for_window
from storage.people import advisors_on_queue
from templates.catalogue import kind_in_words
from templates.plain import clean, cut, harmless

QUEUE_ADVISORS = 50
"""How many advisors are shown one waiting customer."""

CALL_AGAIN_MS = HOUR
"""A customer who writes again while she waits is shown to them once more, at most this often."""

FRESH_MS = 10 * MINUTE
"""After this silence a customer's message comes with a card to press again."""

RESUME_MS = HOUR
"""Answers that waited for her window no longer than this go out by themselves when she writes; about older ones the advisor is asked."""

_CARD_TEXT = 80


def receive(work: Work, action: Receive) -> None:
    """Keep the customer's message and bring it to whom the decision names."""
    conversation = work.conversation
    if conversation is None:
        raise LookupError("a customer's message without a conversation")
    wrote_at = last_in_at(work.tx, work.brand, conversation.id)
    waited = unseen(work.tx, work.brand, conversation.id) if conversation.waiting_since else ()
    advisor = action.decision.advisor
    message = NewMessage(
        conversation_id=conversation.id,
        author="customer",
        content=action.content,
        occurred_at=work.context.inbound.occurred_at,
        advisor_id=advisor.id if advisor else None,
        inbox_id=work.inbox_id,
        recipient=f"advisor:{advisor.id}" if advisor else f"queue:{action.decision.queue}",
        steps=action.decision.steps,
    )
    kept = keep_message(work.tx, work.brand, message, work.now)
    if advisor:
        stop_waiting(work.tx, work.brand, conversation.id)
        bring(work, advisor, conversation.id, conversation.customer_id, waited)
        relay(work, advisor, conversation, action.content, kept, fresh=work.now - wrote_at > FRESH_MS)
        _resume_waiting(work, advisor, conversation)
    else:
        _queue(work, conversation, action, kept, wrote_at)


def relay(
    work: Work, advisor: Advisor, conversation: Conversation, content: Content, kept: Kept, *, fresh: bool
) -> None:
    """Bring one message to an advisor under the customer's name and code; the first after a silence as a card to press."""
    end_focus(work.tx, work.brand, advisor.id, unless=conversation.id)
    names = about(work, advisor, conversation.customer_id)
    header = work.say("relay.header", **names)
    contents = relayed(work, header, content)
    if fresh:
        card = _reply_card(work, header, content, conversation)
        contents = [card] if fits_card(content) else [card, *contents]
    to_advisor(work, advisor, contents, Lane.TALK, conversation.id, conversation.customer_id, kept.id)


def bring(
    work: Work, advisor: Advisor, conversation: ConversationId, customer: CustomerId, waited: Sequence[Unseen]
) -> None:
    """Bring what she wrote while nobody had her to the advisor who has her now."""
    if not waited:
        return
    end_focus(work.tx, work.brand, advisor.id, unless=conversation)
    header = work.say("relay.header", **about(work, advisor, customer))
    for message in waited:
        contents = relayed(work, header, message.content)
        to_advisor(work, advisor, contents, Lane.TALK, conversation, customer, message.id)


def _reply_card(work: Work, header: str, content: Content, conversation: Conversation) -> Card:
    button = Button(str(Reply(conversation.id)), work.say("card.reply"))
    return Card(header, in_short(work, content), (button,))


def fits_card(content: Content) -> bool:
    """Whether a card shows all of it."""
    return isinstance(content, Text) and len(content.text) <= _CARD_TEXT


def in_short(work: Work, content: Content) -> str:
    """One content in a line or two, for cards and pickers."""
    if isinstance(content, Text):
        return cut(_safe(content.text), _CARD_TEXT)
    return "[" + kind_in_words(_kind(content), work.context.brand.language) + "]"


def _safe(text: str) -> str:
    # What a customer wrote, on an advisor's screen: no hidden link, no turned reading direction, nothing like one of our codes.
    return neutralise(harmless(clean(text)))


def _kind(content: Content) -> str:
    return content.kind if isinstance(content, Unparsed) else _KINDS[type(content)]


_KINDS = {
    Text: "text",
    Image: "image",
    Voice: "voice",
    Location: "location",
    Link: "link",
    MiniProgram: "mini_program",
    Card: "card",
}


def relayed(work: Work, header: str, content: Content) -> list[Content]:
    """A customer's content as her advisor sees it: every message says whose it is."""
    match content:
        case Text(text):
            return [Text(f"{header}\n{_safe(text)}")]
        case Image() | Voice():
            return [Text(f"{header} {in_short(work, content)}"), content]
        case Location(latitude, longitude, label):
            place = work.say("relay.location", label=label)
            return [Text(f"{header}\n{place}\n{latitude:.6f}, {longitude:.6f}")]
        case Link(title, url):
            return [Text(f"{header}\n" + work.say("relay.link", title=title, url=url))]
        case MiniProgram(title) | Card(title):
            return [Text(f"{header} {in_short(work, content)}\n{_safe(title)}")]
        case Unparsed(kind):
            word = kind_in_words(kind, work.context.brand.language)
            return [Text(f"{header}\n" + work.say("relay.unsupported", kind=word))]


def _resume_waiting(work: Work, advisor: Advisor, conversation: Conversation) -> None:
    release_waiting(work.tx, work.brand, conversation.id, work.now, younger_than=work.now - RESUME_MS)
    count = waiting_for_window(work.tx, work.brand, conversation.id)
    if not count:
        return
    names = about(work, advisor, conversation.customer_id)
    card = Card(
        work.say("send.window_open_again.title", count=count, **names),
        work.say("send.window_open_again.body", count=count, **names),
        (
            Button(str(Window(conversation.id, send=True)), work.say("send.window.send")),
            Button(str(Window(conversation.id, send=False)), work.say("send.window.discard")),
        ),
    )
    to_advisor(work, advisor, [card], Lane.TALK, conversation.id, conversation.customer_id)


def _queue(work: Work, conversation: Conversation, action: Receive, kept: Kept, wrote_at: int) -> None:
    since = conversation.waiting_since
    if since and (work.now - since) // CALL_AGAIN_MS == (wrote_at - since) // CALL_AGAIN_MS:
        return
    found = advisors_on_queue(work.tx, work.brand, QUEUE_ADVISORS)
    advisors = [advisor for advisor in found if advisor.work_account in work.world.accounts]
    for advisor in advisors:
        _call(work, advisor, conversation, action.content, kept)
    _watch_queue(work, attended=bool(advisors))
    if not since:
        start_waiting(work.tx, work.brand, conversation.id, work.now)
        say_to_customer(work, Text(work.say("queue.received")), Lane.TALK, None)


def _call(work: Work, advisor: Advisor, conversation: Conversation, content: Content, kept: Kept) -> None:
    end_focus(work.tx, work.brand, advisor.id, unless=conversation.id)
    names = about(work, advisor, conversation.customer_id)
    card = Card(
        work.say("queue.advisor_card.title", **names) + f" #{names['code']}",
        work.say("queue.advisor_card.body", text=in_short(work, content)),
        (Button(str(Reply(conversation.id)), work.say("queue.claim")),),
    )
    to_advisor(work, advisor, [card], Lane.TALK, conversation.id, conversation.customer_id, kept.id)


def _watch_queue(work: Work, *, attended: bool) -> None:
    if attended:
        close_alarm(work.tx, work.brand, "queue_unattended", "brand", work.now)
        return
    text = "a customer waits, and no advisor can be reached: give an active advisor his WeCom id with `import`"
    raise_alarm(work.tx, work.brand, "queue_unattended", "brand", text, "critical", work.now)
