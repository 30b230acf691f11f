"""The filters of the grammar, `{{ name|filter }}`: eight, each bounded by what goes in. And how a value is printed without one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

from templates import plain
from templates.errors import MissingValue
from templates.values import Missing
from templates.variables import VALUE_CHARS, VariableKind

Argument = str | int | float

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

DATE_STYLES: Mapping[str, Callable[[date], str]] = MappingProxyType(
    {
        "short": lambda day: f"{day.month}月{day.day}日",
        "long": lambda day: f"{day.year}年{day.month}月{day.day}日",
        "english": lambda day: f"{day.day} {_MONTHS[day.month - 1]} {day.year}",
        "iso": date.isoformat,
    }
)


def show(value: object) -> str:
    """A value as people read it: `¥368.50` for money, `11月23日` for a day. Raises MissingValue where there is none."""
    match value:
        case Missing():
            raise MissingValue(value.variable)
        case Decimal():
            return money(value)
        case date():
            return DATE_STYLES["short"](value)
        case float():
            # Adding 0.0 turns the -0.0 that rounding leaves into 0.0.
            return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")
        case _:
            return str(value)


def money(yuan: Decimal, symbol: str = "¥") -> str:
    """¥1,280 or ¥1,280.50."""
    sign = "-" if yuan < 0 else ""
    return sign + symbol + f"{abs(yuan):,.2f}".removesuffix(".00")


def rounded(value: float, digits: int = 0) -> float:
    """Rounded the way people do it: 2.5 becomes 3."""
    return float(Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the kinds it works on, the kind it gives, and its argument, if it has one.

    `run` gets the value and the argument as written; a missing value passes by every filter but `default`.
    """

    run: Callable[..., object]
    takes: frozenset[VariableKind]
    gives: Callable[[VariableKind, Argument | None], VariableKind]
    accepts: Callable[[Argument], bool] | None = None
    required: bool = False

    def fits(self, kind: VariableKind | None, argument: Argument | None) -> bool:
        """Whether the filter may be written here."""
        if kind not in self.takes:
            return False
        if argument is None:
            return not self.required
        return self.accepts is not None and self.accepts(argument)

    def __call__(self, value: object, *argument: Argument) -> object:
        if isinstance(value, Missing) and self.run is not _default:
            return value
        return self.run(value, *argument)


def _default(value: object, fallback: Argument) -> object:
    return fallback if isinstance(value, Missing) else value


def _default_kind(kind: VariableKind, fallback: Argument | None) -> VariableKind:
    # A fallback of another kind leaves something that can only be printed.
    is_number = kind is VariableKind.NUMBER and not isinstance(fallback, str)
    return VariableKind.NUMBER if is_number else VariableKind.TEXT


def _on_text(change: Callable[[str], str]) -> Filter:
    return Filter(lambda value: change(show(value)), _TEXT, _gives_text)


def _gives_text(kind: VariableKind, argument: Argument | None) -> VariableKind:
    return VariableKind.TEXT


def _gives_number(kind: VariableKind, argument: Argument | None) -> VariableKind:
    return VariableKind.NUMBER


def _whole_number(least: int, most: int) -> Callable[[Argument], bool]:
    return lambda argument: isinstance(argument, int) and least <= argument <= most


_TEXT = frozenset({VariableKind.TEXT})

FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "default": Filter(_default, frozenset(VariableKind) - {VariableKind.LINK}, _default_kind, lambda _: True, True),
        "upper": _on_text(str.upper),
        "lower": _on_text(str.lower),
        "title": _on_text(str.title),
        "truncate": Filter(
            lambda value, limit: plain.cut(show(value), limit), _TEXT, _gives_text, _whole_number(1, VALUE_CHARS), True
        ),
        "date": Filter(
            lambda day, style="short": DATE_STYLES[style](day),
            frozenset({VariableKind.DATE}),
            _gives_text,
            lambda style: style in DATE_STYLES,
        ),
        "money": Filter(
            money,
            frozenset({VariableKind.MONEY}),
            _gives_text,
            lambda symbol: isinstance(symbol, str) and len(symbol) <= 4,
        ),
        "round": Filter(rounded, frozenset({VariableKind.NUMBER}), _gives_number, _whole_number(0, 4)),
    }
)
"""All there are; a template knows no others."""
