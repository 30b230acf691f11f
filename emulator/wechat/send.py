"""Customer-service messages and the typing sign.

https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage
https://developers.weixin.qq.com/doc/subscription/api/customer/message/api_typing.html
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.state import Customer, Persona
from emulator.wechat import contents, windows


def custom_send(call: Call) -> dict[str, Any]:
    """`POST message/custom/send`: answers no message id, as the platform does not."""
    emulator = call.emulator
    customer = receiver(call)
    msgtype = call.text("msgtype", 40008)
    branch = call.body.get(msgtype)
    shown = contents.read(emulator, call.account, msgtype, branch)
    persona = _persona(call)
    windows.spend(emulator, customer)
    customer.talked_at = emulator.clock.now()
    customer.typing_until = 0
    emulator.state.customers.put(customer.openid, customer)
    emulator.show(
        customer.openid,
        "them",
        msgtype,
        text=shown.text,
        media_url=shown.media_url,
        options=shown.options,
        persona=_face(persona),
        content=branch,
    )
    call.write(call.account, to=customer.openid, msgtype=msgtype, body=call.body)
    return {"errcode": 0, "errmsg": "ok"}


def typing(call: Call) -> dict[str, Any]:
    """`POST message/custom/typing`: only while the talk is fresh, and not twice at a time."""
    customer = receiver(call)
    now = call.emulator.clock.now()
    command = call.body.get("command")
    if command not in ("Typing", "CancelTyping"):
        raise Refused(45072)
    if now - customer.talked_at > call.emulator.limit("wechat.typing_silence").value * 1000:
        raise Refused(45080)
    if command == "Typing" and customer.typing_until > now:
        raise Refused(45081)
    shown_ms = call.emulator.limit("wechat.typing_shown").value * 1000
    customer.typing_until = now + shown_ms if command == "Typing" else 0
    call.emulator.keep_customer(customer)
    call.write(call.account, to=customer.openid, body=call.body)
    return {"errcode": 0, "errmsg": "ok"}


def receiver(call: Call) -> Customer:
    """The customer `touser` names. Raises Refused 40003: unknown here or known to another account only."""
    customer = call.emulator.state.customers.get(str(call.body.get("touser", "")))
    if customer is None or customer.account != call.account.app_id:
        raise Refused(40003)
    return customer


def _persona(call: Call) -> Persona | None:
    service = call.body.get("customservice")
    if service is None:
        return None
    name = service.get("kf_account") if isinstance(service, dict) else None
    persona = call.emulator.state.personas.get(f"{call.account.app_id} {name}")
    if persona is None:
        raise Refused(65401)
    return persona


def _face(persona: Persona | None) -> dict[str, str] | None:
    if persona is None:
        return None
    face = {"name": persona.nickname}
    return {**face, "avatar_url": f"/play/media/{persona.avatar}"} if persona.avatar else face
