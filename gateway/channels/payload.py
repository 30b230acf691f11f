"""A proven payload, read strictly field by field; what wechat/ and wecom/ make of it is their own business.

wechatpy's message classes tell what a payload is. They read our fields, not the XML: wechatpy's own step trims texts,
knows no limits, and fails with nine kinds of exception, some only when a field is touched.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wechatpy.messages import UnknownMessage

from domain.calls import DAY
from domain.ids import AccountId
from domain.messages import Inbound, Kind
from gateway.channels import xml
from gateway.channels.errors import Malformed

_SECONDS = re.compile(r"[1-9][0-9]{8,9}")
_MESSAGE_ID = re.compile(r"(?!0+\Z)[A-Za-z0-9_.-]{1,64}")
_NAME = re.compile(r"[a-z0-9_.-]{1,64}")
_ENVELOPE = frozenset({"ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId", "AgentID", "Event"})
_LONGEST_KEY = 256
_LONGEST_VALUE = 1024


@dataclass(frozen=True, slots=True)
class Payload:
    """One message or event. `fields` are its texts by name, `text` is all of it, `now` when it was read."""

    account: AccountId
    fields: Mapping[str, str]
    text: str
    now: int

    def get(self, name: str) -> str:
        """A field, empty where there is none."""
        return self.fields.get(name, "")

    @property
    def type(self) -> str:
        """What kind of message it says it is, in lower case; `unknown` where that is no name."""
        return _name(self.get("MsgType"))

    @property
    def event(self) -> str:
        """The event's name in lower case, which the platforms spell either way; empty for a message."""
        return _name(self.get("Event")) if self.type == "event" else ""

    def typed(self, classes: Mapping[str, Any]) -> Any:
        """The wechatpy class of this payload out of `classes`, over our fields."""
        return classes.get(self.event or self.type, UnknownMessage)(dict(self.fields))

    @property
    def digest(self) -> str:
        """A hash of the whole payload, the same when the platform delivers it again."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    def message_key(self) -> str:
        """The dedup key of a message: its MsgId, or its digest where that is no id."""
        identity = self.get("MsgId")
        return f"msg:{identity}" if _MESSAGE_ID.fullmatch(identity) else f"raw:{self.digest}"

    def event_key(self, sender: str, *parts: str) -> str:
        """The dedup key of an event. Sender and second are not enough: several events may share them."""
        created = self.get("CreateTime")
        key = ":".join(["evt", sender, created, self.event, *parts])
        return key if _SECONDS.fullmatch(created) and len(key) <= _LONGEST_KEY else f"raw:{self.digest}"

    def inbound(self, kind: Kind, sender: str, dedup_key: str, **rest: Any) -> Inbound:
        """The inbound event, in the order of its sender. A time we cannot believe is replaced by ours and kept beside it."""
        sent_at = self._sent_at()
        values = dict(rest.pop("values", {}))
        if sent_at is None:
            values["create_time"] = self.get("CreateTime")[:32]
        return Inbound(
            account=self.account,
            kind=kind,
            sender=sender,
            dedup_key=dedup_key,
            order_key=f"{self.account}:{sender}" if sender else self.account,
            occurred_at=self.now if sent_at is None else sent_at,
            values=values,
            **rest,
        )

    def event_values(self) -> dict[str, str]:
        """What an event we have no kind for says: its name and its own fields, cut to a sane length."""
        own = {name: text[:_LONGEST_VALUE] for name, text in self.fields.items() if name not in _ENVELOPE and text}
        return {"event": self.event, **own}

    def _sent_at(self) -> int | None:
        created = self.get("CreateTime")
        if not _SECONDS.fullmatch(created):
            return None
        at = int(created) * 1000
        return at if at <= self.now + DAY else None


def read(account: AccountId, body: bytes, now: int) -> Payload:
    """The payload in `body`. Raises Malformed when it is no XML message, or names no kind."""
    try:
        text = xml.clean(body.decode("utf-8"))
        fields = xml.read(text.encode())
    except UnicodeDecodeError:
        raise Malformed("the payload is not UTF-8") from None
    except xml.XmlError as error:
        raise Malformed(f"the payload is no message: {error}") from None
    if not fields.get("MsgType"):
        raise Malformed("the payload has no MsgType")
    return Payload(account, fields, text, now)


def _name(text: str) -> str:
    name = text.strip().lower()
    return name if _NAME.fullmatch(name) else "unknown"
