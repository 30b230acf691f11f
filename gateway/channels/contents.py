"""What a message says: the contents that the official account and WeCom write in the same fields.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html
https://developer.work.weixin.qq.com/document/path/90239
"""

import re
from dataclasses import dataclass
from typing import Any

from wechatpy.messages import ImageMessage, LinkMessage, LocationMessage, TextMessage, VoiceMessage

from domain.ids import MediaId, new_id
from domain.messages import Content, Image, Link, Location, Text, Unparsed, Voice, WantedMedia
from gateway.channels.payload import Payload

_DEGREES = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")
_WEB = re.compile(r"https?://[^\s\x00-\x20\x7f]{1,2000}", re.IGNORECASE)
_MEDIA_ID = re.compile(r"[\x21-\x7e]{1,512}")
_FORMAT = re.compile(r"[a-z0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Read:
    """A content, and the files it refers to."""

    content: Content
    media: tuple[WantedMedia, ...] = ()


def read_content(message: Any, payload: Payload) -> Read:
    """The content of a wechatpy message. What cannot be read, or must not be trusted, is Unparsed and kept raw."""
    match message:
        case TextMessage():
            return Read(Text(message.content or ""))
        case ImageMessage():
            return _image(message.media_id or "", payload)
        case VoiceMessage():
            return _voice(message.media_id or "", message.format or "", payload)
        case LocationMessage():
            return Read(_location(message) or _unparsed(payload))
        case LinkMessage():
            return Read(_link(message, payload) or _unparsed(payload))
        case _:
            return Read(_unparsed(payload))


def _unparsed(payload: Payload) -> Unparsed:
    return Unparsed(payload.type, payload.text)


def _image(origin: str, payload: Payload) -> Read:
    if not _MEDIA_ID.fullmatch(origin):
        return Read(_unparsed(payload))
    wanted = WantedMedia(MediaId(new_id(payload.now)), origin, "image")
    return Read(Image(wanted.id), (wanted,))


def _voice(origin: str, form: str, payload: Payload) -> Read:
    if not _MEDIA_ID.fullmatch(origin):
        return Read(_unparsed(payload))
    wanted = WantedMedia(MediaId(new_id(payload.now)), origin, "voice")
    form = form.lower()
    return Read(Voice(wanted.id, form if _FORMAT.fullmatch(form) else ""), (wanted,))


def _location(message: Any) -> Location | None:
    latitude, longitude = _degrees(message.location_x, 90.0), _degrees(message.location_y, 180.0)
    if latitude is None or longitude is None:
        return None
    return Location(latitude, longitude, message.label or "")


def _degrees(text: str | None, limit: float) -> float | None:
    if not text or not _DEGREES.fullmatch(text):
        return None
    return max(-limit, min(limit, float(text)))


def _link(message: Any, payload: Payload) -> Link | None:
    url = message.url or ""
    if not _WEB.fullmatch(url):
        return None
    picture = payload.get("PicUrl")
    return Link(message.title or url, url, message.description or "", picture if _WEB.fullmatch(picture) else "")
