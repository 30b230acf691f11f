"""Ids: 32 hexadecimal digits of a time-ordered UUID (version 7), one NewType for each noun."""

import itertools
import secrets
from typing import NewType

BrandId = NewType("BrandId", str)
AccountId = NewType("AccountId", str)
RegionId = NewType("RegionId", str)
ShopId = NewType("ShopId", str)
AdvisorId = NewType("AdvisorId", str)
CustomerId = NewType("CustomerId", str)
SceneId = NewType("SceneId", str)
BindingId = NewType("BindingId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
InboxId = NewType("InboxId", str)
OutboxId = NewType("OutboxId", str)
HeldId = NewType("HeldId", str)
MediaId = NewType("MediaId", str)
TemplateId = NewType("TemplateId", str)
CampaignId = NewType("CampaignId", str)
RunId = NewType("RunId", str)

_sequence = itertools.count(secrets.randbits(16))


def new_id(now: int) -> str:
    """A new id for something made at `now`. Ids of one process sort in the order they were made, also inside one millisecond."""
    counter = next(_sequence) & 0x3FF_FFFF
    tail = (counter << 48) | secrets.randbits(48)
    value = (now & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (tail >> 62) << 64
    value |= 0b10 << 62 | (tail & 0x3FFF_FFFF_FFFF_FFFF)
    return f"{value:032x}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id (it may still name nothing)."""
    return len(text) == 32 and all(digit in "0123456789abcdef" for digit in text)
