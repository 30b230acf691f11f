"""The variables a campaign template may use: the whole vocabulary of marketers.

Whoever sends gives the values; a person without a value for a variable that the template needs is skipped, with that reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

VALUE_CHARS = 500
"""The longest text value, in characters."""

Value = str | int | float | None
"""A value as the sender gives it; None and blank text mean that there is none."""


class VariableKind(StrEnum):
    """What a value is, and in which unit the sender gives it."""

    TEXT = "text"
    """Text of at most VALUE_CHARS characters."""

    NUMBER = "number"
    """An int or float, at most 15 digits."""

    MONEY = "money"
    """A whole number of fen (分). Inside a template it is compared in yuan: `customer.last_order_amount >= 500`."""

    DATE = "date"
    """A day as `2026-11-23`, in the zone that the sender chose."""

    LINK = "link"
    """An address of the gateway's own link service."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as marketers see it: its name in a template, its meaning in both languages, a value for previews."""

    name: str
    kind: VariableKind
    zh: str
    en: str
    sample: str | int


VARIABLES: tuple[Variable, ...] = (
    Variable("customer.name", VariableKind.TEXT, "顾客称呼", "how the customer is addressed", "王女士"),
    Variable("customer.level", VariableKind.TEXT, "会员等级", "membership level", "金卡"),
    Variable("customer.points", VariableKind.NUMBER, "当前积分", "points she has", 1280),
    Variable("customer.birthday", VariableKind.DATE, "生日", "birthday", "1990-11-23"),
    Variable(
        "customer.last_order_date", VariableKind.DATE, "最近一次购买的日期", "day of the last order", "2026-10-01"
    ),
    Variable("customer.last_order_amount", VariableKind.MONEY, "最近一次购买的金额", "amount of the last order", 36850),
    Variable("advisor.name", VariableKind.TEXT, "专属顾问姓名", "name of her advisor", "小兰"),
    Variable("shop.name", VariableKind.TEXT, "顾问所在门店", "the advisor's shop", "南京西路店"),
    Variable("shop.address", VariableKind.TEXT, "门店地址", "address of the shop", "南京西路 1266 号"),
    Variable("brand.name", VariableKind.TEXT, "品牌名称", "name of the brand", "林间茶"),
    Variable(
        "campaign.link", VariableKind.LINK, "活动短链接", "short link of the campaign", "https://example.com/l/k3Xz81Qa"
    ),
    Variable("today", VariableKind.DATE, "发送当天", "the day it is sent", "2026-11-23"),
)


def kinds(variables: Iterable[Variable] = VARIABLES) -> Mapping[str, VariableKind]:
    """Name -> kind, as `engine.check` wants it."""
    return MappingProxyType({variable.name: variable.kind for variable in variables})


def samples(variables: Iterable[Variable] = VARIABLES) -> Mapping[str, Value]:
    """Name -> sample value, for a preview without a person."""
    return MappingProxyType({variable.name: variable.sample for variable in variables})
