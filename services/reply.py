"""An advisor's answer: to the one customer it is for, or held until he picks; and his decision over answers that waited."""

from collections.abc import Sequence

from domain.actions import DecideWaiting, Hold, Send, SendHeld, SetFocus
from domain.buttons import Pick
from domain.calls import Lane
from domain.conversation import FOCUS_MS, Addressed, HeldBecause, Reachable, Step
from domain.ids import AdvisorId, ConversationId, HeldId
from domain.messages import Button, Card, Content, Text
from domain.people import Advisor
from services.bind import offer_binding
from services.talk import bring, fits_card, in_short
from services.tell import mark_pressed, to_advisor, to_customer
from services.work import Work, about
from storage import bindings, conversations, hands, people
from storage.conversations import Unseen
from storage.errors import Conflict
from storage.outbox import discard_waiting, release_waiting
from storage.reachable import reachable

PICKER_BUTTONS = 6
"""A WeCom card takes at most six buttons: https://developer.work.weixin.qq.com/document/path/90236"""


def send(work: Work, action: Send) -> None:
    """Send an answer to the customer of the addressed conversation. Raises Conflict when the conversation is no longer his to answer."""
    advisor = _advisor(work, action.advisor_id)
    target = action.addressed.conversation
    people.lock_row(work.tx, work.brand, target.customer_id)
    hands.end_focus(work.tx, work.brand, advisor.id, unless=target.id)
    claimed = _ensure_owner(work, advisor, target)
    waited = conversations.unseen(work.tx, work.brand, target.id) if claimed else ()
    message = conversations.NewMessage(
        conversation_id=target.id,
        author="advisor",
        content=action.content,
        occurred_at=work.context.inbound.occurred_at,
        advisor_id=advisor.id,
        inbox_id=work.inbox_id,
        recipient=f"customer:{target.customer_id}",
        steps=action.addressed.steps,
    )
    kept = conversations.keep_message(work.tx, work.brand, message, work.now)
    to_customer(work, target.id, action.content, kept, Lane.TALK, advisor)
    if claimed:
        _after_claim(work, advisor, target, waited)


def _ensure_owner(work: Work, advisor: Advisor, target: Reachable) -> bool:
    """Whether the answer took the conversation from a queue just now."""
    binding = bindings.active(work.tx, work.brand, target.customer_id)
    if binding is not None and binding.advisor.at_work:
        if binding.advisor.id != advisor.id:
            raise Conflict("the customer has another advisor by now")
        return False
    already_his = conversations.claimed_by(work.tx, work.brand, target.id, work.now) == advisor.id
    if not conversations.claim(work.tx, work.brand, target.id, advisor.id, work.now):
        raise Conflict("a colleague took this conversation first")
    return not already_his


def _after_claim(work: Work, advisor: Advisor, target: Reachable, waited: Sequence[Unseen]) -> None:
    people.touch_customer(work.tx, work.brand, target.customer_id)
    names = about(work, advisor, target.customer_id)
    to_advisor(work, advisor, [Text(work.say("claimed.you", **names))], Lane.TALK, target.id, target.customer_id)
    # The card in the queue has shown him her first message, if it is a short one.
    unshown = waited[1:] if waited and fits_card(waited[0].content) else waited
    bring(work, advisor, target.id, target.customer_id, unshown)
    offer_binding(work, advisor, target)


def hold(work: Work, action: Hold) -> None:
    """Keep an answer whose addressee is not certain, and ask."""
    advisor = _advisor(work, action.advisor_id)
    held = action.held
    if not held.options:
        key = "unknown_code" if held.because is HeldBecause.UNKNOWN_CODE else "held.none"
        to_advisor(work, advisor, [Text(work.say(key, code=held.code))], Lane.TALK)
        return
    held_id = hands.hold(work.tx, work.brand, advisor.id, held, action.content, work.now)
    contents: list[Content] = []
    if held.because is HeldBecause.UNKNOWN_CODE:
        contents.append(Text(work.say("unknown_code", code=held.code)))
    contents.append(_picker(work, advisor, held_id, action))
    to_advisor(work, advisor, contents, Lane.TALK)


def _picker(work: Work, advisor: Advisor, held_id: HeldId, action: Hold) -> Card:
    buttons = []
    for option in action.held.options[:PICKER_BUTTONS]:
        names = about(work, advisor, option.customer_id)
        buttons.append(Button(str(Pick(held_id, option.id)), work.say("held.option", **names)))
    body = work.say("held.body", text=in_short(work, action.content))
    return Card(work.say("held.title"), body, tuple(buttons))


def send_held(work: Work, action: SendHeld) -> None:
    """The advisor picked the customer of a held answer: it goes out once."""
    advisor = _advisor(work, action.advisor_id)
    target = _reachable(work, advisor.id, action.conversation_id)
    if target is None or target.taken_by:
        _tell_lost(work, advisor, target)
        return
    mark_pressed(work)
    content = hands.take_held(work.tx, work.brand, advisor.id, action.held_id, work.now)
    if content is None:
        sent_before = hands.was_sent(work.tx, work.brand, advisor.id, action.held_id)
        to_advisor(work, advisor, [Text(work.say("held.done" if sent_before else "held.expired"))], Lane.TALK)
        return
    steps = (Step("picked", f"#{target.code} by the advisor", "sent there"),)
    send(work, Send(advisor.id, Addressed(target, in_short(work, content), "picked", steps), content))
    names = about(work, advisor, target.customer_id)
    to_advisor(work, advisor, [Text(work.say("held.sent", **names))], Lane.TALK)


def set_focus(work: Work, action: SetFocus) -> None:
    """The advisor pressed a card: his next answers go to its customer, for a while."""
    advisor = _advisor(work, action.advisor_id)
    target = _reachable(work, advisor.id, action.conversation_id)
    if target is None or target.taken_by:
        _tell_lost(work, advisor, target)
        return
    hands.set_focus(work.tx, work.brand, advisor.id, target.id, work.now)
    names = about(work, advisor, target.customer_id)
    told = work.say("focus.set", minutes=FOCUS_MS // 60_000, **names)
    to_advisor(work, advisor, [Text(told)], Lane.TALK)


def _tell_lost(work: Work, advisor: Advisor, target: Reachable | None) -> None:
    if target is None or not target.taken_by:
        to_advisor(work, advisor, [Text(work.say("held.none"))], Lane.TALK)
        return
    names = about(work, advisor, target.customer_id) | {"advisor": target.taken_by}
    to_advisor(work, advisor, [Text(work.say("claimed.other", **names))], Lane.TALK)


def decide_waiting(work: Work, action: DecideWaiting) -> None:
    """Send or discard the answers that waited for the customer's window. Only who may answer there may decide."""
    advisor = _advisor(work, action.advisor_id)
    target = _reachable(work, advisor.id, action.conversation_id)
    if target is None or not target.owned:
        _tell_lost(work, advisor, target)
        return
    decide = release_waiting if action.send else discard_waiting
    decide(work.tx, work.brand, target.id, work.now)
    mark_pressed(work)


def _reachable(work: Work, by: AdvisorId, conversation: ConversationId) -> Reachable | None:
    found = reachable(work.tx, work.brand, by, work.now, focus=conversation)
    return next((item for item in found if item.id == conversation), None)


def _advisor(work: Work, advisor_id: AdvisorId) -> Advisor:
    advisor = people.advisor(work.tx, work.brand, advisor_id)
    if advisor is None or not advisor.active:
        raise Conflict("the advisor left meanwhile")
    return advisor
