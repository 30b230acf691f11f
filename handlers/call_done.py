"""A call to a platform came to its end: the advisor learns what did not arrive, the brand learns that he was not reached; a code
that was made is kept."""

from collections.abc import Sequence

from domain.actions import Action, Phrase, RaiseAlarm, SaveCode, Tell
from domain.calls import CommandName, OutboxState
from domain.context import Context, DoneCall

_TOLD = {
    OutboxState.UNKNOWN: "send.unknown",
    OutboxState.REFUSED: "send.refused",
    OutboxState.EXPIRED: "send.refused",
    OutboxState.DEAD: "send.refused",
    OutboxState.WAITING_WINDOW: "send.window_closed",
}


def run(context: Context) -> Sequence[Action]:
    """Any finished call that was to be reported."""
    call = context.facts.call
    if call is None:
        return []
    return _command(context, call) if call.is_command else _message(context, call)


def _message(context: Context, call: DoneCall) -> Sequence[Action]:
    key = _TOLD.get(call.state)
    if key is None or call.advisor_id is None:
        return []
    if not call.to_customer:
        # Telling him is what failed.
        text = (
            f"a message did not reach this advisor at work ({call.state}: {call.reason}): see what it was with "
            f"`advisor-gateway why {context.inbound.values['outbox_id']}`, and check his WeCom id and the app's members"
        )
        return [RaiseAlarm("advisor_not_reached", call.advisor_id, text)]
    return [Tell(call.advisor_id, Phrase(key, {"text": call.text, "reason": call.reason}), call.customer_id)]


def _command(context: Context, call: DoneCall) -> Sequence[Action]:
    if call.command != CommandName.MAKE_CODE.value:
        return []
    scene = call.params.get("scene", "")
    if call.state is OutboxState.ACCEPTED:
        values = context.inbound.values
        return [SaveCode(scene, values.get("ticket", ""), values.get("url", ""))]
    return [RaiseAlarm("code_not_made", scene, f"the platform made no code for this scene: {call.reason}")]
