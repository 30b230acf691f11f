"""Conversations and their messages, and why a message went where it went."""

from dataclasses import replace
from typing import Any, Literal

from console.api.models import Millis, Page, PageQuery, cut
from console.api.operation import Asked, Desk, Model, Nothing, example, operation
from domain.access import Right
from domain.errors import InvalidError, NotFoundError
from domain.ids import ConversationId
from domain.messages import encode
from services import why
from storage import inspection


class ConversationOut(Model):
    """A conversation with one customer in one account."""

    id: str
    account: str
    customer_id: str
    customer_reference: str | None
    last_in_at: Millis


class ConversationPage(Page[ConversationOut]):
    """Conversations in the order they began."""

    model_config = example(
        {
            "items": [
                {
                    "id": "019a0f3e7c1d7000a1b2c3d4e5f60718",
                    "account": "oa",
                    "customer_id": "019a0f3e7c1d7000a1b2c3d4e5f60717",
                    "customer_reference": "M000123",
                    "last_in_at": 1795000000000,
                }
            ],
            "next": None,
        }
    )


class MessageOut(Model):
    """A message. `sends` are the states of its deliveries; `content` has a `type` and the fields of that type."""

    id: str
    seq: int
    direction: Literal["in", "out"]
    author: Literal["customer", "advisor", "system", "campaign"]
    advisor_id: str | None
    content: dict[str, Any]
    sends: list[str]
    occurred_at: Millis


class MessagePage(Page[MessageOut]):
    """Messages of a conversation in their order."""

    model_config = example(
        {
            "items": [
                {
                    "id": "019a0f3e7c1d7000a1b2c3d4e5f60719",
                    "seq": 1,
                    "direction": "in",
                    "author": "customer",
                    "advisor_id": None,
                    "content": {"type": "text", "text": "请问有春茶吗"},
                    "sends": ["accepted"],
                    "occurred_at": 1795000000000,
                }
            ],
            "next": None,
        }
    )


class WhyOut(Model):
    """The explanation of a message: `record` for programs, `lines` the same for people."""

    model_config = example(
        {
            "record": {"id": "019a0f3e7c1d7000a1b2c3d4e5f60719", "author": "customer", "seq": 1},
            "lines": [
                "message 019a…: a customer wrote, number 1",
                "    1. bound advisor: 小兰 (bound) -> gets it",
            ],
        }
    )

    record: dict[str, Any]
    lines: list[str]


@operation("GET", "/conversations", Right.READ)
async def list_conversations(desk: Desk, asked: Asked[PageQuery, Nothing]) -> ConversationPage:
    """Conversations of the brand, in the order they began."""
    query = asked.query
    found = await desk.db.read(
        lambda tx: inspection.latest_conversations(tx, asked.caller.brand, query.cursor, query.limit + 1)
    )
    items, following = cut(found, query.limit, _conversation, lambda head: head.id)
    return ConversationPage(items=items, next=following)


def _conversation(head: inspection.ConversationHead) -> ConversationOut:
    return ConversationOut(
        id=head.id,
        account=head.account,
        customer_id=head.customer_id,
        customer_reference=head.customer_reference,
        last_in_at=head.last_in_at,
    )


@operation("GET", "/conversations/{id}/messages", Right.READ)
async def list_messages(desk: Desk, asked: Asked[PageQuery, Nothing]) -> MessagePage:
    """The messages of a conversation, the oldest first."""
    brand, query, conversation = asked.caller.brand, asked.query, ConversationId(asked.path["id"])
    after = _number(query.cursor)

    def read(tx: Any) -> tuple[list[inspection.Message], dict[str, list[str]]]:
        if inspection.conversation(tx, brand, conversation) is None:
            raise NotFoundError("there is no such conversation")
        found = list(inspection.messages_of(tx, brand, conversation, after, query.limit + 1))
        return found, inspection.states_of_messages(tx, brand, [message.id for message in found])

    found, states = await desk.db.read(read)
    items, following = cut(
        found,
        query.limit,
        lambda message: _message(message, states.get(message.id, [])),
        lambda message: str(message.seq),
    )
    return MessagePage(items=items, next=following)


def _number(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise InvalidError("not a cursor of this list", field="cursor")
    return int(cursor or 0)


def _message(message: inspection.Message, sends: list[str]) -> MessageOut:
    return MessageOut.model_validate(
        {
            "id": message.id,
            "seq": message.seq,
            "direction": message.direction,
            "author": message.author,
            "advisor_id": message.advisor_id,
            "content": encode(message.content),
            "sends": sends,
            "occurred_at": message.occurred_at,
        }
    )


@operation("GET", "/messages/{id}/why", Right.READ)
async def explain_message(desk: Desk, asked: Asked[Nothing, Nothing]) -> WhyOut:
    """Who got a message, by which rule, when. Takes the id of a message, of its inbox event or of one of its outbox rows."""
    brand = asked.caller.brand
    own = replace(desk.world, brands={brand: desk.world.brands[brand]})
    explanation = await desk.db.read(lambda tx: why.why(tx, own, asked.path["id"]))
    data = explanation.as_data()
    return WhyOut(lines=data.pop("lines"), record=data)
