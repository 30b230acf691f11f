"""Passive replies of a WeCom app: shown to the member, or changing the button he pressed.

https://developer.work.weixin.qq.com/document/path/90241
"""

import re
from typing import Any

from emulator import crypto, xml
from emulator.api import Refused
from emulator.callbacks import BadAnswer
from emulator.core import Emulator, Message
from emulator.wecom import cards, contents
from emulator.world import Agent, Member

API = "passive_reply"
NUMBERS = ("type", "style")
LISTS = ("button_list", "horizontal_content_list", "jump_list", "action_list", "option_list", "select_list")


def read(agent: Agent, member: Member, body: bytes) -> dict[str, Any] | None:
    """The fields of a reply; None for an empty body or `success`. Raises BadAnswer for anything else."""
    if body in (b"", b"success"):
        return None
    try:
        fields = _clear(agent, xml.parse(body))
    except (xml.BadXml, crypto.Rejected) as error:
        raise BadAnswer(str(error)) from error
    if fields.get("ToUserName") != member.user_id or fields.get("FromUserName") != agent.corp_id:
        raise BadAnswer("ToUserName and FromUserName do not answer this member and this corp")
    if not fields.get("MsgType"):
        raise BadAnswer("the reply has no MsgType")
    return fields


def show(emulator: Emulator, agent: Agent, member: Member, fields: dict[str, Any], pressed: Message | None) -> None:
    """Put a reply on the member's phone, or change the card he pressed; both are written to the ledger."""
    msgtype = str(fields["MsgType"])
    facts: dict[str, Any] = {"to": member.user_id, "msgtype": msgtype, "body": fields}
    try:
        if msgtype in ("update_button", "update_template_card"):
            _change(emulator, fields, pressed)
        else:
            _add(emulator, agent, member, msgtype, fields)
    except Refused as refusal:
        why = f"errcode {refusal.errcode} {refusal.detail}".strip()
        emulator.write(agent, API, **facts, shown=False, why_not_shown=why)
    else:
        emulator.write(agent, API, **facts)


def replace_buttons(message: Message, name: str) -> None:
    """A card after `replace_name`: one button that says so and can no longer be pressed."""
    message.buttons = [{"key": "", "text": name, "done": True}]


def replace_card(emulator: Emulator, message: Message, card: dict[str, Any]) -> None:
    """A card replaced by another; it keeps its task id. Raises Refused for a card that breaks a rule."""
    kept = {"task_id": message.content["task_id"]} if "task_id" in message.content else {}
    whole = {**kept, **card}
    message.buttons = cards.check(emulator.limits, whole)
    message.content = whole
    message.text = cards.title(whole)


def _clear(agent: Agent, fields: dict[str, Any]) -> dict[str, Any]:
    ciphertext = fields.get("Encrypt")
    if not isinstance(ciphertext, str):
        raise BadAnswer("the reply is not encrypted")
    signature, timestamp, nonce = (str(fields.get(name) or "") for name in ("MsgSignature", "TimeStamp", "Nonce"))
    return xml.parse(agent.envelope.open(signature, timestamp, nonce, ciphertext))


def _change(emulator: Emulator, fields: dict[str, Any], pressed: Message | None) -> None:
    card_message = emulator.message(pressed.id) if pressed else None
    if card_message is None or card_message.type != "template_card":
        raise Refused(40058, "no card was pressed")
    button, card = fields.get("Button"), fields.get("TemplateCard")
    if isinstance(button, dict) and button.get("ReplaceName"):
        replace_buttons(card_message, str(button["ReplaceName"]))
    elif isinstance(card, dict):
        replace_card(emulator, card_message, _json(card))
    else:
        raise Refused(40058, "neither Button.ReplaceName nor TemplateCard")
    emulator.save(card_message)


def _add(emulator: Emulator, agent: Agent, member: Member, msgtype: str, fields: dict[str, Any]) -> None:
    if msgtype not in ("text", "image", "voice", "video", "news"):
        raise Refused(40008, f"msgtype {msgtype!r}")
    branch = _branch(msgtype, fields)
    shown = contents.read(emulator, agent, msgtype, branch)
    thread = f"{agent.id}/{member.user_id}"
    emulator.show(thread, "them", msgtype, text=shown.text, media_url=shown.media_url, content=branch)


def _branch(msgtype: str, fields: dict[str, Any]) -> dict[str, Any]:
    if msgtype == "text":
        return {"content": fields.get("Content")}
    if msgtype == "news":
        articles = fields.get("Articles")
        items = articles.get("item") if isinstance(articles, dict) else None
        found = [one for one in (items if isinstance(items, list) else [items]) if isinstance(one, dict)]
        return {"articles": [{name.lower(): value for name, value in one.items()} for one in found]}
    inner = fields.get(msgtype.capitalize())
    found_media = inner if isinstance(inner, dict) else {}
    return {_snake(name): value for name, value in found_media.items()}


def _json(value: Any, name: str = "") -> Any:
    """The card of an XML reply as the JSON of the API writes it: snake_case names, lists as lists, numbers as numbers."""
    if isinstance(value, dict):
        fields = {_snake(inner): one for inner, one in value.items()}
        found = {inner: _json(one, inner) for inner, one in fields.items()}
        return [found] if name in LISTS else found
    if isinstance(value, list):
        return [_json(one) for one in value]
    return int(value) if name in NUMBERS and str(value).isdigit() else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
