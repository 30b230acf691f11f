"""What a template computes with: one person's values, each read by its kind before anything is rendered."""

import re
from datetime import date
from decimal import Decimal
from typing import assert_never

from templates import plain
from templates.errors import BadValue, MissingValue
from templates.variables import VALUE_CHARS, Value, VariableKind

NUMBER_LIMIT = 10**15

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LINK_TAIL = re.compile(r"[0-9A-Za-z_\-]+(\?[0-9A-Za-z_\-=&.%~]*)?")


class Missing:
    """Stands for the value that a person does not have: false in a condition, equal to "" alone, an error wherever it would show."""

    __slots__ = ("variable",)

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other == "" or isinstance(other, Missing)

    def __hash__(self) -> int:
        return hash("")

    def _cannot_be_ordered(self, other: object) -> bool:
        raise MissingValue(self.variable)

    __lt__ = __le__ = __gt__ = __ge__ = _cannot_be_ordered


Ready = str | int | float | Decimal | date | Missing
"""A value inside a template. Money is a Decimal in yuan, and nothing else is a Decimal."""


def read(variable: str, kind: VariableKind, value: Value, links_under: str) -> Ready:
    """One value of one person. A link must lie under the address `links_under`. Raises BadValue.

    Only str, int and float themselves are let in, no subclasses: an object with methods of its own never enters a template.
    """
    if value is None or (type(value) is str and plain.is_blank(value)):
        return Missing(variable)
    ready = _read(kind, value, links_under)
    if ready is None:
        raise BadValue(variable, kind)
    return ready


def _read(kind: VariableKind, value: object, links_under: str) -> Ready | None:
    match kind:
        case VariableKind.TEXT:
            return _text(value)
        case VariableKind.NUMBER:
            return _number(value)
        case VariableKind.MONEY:
            return Decimal(value) / 100 if type(value) is int and abs(value) < NUMBER_LIMIT else None
        case VariableKind.DATE:
            return _date(value)
        case VariableKind.LINK:
            return _link(value, links_under)
        case _:
            assert_never(kind)


def _text(value: object) -> str | None:
    if type(value) is not str or len(value) > VALUE_CHARS:
        return None
    return plain.harmless(plain.clean(value))


def _number(value: object) -> int | float | None:
    # `type`, since a bool is an int to isinstance. Neither inf nor nan is below the limit.
    if type(value) is int or type(value) is float:
        return value if abs(value) < NUMBER_LIMIT else None
    return None


def _date(value: object) -> date | None:
    if type(value) is not str or not _DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _link(value: object, links_under: str) -> str | None:
    if type(value) is not str or len(value) > VALUE_CHARS or not links_under or not value.startswith(links_under):
        return None
    return value if _LINK_TAIL.fullmatch(value.removeprefix(links_under)) else None
