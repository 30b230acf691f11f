"""How a content looks in an official account: the body of a customer-service message, pure.

https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage
"""

from dataclasses import replace
from typing import Any, assert_never

from domain.calls import Outbound
from domain.messages import Card, Image, Link, Location, MiniProgram, Text, Unparsed, Voice
from gateway.channels.errors import Refused
from gateway.channels.plain import head, numbered, place


def body(outbound: Outbound, media_id: str) -> dict[str, Any]:
    """The JSON to send. `media_id` is the platform's id of the content's file. Raises Refused for what it cannot show."""
    message = {"touser": outbound.to, **_content(outbound, media_id)}
    if outbound.persona and outbound.persona.account:
        message["customservice"] = {"kf_account": outbound.persona.account}
    return message


def as_text(outbound: Outbound, card: Card) -> dict[str, Any]:
    """A card for accounts without message menus: its options are numbered."""
    return body(replace(outbound, content=Text(numbered(card))), "")


def _content(outbound: Outbound, media_id: str) -> dict[str, Any]:
    match outbound.content:
        case Text(text):
            return _text(outbound, text)
        case Image():
            return {"msgtype": "image", "image": {"media_id": media_id}}
        case Voice():
            return {"msgtype": "voice", "voice": {"media_id": media_id}}
        case Location() as location:
            return _text(outbound, place(location))
        case Link() as link:
            return {"msgtype": "news", "news": {"articles": [_article(link)]}}
        case MiniProgram() as program:
            return {"msgtype": "miniprogrampage", "miniprogrampage": _program(program, media_id)}
        case Card() as card:
            return _menu(outbound, card) if card.buttons else _text(outbound, head(card))
        case Unparsed(kind):
            raise Refused("content_unsupported", f"a message of kind {kind} cannot be sent")
        case other:
            assert_never(other)


def _text(outbound: Outbound, text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": _signed(outbound, text)}}


def _signed(outbound: Outbound, text: str) -> str:
    # Without a persona account nothing but the words can say whose they are.
    persona = outbound.persona
    return f"【{persona.name}】{text}" if persona and persona.name and not persona.account else text


def _menu(outbound: Outbound, card: Card) -> dict[str, Any]:
    options = [{"id": button.key, "content": button.text} for button in card.buttons]
    menu = {"head_content": _signed(outbound, head(card)), "list": options, "tail_content": ""}
    return {"msgtype": "msgmenu", "msgmenu": menu}


def _article(link: Link) -> dict[str, str]:
    return {"title": link.title, "description": link.description, "url": link.url, "picurl": link.picture_url}


def _program(program: MiniProgram, thumb_id: str) -> dict[str, str]:
    if not thumb_id:
        raise Refused("thumb_missing", "a mini-program card needs a picture")
    return {
        "title": program.title,
        "appid": program.app_id,
        "pagepath": program.path,
        "thumb_media_id": thumb_id,
    }
