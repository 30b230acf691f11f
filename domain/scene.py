"""Scenes: what a code (QR) in a shop carries. The state inside a code is opaque and at most 30 characters."""

import secrets
from dataclasses import dataclass
from enum import StrEnum

from domain.people import Advisor, Shop

MAX_STATE = 30


class SceneKind(StrEnum):
    """What the code stands for."""

    ADVISOR = "advisor"
    SHOP = "shop"


@dataclass(frozen=True, slots=True)
class Scene:
    """A code as registered with us. A code of an advisor has both `advisor` and his `shop`."""

    state: str
    kind: SceneKind
    label: str
    advisor: Advisor | None
    shop: Shop | None


def new_state() -> str:
    """A new opaque state: nothing about staff or shops can be read from it or guessed from another."""
    return "s" + secrets.token_hex(12)
