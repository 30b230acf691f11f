"""What a handler must know about an event: the basics always, further facts when its route asks for them. Reads only."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from domain.buttons import ConsentKey, conversation_in, read_key
from domain.calls import Command, Outbound, OutboxState
from domain.codes import read_code
from domain.context import Context, DoneCall, Fact, Facts
from domain.conversation import Conversation
from domain.ids import ConversationId
from domain.messages import Card, Inbound, Kind, Text
from domain.people import Side
from services.world import World
from storage import bindings, conversations, hands, people, scenes
from storage.outbox import call_of
from storage.reachable import reachable


def load(tx: Connection, world: World, inbound: Inbound, now: int) -> Context:
    """The event with its people. Raises KeyError for an account that is no longer configured."""
    account = world.accounts[inbound.account]
    context = Context(now, world.brands[account.brand], account, inbound)
    if not inbound.sender or inbound.kind is Kind.CALL_DONE:
        return context
    if account.side is Side.ADVISOR:
        return replace(context, advisor=people.advisor_at_work(tx, account.brand, account.id, inbound.sender))
    return _customer_side(tx, context)


def _customer_side(tx: Connection, context: Context) -> Context:
    brand, account, sender = context.brand.id, context.account.id, context.inbound.sender
    customer = people.customer_behind(tx, brand, account, sender)
    if customer is None:
        stranger = people.new_customer(context.now)
        return replace(context, customer=stranger, conversation=Conversation(ConversationId(""), stranger.id))
    talk = conversations.conversation_with(tx, brand, account, sender)
    return replace(
        context,
        customer=customer,
        binding=bindings.active(tx, brand, customer.id),
        conversation=talk or Conversation(ConversationId(""), customer.id),
    )


def load_facts(tx: Connection, context: Context, needs: frozenset[Fact]) -> Context:
    """The context with the facts its route needs."""
    loaded = {need.value: _LOADERS[need](tx, context) for need in needs}
    return replace(context, facts=Facts(**loaded))


def _scene(tx: Connection, context: Context) -> Any:
    state = context.inbound.scene
    return scenes.scene(tx, context.brand.id, state) if state else None


def _pending(tx: Connection, context: Context) -> Any:
    if context.customer is None:
        return ()
    return tuple(bindings.pending(tx, context.brand.id, context.customer.id, context.now))


def _asked(tx: Connection, context: Context) -> Any:
    if context.conversation is None:
        return None
    said = conversations.last_said(tx, context.brand.id, context.conversation.id)
    keys = [read_key(button.key) for button in said.buttons] if isinstance(said, Card) else []
    return next((key.binding for key in keys if isinstance(key, ConsentKey)), None)


def _reachable(tx: Connection, context: Context) -> Any:
    if context.advisor is None:
        return ()
    content = context.inbound.content
    code = read_code(content.text).code if isinstance(content, Text) else ""
    pressed = conversation_in(context.inbound.key)
    held_focus = hands.focus(tx, context.brand.id, context.advisor.id, context.now)
    focus = pressed or (held_focus.conversation_id if held_focus else None)
    return tuple(reachable(tx, context.brand.id, context.advisor.id, context.now, code=code, focus=focus))


def _focus(tx: Connection, context: Context) -> Any:
    return hands.focus(tx, context.brand.id, context.advisor.id, context.now) if context.advisor else None


def _call(tx: Connection, context: Context) -> Any:
    record = call_of(tx, context.brand.id, context.inbound.values.get("outbox_id", ""))
    if record is None:
        return None
    call = record.call
    command = call if isinstance(call, Command) else None
    text = call.content.text if isinstance(call, Outbound) and isinstance(call.content, Text) else ""
    return DoneCall(
        state=OutboxState(context.inbound.values["state"]),
        reason=context.inbound.values.get("reason", ""),
        is_command=command is not None,
        command=command.name.value if command else "",
        to_customer=record.to_customer,
        customer_id=record.customer_id,
        advisor_id=record.advisor_id,
        text=text,
        params=dict(command.params) if command else {},
    )


_LOADERS: Mapping[Fact, Callable[[Connection, Context], Any]] = {
    Fact.SCENE: _scene,
    Fact.PENDING: _pending,
    Fact.ASKED: _asked,
    Fact.REACHABLE: _reachable,
    Fact.FOCUS: _focus,
    Fact.CALL: _call,
}
