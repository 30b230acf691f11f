"""What an official account's payload means as an inbound event.

Messages: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
Events: https://developers.weixin.qq.com/doc/service/Account_Management/Wechat_Accreditation_Event_Push.html
"""

import re

from wechatpy.events import EVENT_TYPES, ClickEvent, ScanEvent, SubscribeEvent, UnsubscribeEvent
from wechatpy.messages import MESSAGE_TYPES

from domain.ids import AccountId
from domain.messages import Inbound, Kind, Unparsed
from gateway.channels.contents import read_content
from gateway.channels.errors import Malformed
from gateway.channels.payload import Payload, read

_OPENID = re.compile(r"[A-Za-z0-9_-]{2,64}")
_SCENE_PREFIX = "qrscene_"
_LONGEST_SCENE = 128
# Sent about the account or a job; their FromUserName is a helper of the platform, never a customer.
_IMPERSONAL = frozenset(
    {
        "masssendjobfinish",
        "publishjobfinish",
        "qualification_verify_success",
        "qualification_verify_fail",
        "naming_verify_success",
        "naming_verify_fail",
        "annual_renew",
        "verify_expired",
        "wxa_media_check",
    }
)


def parse(account: AccountId, original_id: str, body: bytes, now: int) -> list[Inbound]:
    """The event in `body`. Raises Malformed when there is none, its sender is no openid, or it is for another account."""
    payload = read(account, body, now)
    if original_id and payload.get("ToUserName") != original_id:
        raise Malformed("the payload is for another account")
    if payload.event in _IMPERSONAL:
        return [_other(payload, "")]
    sender = payload.get("FromUserName")
    if not _OPENID.fullmatch(sender):
        raise Malformed("the payload's sender is no openid")
    return [_event(payload, sender) if payload.event else _message(payload, sender)]


def _message(payload: Payload, sender: str) -> Inbound:
    found = read_content(payload.typed(MESSAGE_TYPES), payload)
    kind = Kind.UNPARSED if isinstance(found.content, Unparsed) else Kind.MESSAGE
    # A tap on an option of a message menu arrives as a text that carries the option's id.
    key = payload.get("bizmsgmenuid")
    return payload.inbound(kind, sender, payload.message_key(), content=found.content, key=key, media=found.media)


def _event(payload: Payload, sender: str) -> Inbound:
    key = payload.get("EventKey")
    dedup_key = payload.event_key(sender, key)
    match payload.typed(EVENT_TYPES):
        case SubscribeEvent():
            scene = key.removeprefix(_SCENE_PREFIX) if key.startswith(_SCENE_PREFIX) else ""
            return payload.inbound(Kind.FOLLOW, sender, dedup_key, scene=scene[:_LONGEST_SCENE])
        case UnsubscribeEvent():
            return payload.inbound(Kind.UNFOLLOW, sender, dedup_key)
        case ScanEvent():
            return payload.inbound(Kind.SCAN, sender, dedup_key, scene=key[:_LONGEST_SCENE])
        case ClickEvent():
            return payload.inbound(Kind.MENU, sender, dedup_key, key=key)
        case _:
            return _other(payload, sender)


def _other(payload: Payload, sender: str) -> Inbound:
    # The digest stands for nested fields that tell events of one second apart.
    dedup_key = payload.event_key(sender, payload.digest)
    return payload.inbound(Kind.UNPARSED, sender, dedup_key, key=payload.get("EventKey"), values=payload.event_values())
