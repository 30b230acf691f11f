"""How a content looks in a WeCom app: the body of an app message, pure.

https://developer.work.weixin.qq.com/document/path/90236
"""

import re
from typing import Any, assert_never

from domain.calls import Outbound
from domain.messages import Button, Card, Image, Link, Location, MiniProgram, Text, Unparsed, Voice
from gateway.channels.errors import Refused
from gateway.channels.plain import head, place
from services.text import split_text

MOST_BUTTONS = 6
BUTTON_CHARS = 10

_MEMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_TASK = re.compile(r"[0-9A-Za-z_@-]{1,128}")
_TITLE_BYTES = 128
_DESCRIPTION_BYTES = 512
_NOTICE_TITLE_CHARS = 12


def body(outbound: Outbound, agent_id: int, media_id: str) -> dict[str, Any]:
    """The JSON to send. `media_id` is the platform's id of the content's file. Raises Refused for what it cannot show, and
    for a receiver that is not one member: `@all` and `a|b` would tell others."""
    if not _MEMBER.fullmatch(outbound.to):
        raise Refused("invalid_member", "a message goes to one member, by his id")
    # No duplicate check: customers do write "你好" twice, and both must arrive.
    return {"touser": outbound.to, "agentid": agent_id, **_content(outbound, media_id), "enable_duplicate_check": 0}


def button_text(text: str) -> str:
    """A button's text in the ten characters it has room for."""
    return text if len(text) <= BUTTON_CHARS else text[: BUTTON_CHARS - 1] + "…"


def _content(outbound: Outbound, media_id: str) -> dict[str, Any]:
    match outbound.content:
        case Text(text):
            return _text(text)
        case Image():
            return {"msgtype": "image", "image": {"media_id": media_id}}
        case Voice():
            return {"msgtype": "voice", "voice": {"media_id": media_id}}
        case Location() as location:
            return _text(place(location))
        case Link() as link:
            return {"msgtype": "news", "news": {"articles": [_article(link)]}}
        case MiniProgram(title, app_id, path):
            notice = {"appid": app_id, "page": path, "title": title[:_NOTICE_TITLE_CHARS]}
            return {"msgtype": "miniprogram_notice", "miniprogram_notice": notice}
        case Card() as card:
            return _card(card, outbound.task) if card.buttons else _text(head(card))
        case Unparsed(kind):
            raise Refused("content_unsupported", f"a message of kind {kind} cannot be sent")
        case other:
            assert_never(other)


def _text(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


def _article(link: Link) -> dict[str, str]:
    return {
        "title": split_text(link.title, _TITLE_BYTES)[0],
        "description": split_text(link.description, _DESCRIPTION_BYTES)[0],
        "url": link.url,
        "picurl": link.picture_url,
    }


def _card(card: Card, task: str) -> dict[str, Any]:
    if len(card.buttons) > MOST_BUTTONS:
        raise Refused("too_many_buttons", f"a card takes {MOST_BUTTONS} buttons, not {len(card.buttons)}", alarm=True)
    if not _TASK.fullmatch(task):
        raise Refused("card_task_invalid", "a card needs a task id of letters, digits, '_', '-' and '@'", alarm=True)
    fields: dict[str, Any] = {
        "card_type": "button_interaction",
        "main_title": {"title": card.title},
        "task_id": task,
        "button_list": [_button(button) for button in card.buttons],
    }
    if card.body:
        fields["sub_title_text"] = card.body
    if card.quote:
        fields["quote_area"] = {"type": 0, "quote_text": card.quote}
    return {"msgtype": "template_card", "template_card": fields}


def _button(button: Button) -> dict[str, Any]:
    return {"text": button_text(button.text), "style": 1, "key": button.key}
