"""Moving the world: posters, faults, the clock, verification of callback addresses, a fresh start."""

from aiohttp import web

from emulator.core import Emulator
from emulator.play.common import EMULATOR, PlayError, answer, official_account, read
from emulator.wechat import codes
from emulator.wechat.inbound import verification as wechat_verification
from emulator.wecom.inbound import verification as wecom_verification
from emulator.world import Agent, OfficialAccount


async def label_poster(request: web.Request) -> web.Response:
    """`POST /play/posters {"scene", "label", "account"?}`: what is printed beside a code.

    A scene no call has made a code for gets a permanent one, as if it had been made in the account's console.
    """
    play = await read(request)
    account = official_account(play.emulator, play.optional("account"))
    scene, label = play.text("scene"), play.text("label")
    code = codes.find(play.emulator, account, scene) or codes.make(play.emulator, account, scene, 0)
    code.label = label
    play.emulator.state.codes.put(code.ticket, code)
    await play.emulator.commit()
    poster = {"scene": scene, "ticket": code.ticket, "label": label, "account": account.app_id}
    play.emulator.events.publish("poster", **poster)
    return answer(poster)


async def order_fault(request: web.Request) -> web.Response:
    """`POST /play/faults`."""
    play = await read(request)
    try:
        fault = play.emulator.faults.add(play.fields)
    except ValueError as error:
        raise PlayError(400, "bad_field", str(error)) from error
    play.emulator.events.publish("fault", fault=fault, active=True)
    return answer({"id": fault.id})


async def take_back_fault(request: web.Request) -> web.Response:
    """`DELETE /play/faults[/{id}]`: callbacks it held are let go."""
    emulator = request.app[EMULATOR]
    wanted = request.match_info.get("id", "")
    try:
        gone = emulator.faults.remove(int(wanted) if wanted else None)
    except (KeyError, ValueError):
        raise PlayError(404, "unknown_fault", f"no fault {wanted!r}; GET /play/state lists them") from None
    emulator.courier.release(gone)
    for fault in gone:
        emulator.events.publish("fault", fault=fault, active=False)
    return answer({"removed": [fault.id for fault in gone]})


async def move_clock(request: web.Request) -> web.Response:
    """`POST /play/clock {"advance_s"}`."""
    play = await read(request)
    try:
        play.emulator.advance(play.number("advance_s"))
    except ValueError as error:
        raise PlayError(400, "bad_field", str(error)) from error
    await play.emulator.commit()
    return answer({"now": play.emulator.clock.now()})


async def forget(request: web.Request) -> web.Response:
    """`POST /play/reset`: all but the world is forgotten; the ledger file is put aside and begins anew."""
    await request.app[EMULATOR].forget()
    return answer({"ok": True})


async def verify(request: web.Request) -> web.Response:
    """`POST /play/accounts/{id}/verify`: the GET a platform makes when the callback address is saved.

    The id is an app id, or `corp_id/agent_id`, as in the ledger.
    """
    emulator = request.app[EMULATOR]
    account = _any_account(emulator, request.match_info["id"])
    if not account.callback_url:
        raise PlayError(409, "no_callback", f"{account.id}: the world file gives it no callback_url")
    if isinstance(account, Agent):
        (query, expected), deadline = wecom_verification(emulator, account), "wecom.verify_deadline"
    else:
        (query, expected), deadline = wechat_verification(emulator, account), "wechat.callback_deadline"
    attempt, body = await emulator.courier.check(account.callback_url, query, emulator.limit(deadline).value)
    error = attempt.error or (None if body == expected else f"expected {expected!r}, the body is {body[:200]!r}")
    return answer({"ok": error is None, "status": attempt.status, "ms": attempt.ms, "error": error})


def _any_account(emulator: Emulator, name: str) -> OfficialAccount | Agent:
    found = emulator.world.account(name) or emulator.world.agent(name)
    if found is None:
        raise PlayError(404, "unknown_account", f"the world file has no account {name!r}")
    return found
