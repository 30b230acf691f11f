"""A customer scans a code: consent is asked for the code's advisor, unless she has one already."""

from collections.abc import Sequence

from domain.actions import Action, OpenPending, Phrase, RaiseAlarm, Say, Tell
from domain.calls import Lane
from domain.context import Context
from domain.people import Advisor


def run(context: Context) -> Sequence[Action]:
    """A scan by somebody who follows the account already."""
    scene = context.facts.scene
    if scene is None:
        return [*_unknown(context), Say(Phrase("help.customer"))]
    advisor = scene.advisor
    if context.owner is not None:
        return _already_bound(context, context.owner, advisor)
    if advisor is None or not advisor.active:
        return [*_left(context, advisor), Say(Phrase("help.customer"))]
    if advisor.own_id and advisor.own_id == context.inbound.sender:
        return [*_own_code(context, advisor), Say(Phrase("help.customer"))]
    return [OpenPending(advisor.id, scene.state)]


def _already_bound(context: Context, owner: Advisor, scanned: Advisor | None) -> Sequence[Action]:
    if context.customer is None:
        return []
    customer = context.customer.id
    actions: list[Action] = [Say(Phrase("already_bound.customer"), Lane.WELCOME, owner.id)]
    if scanned is not None and scanned.id != owner.id and scanned.active:
        actions.append(Tell(scanned.id, Phrase("already_bound.advisor", {"advisor": owner.name}), customer))
        actions.append(Tell(owner.id, Phrase("already_bound.owner"), customer))
    return actions


def _unknown(context: Context) -> Sequence[Action]:
    state = context.inbound.scene
    if not state:
        return []
    return [RaiseAlarm("unknown_scene", state, "a scanned code carries a scene that this brand never made")]


def _own_code(context: Context, advisor: Advisor) -> Sequence[Action]:
    text = f"{advisor.name} ({advisor.shop.name}) scanned his own code: refused, nobody is his own customer"
    return [RaiseAlarm("own_code_scanned", context.inbound.scene, text)]


def _left(context: Context, advisor: Advisor | None) -> Sequence[Action]:
    if advisor is None:
        return []
    text = f"the code of {advisor.name} ({advisor.shop.name}) was scanned, but the advisor is no longer active"
    return [RaiseAlarm("scene_of_leaver", context.inbound.scene, text)]
