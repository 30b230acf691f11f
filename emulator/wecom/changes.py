"""Changing what was sent: cards by their response code, any message by recall.

https://developer.work.weixin.qq.com/document/path/94888
https://developer.work.weixin.qq.com/document/path/94867
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.core import Message
from emulator.state import ResponseCode
from emulator.wecom.replies import replace_buttons, replace_card
from emulator.wecom.send import check_agent, corp_of, thread_of


def update_template_card(call: Call) -> dict[str, Any]:
    """`POST message/update_template_card`: a code of the send changes the card for all named, one of a press for him."""
    check_agent(call)
    code = _code(call)
    members, unknown = _named(call)
    messages = _messages(call, code, members)
    button, card = call.body.get("button"), call.body.get("template_card")
    for message in messages:
        if isinstance(button, dict) and button.get("replace_name"):
            replace_buttons(message, str(button["replace_name"]))
        elif isinstance(card, dict):
            replace_card(call.emulator, message, card)
        else:
            raise Refused(40058, "neither button.replace_name nor template_card")
    code.used = True
    call.emulator.state.response_codes.put(code.code, code)
    for message in messages:
        call.emulator.save(message)
        user_id = message.thread.rpartition("/")[2]
        call.write(call.agent, to=user_id, msgtype="template_card", body=call.body)
    return {"errcode": 0, "errmsg": "ok", "invaliduser": [one.lower() for one in unknown]}


def recall(call: Call) -> dict[str, Any]:
    """`POST message/recall {"msgid"}`: within 24 hours, by the app that sent it."""
    messages = call.emulator.messages_of(call.text("msgid", 40058))
    life_ms = call.emulator.limit("wecom.recall_life").value * 1000
    now = call.emulator.clock.now()
    for message in messages:
        if not message.thread.startswith(f"{call.agent.id}/") or now - message.at > life_ms:
            raise Refused(40058, "msgid")
    if not messages:
        raise Refused(40058, "msgid")
    for message in messages:
        _take_back(message)
        call.emulator.save(message)
        call.write(call.agent, to=message.thread.rpartition("/")[2], body=call.body)
    return {"errcode": 0, "errmsg": "ok"}


def _take_back(message: Message) -> None:
    message.type = "recalled"
    message.text = ""
    message.media_url = None
    message.buttons = []
    message.content = {}


def _code(call: Call) -> ResponseCode:
    code = call.emulator.state.response_codes.get(call.text("response_code", 40058))
    if code is None or code.agent != call.agent.id:
        raise Refused(40058, "response_code")
    if code.used or code.until <= call.emulator.clock.now():
        raise Refused(call.emulator.limit("wecom.response_code_life").errcode)
    return code


def _named(call: Call) -> tuple[set[str], list[str]]:
    """The members the call names, and the ids that name nobody. Raises Refused when it names nobody at all."""
    corp = corp_of(call)
    if call.body.get("atall") == 1:
        return {member.user_id for member in corp.members}, []
    ids = call.body.get("userids")
    if not isinstance(ids, list):
        raise Refused(40035, "userids is an array")
    if len(ids) > call.emulator.limit("wecom.receivers").value:
        raise Refused(call.emulator.limit("wecom.receivers").errcode, "userids")
    found = {str(one): corp.member(str(one)) for one in ids}
    unknown = [one for one, member in found.items() if member is None]
    return {member.user_id for member in found.values() if member is not None}, unknown


def _messages(call: Call, code: ResponseCode, members: set[str]) -> list[Message]:
    allowed = members & {code.user_id} if code.user_id else members
    threads = {thread_of(call.agent, user_id) for user_id in allowed}
    found = [message for message in call.emulator.messages_of(code.msgid) if message.thread in threads]
    if not found:
        raise Refused(81013)
    return found
