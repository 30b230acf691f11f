"""Template messages: accepted at once, their end told by TEMPLATESENDJOBFINISH.

https://developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.html
Any template id is taken: which templates an account has is set in its console, not in the world file.
"""

import re
import unicodedata
from typing import Any

from emulator.api import Call, Refused
from emulator.state import Customer, Once
from emulator.wechat import inbound
from emulator.wechat.send import receiver

FIELD = re.compile(r"([a-z_]+?)\d+\Z")


def send(call: Call) -> dict[str, Any]:
    """`POST message/template/send`: `client_msg_id` keeps a repeat within ten minutes from being shown."""
    customer = receiver(call)
    if not customer.following:
        raise Refused(43004)
    call.text("template_id", 40037)
    data = call.body.get("data")
    if not isinstance(data, dict):
        raise Refused(47001, "missing data")
    for key, field in data.items():
        _check_field(call, key, field)
    before = _sent_before(call, customer)
    if before is not None:
        _write(call, customer, shown=False, why_not_shown="client_msg_id within 10 min")
        return {"errcode": 0, "errmsg": "ok", "msgid": int(before)}
    msgid = call.emulator.state.next_msg_id(call.emulator.clock.now())
    _remember(call, customer, msgid)
    _deliver(call, customer, data, msgid)
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def _deliver(call: Call, customer: Customer, data: dict[str, Any], msgid: int) -> None:
    content = {key: value for key, value in call.body.items() if key != "touser"}
    lines = "\n".join(str(field["value"]) for field in data.values())
    call.emulator.show(customer.openid, "them", "template", text=lines, content=content, ref=str(msgid))
    _write(call, customer)
    event = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": msgid, "Status": "success"}
    inbound.tell(call.emulator, call.account, customer, event, notice=False)


def _check_field(call: Call, key: str, field: Any) -> None:
    value = field.get("value") if isinstance(field, dict) else None
    if not isinstance(value, str) or not value:
        raise Refused(47003, f"data.{key}.value is empty")
    kind = FIELD.match(key)
    limit = call.emulator.limits.get(f"template.{kind[1]}") if kind else None
    if limit is None:
        return
    size = _columns(value) if limit.unit == "columns" else len(value)
    if size > limit.value:
        raise Refused(limit.errcode, f"data.{key}.value invalid")


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _once_name(call: Call, customer: Customer) -> str:
    return f"template {customer.openid} {call.body['client_msg_id']}"


def _sent_before(call: Call, customer: Customer) -> str | None:
    if not call.body.get("client_msg_id"):
        return None
    before = call.emulator.state.once.get(_once_name(call, customer))
    return before.answer if before and before.until > call.emulator.clock.now() else None


def _remember(call: Call, customer: Customer, msgid: int) -> None:
    if call.body.get("client_msg_id"):
        name = _once_name(call, customer)
        until = call.emulator.clock.now() + call.emulator.limit("wechat.template_dedup").value * 1000
        call.emulator.state.once.put(name, Once(name, until, str(msgid)))


def _write(call: Call, customer: Customer, **facts: Any) -> None:
    call.write(call.account, to=customer.openid, msgtype="template", body=call.body, **facts)
