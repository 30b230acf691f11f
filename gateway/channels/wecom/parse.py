"""What a WeCom app's payload means as an inbound event.

Messages: https://developer.work.weixin.qq.com/document/path/90239
Events: https://developer.work.weixin.qq.com/document/path/90240
"""

import re

from wechatpy.enterprise.events import EVENT_TYPES
from wechatpy.enterprise.messages import MESSAGE_TYPES
from wechatpy.events import ClickEvent, SubscribeEvent, UnsubscribeEvent

from domain.ids import AccountId
from domain.messages import Inbound, Kind, Unparsed
from gateway.channels.contents import read_content
from gateway.channels.errors import Malformed
from gateway.channels.payload import Payload, read
from gateway.channels.wecom.settings import WecomSettings

_USER_ID = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,63}")
_SYSTEM = "sys"
# Newer than wechatpy's catalogue.
_CARD_EVENT = "template_card_event"


def parse(account: AccountId, settings: WecomSettings, body: bytes, now: int) -> list[Inbound]:
    """The event in `body`. Raises Malformed when there is none, its sender is no member id, or it is for another app."""
    payload = read(account, body, now)
    agent = payload.get("AgentID")
    if payload.get("ToUserName") != settings.corp_id or (agent and agent != str(settings.agent_id)):
        raise Malformed("the payload is for another company or app")
    # Member ids are unique whatever their case, and the platform itself answers in lower case.
    sender = payload.get("FromUserName").casefold()
    if sender == _SYSTEM:
        return [_other(payload, "")]
    if not _USER_ID.fullmatch(sender):
        raise Malformed("the payload's sender is no member id")
    return [_event(payload, sender) if payload.event else _message(payload, sender)]


def _message(payload: Payload, sender: str) -> Inbound:
    found = read_content(payload.typed(MESSAGE_TYPES), payload)
    kind = Kind.UNPARSED if isinstance(found.content, Unparsed) else Kind.MESSAGE
    return payload.inbound(kind, sender, payload.message_key(), content=found.content, media=found.media)


def _event(payload: Payload, sender: str) -> Inbound:
    key = payload.get("EventKey")
    if payload.event == _CARD_EVENT:
        return _card(payload, sender, key)
    dedup_key = payload.event_key(sender, key)
    match payload.typed(EVENT_TYPES):
        case SubscribeEvent():
            return payload.inbound(Kind.FOLLOW, sender, dedup_key)
        case UnsubscribeEvent():
            return payload.inbound(Kind.UNFOLLOW, sender, dedup_key)
        case ClickEvent():
            return payload.inbound(Kind.MENU, sender, dedup_key, key=key)
        case _:
            return _other(payload, sender)


def _card(payload: Payload, sender: str, key: str) -> Inbound:
    task = payload.get("TaskId")
    values = {"response_code": payload.get("ResponseCode"), "card_type": payload.get("CardType")}
    return payload.inbound(Kind.CARD, sender, payload.event_key(sender, task, key), key=key, task=task, values=values)


def _other(payload: Payload, sender: str) -> Inbound:
    # The digest stands for nested fields that tell events of one second apart.
    dedup_key = payload.event_key(sender, payload.digest)
    return payload.inbound(Kind.UNPARSED, sender, dedup_key, key=payload.get("EventKey"), values=payload.event_values())
