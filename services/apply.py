"""What the handlers asked for becomes rows: all actions of one event in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from sqlalchemy import Connection

from domain import actions as ask
from domain.context import Context
from domain.ids import InboxId
from domain.quota import trigger_of
from services import bind, follow, reply, talk, tell
from services.alarms import raise_alarm
from services.work import Work
from services.world import World
from storage.conversations import ensure_conversation
from storage.people import add_customer, lock_customer
from storage.scenes import save_code
from storage.windows import grant


def apply(tx: Connection, world: World, context: Context, actions: Sequence[ask.Action], inbox_id: InboxId) -> None:
    """Write everything `actions` ask for. Raises Conflict when the context is stale: load it again and decide again."""
    if not actions:
        return
    work = Work(tx, world, context, inbox_id)
    if context.customer is not None:
        work = _meet_customer(work)
    for action in actions:
        _apply(work, action)


def _meet_customer(work: Work) -> Work:
    context = work.context
    inbound, who = context.inbound, context.customer
    if who is None:
        raise LookupError("this event has no customer")
    if who.is_new:
        add_customer(work.tx, work.brand, who, work.account, inbound.sender, work.now)
    lock_customer(work.tx, work.brand, who)
    conversation = ensure_conversation(work.tx, work.brand, work.account, inbound.sender, who.id, work.now)
    _open_window(work)
    return replace(work, conversation=conversation)


def _open_window(work: Work) -> None:
    inbound = work.context.inbound
    trigger = trigger_of(inbound)
    for rule in work.world.rules_of(work.account).windows:
        if rule.trigger is trigger:
            grant(work.tx, work.brand, work.account, inbound.sender, rule, work.now)


def _apply(work: Work, action: ask.Action) -> None:  # noqa: C901, PLR0912 - one line for each action is the point of this function
    match action:
        case ask.Receive():
            talk.receive(work, action)
        case ask.Say():
            tell.say(work, action)
        case ask.Tell():
            tell.tell(work, action)
        case ask.TellSender():
            tell.tell_sender(work, action)
        case ask.OpenPending():
            bind.open_pending(work, action)
        case ask.Consent():
            bind.consent(work, action)
        case ask.Send():
            reply.send(work, action)
        case ask.Hold():
            reply.hold(work, action)
        case ask.SendHeld():
            reply.send_held(work, action)
        case ask.SetFocus():
            reply.set_focus(work, action)
        case ask.DecideWaiting():
            reply.decide_waiting(work, action)
        case ask.Followed():
            follow.followed(work)
        case ask.Unfollowed():
            follow.unfollowed(work)
        case ask.OptOut():
            follow.opt_out(work, action)
        case ask.SaveCode(scene, ticket, url):
            save_code(work.tx, work.brand, scene, ticket, url)
        case ask.RaiseAlarm(kind, subject, text):
            raise_alarm(work.tx, work.brand, kind, subject, text, "warning", work.now)
        case _:
            assert_never(action)
