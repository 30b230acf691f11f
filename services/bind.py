"""Binding by consent: the card, the answer, the receipt, the welcome. A claim never binds; a binding never is without a receipt."""

from domain.actions import Consent, OpenPending
from domain.binding import PendingBinding
from domain.buttons import ConsentKey
from domain.calls import Lane
from domain.consent import POLICY_VERSION, Answer, Receipt, text_hash
from domain.conversation import Conversation, Reachable
from domain.ids import CustomerId
from domain.messages import Button, Card, Text
from domain.people import Advisor
from services.talk import bring
from services.tell import say_to_customer, to_advisor, to_customer
from services.work import Work, about, of_advisor
from storage import bindings, conversations, people, scenes
from storage.errors import Conflict


def open_pending(work: Work, action: OpenPending) -> None:
    """Open a binding that waits for consent, and show the consent card to the customer of this event."""
    advisor = people.advisor(work.tx, work.brand, action.advisor_id)
    if advisor is None or work.conversation is None:
        return
    card = _consent_card(work, advisor, work.conversation.customer_id, action.scene, "consent")
    say_to_customer(work, card, Lane.WELCOME, None)


def offer_binding(work: Work, advisor: Advisor, target: Reachable) -> None:
    """After an advisor took a customer from the queue: offer her the binding by consent card, unless one is open or it is himself."""
    himself = conversations.addressee(work.tx, work.brand, target.id).external_id == advisor.own_id
    if himself or bindings.pending(work.tx, work.brand, target.customer_id, work.now):
        return
    card = _consent_card(work, advisor, target.customer_id, "", "offer_binding")
    message = conversations.NewMessage(target.id, "system", card, work.now, advisor.id)
    kept = conversations.keep_message(work.tx, work.brand, message, work.now)
    to_customer(work, target.id, card, kept, Lane.CARD, None)


def _consent_card(work: Work, advisor: Advisor, customer: CustomerId, scene: str, words: str) -> Card:
    binding = bindings.open_pending(work.tx, work.brand, customer, advisor.id, scene, POLICY_VERSION, work.now)
    fields = of_advisor(advisor)
    buttons = (
        Button(str(ConsentKey(binding, Answer.YES)), work.say("consent.yes")),
        Button(str(ConsentKey(binding, Answer.NO)), work.say("consent.no")),
    )
    return Card(work.say(f"{words}.title", **fields), work.say(f"{words}.body", **fields), buttons)


def consent(work: Work, action: Consent) -> None:
    """The customer answered a consent card: keep the receipt; yes binds unless she is bound by now, no releases.

    A leaver binds nobody: neither is she bound to him any more, nor does his old binding keep her from another.
    """
    pending = _pending(work, action)
    advisor = people.advisor(work.tx, work.brand, pending.advisor_id) if pending else None
    if pending is None or advisor is None or work.conversation is None:
        return
    _keep_receipt(work, pending, advisor, action.answer)
    owner = bindings.active(work.tx, work.brand, work.conversation.customer_id)
    if action.answer is Answer.NO:
        bindings.release(work.tx, work.brand, pending.id, "customer", "declined", work.now)
        say_to_customer(work, Text(work.say("consent.declined")), Lane.WELCOME, None)
    elif owner is not None and owner.advisor.active:
        bindings.release(work.tx, work.brand, pending.id, "system", "bound_elsewhere", work.now)
        told = Text(work.say("already_bound.customer", **of_advisor(owner.advisor)))
        say_to_customer(work, told, Lane.WELCOME, owner.advisor)
    elif not advisor.active:
        bindings.release(work.tx, work.brand, pending.id, "system", "advisor_left", work.now)
        say_to_customer(work, Text(work.say("help.customer")), Lane.WELCOME, None)
    else:
        if owner is not None:
            bindings.release(work.tx, work.brand, owner.id, "system", "advisor_left", work.now)
        _bind(work, pending, advisor, work.conversation)


def _pending(work: Work, action: Consent) -> PendingBinding | None:
    if work.conversation is None:
        return None
    found = bindings.pending(work.tx, work.brand, work.conversation.customer_id, work.now)
    return next((item for item in found if item.id == action.binding_id), None)


def _keep_receipt(work: Work, pending: PendingBinding, advisor: Advisor, answer: Answer) -> None:
    if work.conversation is None:
        return
    customer = work.conversation.customer_id
    shown = conversations.last_card(work.tx, work.brand, customer, str(ConsentKey(pending.id, Answer.YES)))
    words = shown.body if shown else work.say("consent.body", **of_advisor(advisor))
    receipt = Receipt(pending.policy_version, text_hash(words), answer, pending.scene)
    bindings.keep_receipt(work.tx, work.brand, customer, pending.id, receipt, work.account, work.now)


def _bind(work: Work, pending: PendingBinding, advisor: Advisor, conversation: Conversation) -> None:
    customer = conversation.customer_id
    if bindings.bind(work.tx, work.brand, pending.id, "customer", "consent", work.now) is None:
        raise Conflict("the binding that waited for consent has ended meanwhile")
    bindings.release_other_pending(work.tx, work.brand, customer, "bound_elsewhere", work.now)
    waiting = conversations.waiting_of(work.tx, work.brand, customer)
    conversations.end_claims(work.tx, work.brand, customer)
    people.touch_customer(work.tx, work.brand, customer)
    say_to_customer(work, Text(work.say("welcome", **of_advisor(advisor))), Lane.WELCOME, advisor)
    scene = scenes.scene(work.tx, work.brand, pending.scene) if pending.scene else None
    told = work.say("bound.advisor_told", scene=scene.label if scene else "", **about(work, advisor, customer))
    to_advisor(work, advisor, [Text(told)], Lane.TALK, conversation.id, customer)
    for one in waiting:
        bring(work, advisor, one, customer, conversations.unseen(work.tx, work.brand, one))
