"""Saying something: to the customer of the event, to an advisor at work, or to whoever wrote from the work app."""

from collections.abc import Sequence

from domain.actions import Say, Tell, TellSender
from domain.calls import DUE_MS, EXPIRES_MS, Call, Command, CommandName, Lane, Outbound, Persona
from domain.ids import AdvisorId, ConversationId, CustomerId, MessageId, OutboxId, new_id
from domain.messages import Card, Content, Text
from domain.people import Advisor
from services.text import split_text
from services.wording import signature_bytes
from services.work import Work, about, of_advisor
from storage.conversations import Kept, NewMessage, addressee, keep_message, next_number
from storage.outbox import Promise, advisor_stream, enqueue, talk_stream
from storage.people import advisor as find_advisor

_PARTS = 1000
"""Room for the parts of one message between two numbers of a conversation."""


def say(work: Work, action: Say) -> None:
    """The brand says something to the customer of this event."""
    speaker = find_advisor(work.tx, work.brand, action.advisor_id) if action.advisor_id else None
    content = work.words(action.words, **(of_advisor(speaker) if speaker else {}))
    say_to_customer(work, content, action.lane, speaker)


def say_to_customer(work: Work, content: Content, lane: Lane, speaker: Advisor | None) -> None:
    """Keep a message of the brand in the conversation at hand, and promise to send it."""
    if work.conversation is None:
        raise LookupError("this event has no customer to speak to")
    message = NewMessage(work.conversation.id, "system", content, work.now, speaker.id if speaker else None)
    kept = keep_message(work.tx, work.brand, message, work.now)
    to_customer(work, work.conversation.id, content, kept, lane, speaker)


def to_customer(
    work: Work,
    conversation: ConversationId,
    content: Content,
    kept: Kept,
    lane: Lane,
    speaker: Advisor | None,
) -> None:
    """Promise a kept message to the customer, in as many parts as her platform needs, under the speaker's face."""
    target = addressee(work.tx, work.brand, conversation)
    persona = Persona(speaker.name, speaker.persona) if speaker else None
    limit = work.world.rules_of(target.account).text_bytes - (signature_bytes(persona.name) if persona else 0)
    promises = [
        Promise(
            brand=work.brand,
            id=OutboxId(new_id(work.now)),
            account=target.account,
            stream=talk_stream(conversation),
            n=kept.seq * _PARTS + number,
            lane=lane,
            recipient=target.external_id,
            call=Outbound(target.external_id, part, persona),
            due_by=work.now + DUE_MS[lane],
            expires_at=work.now + EXPIRES_MS[lane],
            reports=speaker is not None,
            conversation_id=conversation,
            customer_id=target.customer_id,
            advisor_id=speaker.id if speaker else None,
            message_id=kept.id,
        )
        for number, part in enumerate(parts_of(content, limit))
    ]
    enqueue(work.tx, promises, work.now)


def parts_of(content: Content, limit: int) -> Sequence[Content]:
    """A text in parts of at most `limit` bytes; anything else is one part."""
    if isinstance(content, Text):
        return [Text(part) for part in split_text(content.text, limit)]
    return [content]


def tell(work: Work, action: Tell) -> None:
    """Say something to an advisor in his work app, about a customer where one is given."""
    advisor = find_advisor(work.tx, work.brand, action.advisor_id)
    if advisor is None:
        return
    fields = of_advisor(advisor)
    if action.about:
        fields |= about(work, advisor, action.about)
    content = work.words(action.words, **fields)
    conversation = work.conversation.id if work.conversation else None
    to_advisor(work, advisor, [content], action.lane, conversation, action.about)


def to_advisor(
    work: Work,
    advisor: Advisor,
    contents: Sequence[Content],
    lane: Lane,
    conversation: ConversationId | None = None,
    about_customer: CustomerId | None = None,
    message: MessageId | None = None,
) -> None:
    """Promise contents to an advisor, in order; nothing happens for one who left or has no work app."""
    if advisor.work_account is None or not advisor.active:
        return
    limit = work.world.rules_of(advisor.work_account).text_bytes
    stream, n = _advisor_place(work, advisor.id, conversation)
    parts = [part for content in contents for part in parts_of(content, limit)]
    promises = []
    for number, part in enumerate(parts):
        outbox_id = OutboxId(new_id(work.now))
        promises.append(
            Promise(
                brand=work.brand,
                id=outbox_id,
                account=advisor.work_account,
                stream=stream,
                n=n + number,
                lane=lane,
                recipient=advisor.work_id,
                call=Outbound(advisor.work_id, part, task=outbox_id if isinstance(part, Card) else ""),
                due_by=work.now + DUE_MS[lane],
                expires_at=work.now + EXPIRES_MS[lane],
                conversation_id=conversation,
                customer_id=about_customer,
                advisor_id=advisor.id,
                message_id=message,
            )
        )
    enqueue(work.tx, promises, work.now)


def _advisor_place(work: Work, advisor: AdvisorId, conversation: ConversationId | None) -> tuple[str, int]:
    if conversation is None:
        return f"advisor:{advisor}", work.now * _PARTS
    return advisor_stream(conversation, advisor), next_number(work.tx, work.brand, conversation) * _PARTS


def tell_sender(work: Work, action: TellSender) -> None:
    """Answer the person who wrote from the work app, known to us or not."""
    sender = work.context.inbound.sender
    _to_sender(work, Outbound(sender, work.words(action.words)), f"member:{work.account}:{sender}", action.lane)


def mark_pressed(work: Work) -> None:
    """The button just pressed is done with: the card says so, and takes no second press. Only where the platform gave a code for it."""
    inbound = work.context.inbound
    code = inbound.values.get("response_code", "")
    if code:
        params = {"to": inbound.sender, "response_code": code, "text": work.say("card.done")}
        _to_sender(work, Command(CommandName.MARK_PRESSED, params), f"card:{work.account}:{inbound.task}", Lane.TALK)


def _to_sender(work: Work, call: Call, stream: str, lane: Lane) -> None:
    promise = Promise(
        brand=work.brand,
        id=OutboxId(new_id(work.now)),
        account=work.account,
        stream=stream,
        n=work.now * _PARTS,
        lane=lane,
        recipient=work.context.inbound.sender,
        call=call,
        due_by=work.now + DUE_MS[lane],
        expires_at=work.now + EXPIRES_MS[lane],
    )
    enqueue(work.tx, [promise], work.now)
