"""Who may do what through the API: a caller has one role in one brand."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from domain.ids import BrandId


class Role(StrEnum):
    """A role; each may do what the one before it may."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    ADMIN = "admin"


class Right(IntEnum):
    """What an operation asks for."""

    READ = 1
    PUSH = 2
    MANAGE = 3


_REACH: Mapping[Role, Right] = {Role.VIEWER: Right.READ, Role.MARKETER: Right.PUSH, Role.ADMIN: Right.MANAGE}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in: the brand all he sees belongs to, and his name in the audit."""

    brand: BrandId
    role: Role
    name: str

    def may(self, right: Right) -> bool:
        """Whether the role reaches that far."""
        return _REACH[self.role] >= right
