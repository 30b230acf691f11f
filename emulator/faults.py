"""Faults on order: which calls or callbacks go wrong, how, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

API_KINDS = ("slow", "status", "errcode", "accept_then_cut", "cut", "garbage")
CALLBACK_KINDS = ("duplicate", "reorder")
NEED_VALUE = ("slow", "status", "errcode", "duplicate", "reorder")


@dataclass(slots=True)
class Fault:
    """One order. It matches by platform, api and receiver (each optional) and strikes every `every`-th match,
    `times` times in all (None: until taken back). `value` is seconds, a status, an errcode or a count by kind."""

    id: int
    kind: str
    match: dict[str, str]
    value: float | None = None
    times: int | None = None
    every: int = 1
    seen: int = 0
    struck: int = 0

    @property
    def spent(self) -> bool:
        """Whether it will never strike again."""
        return self.times is not None and self.struck >= self.times

    def strikes(self, facts: Mapping[str, set[str]]) -> bool:
        """Count one call or callback; whether the fault strikes it."""
        if self.spent or not all(wanted in facts[what] for what, wanted in self.match.items()):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class Faults:
    """The orders in force, oldest first; the first that strikes wins."""

    orders: dict[int, Fault] = field(default_factory=dict)
    _last: int = 0

    def add(self, order: dict[str, Any]) -> Fault:
        """Put an order in force. Raises ValueError with what is wrong in it."""
        self._last += 1
        fault = Fault(
            id=self._last,
            kind=_kind(order.get("kind")),
            match=_match(order.get("match") or {}),
            value=_number(order, "value"),
            times=_count(order, "times"),
            every=_count(order, "every") or 1,
        )
        if fault.kind in NEED_VALUE and fault.value is None:
            raise ValueError(f"value: {fault.kind} needs one")
        self.orders[fault.id] = fault
        return fault

    def remove(self, fault_id: int | None) -> list[Fault]:
        """Take back one order, or all for None; returns those taken back. Raises KeyError for an unknown id."""
        if fault_id is None:
            gone = list(self.orders.values())
            self.orders.clear()
            return gone
        return [self.orders.pop(fault_id)]

    def for_call(self, platform: str, api: str, receivers: set[str]) -> Fault | None:
        """The fault that strikes this API call, or None."""
        if not self.orders:
            return None
        facts = {"platform": {platform}, "api": {api}, "to": receivers}
        return self._first(API_KINDS, facts)

    def for_callback(self, kind: str, platform: str, sender: str) -> Fault | None:
        """The fault of this kind that strikes this callback, or None. Callbacks match as api `callback`."""
        if not self.orders:
            return None
        facts = {"platform": {platform}, "api": {"callback"}, "to": {sender}}
        return self._first((kind,), facts)

    def _first(self, kinds: tuple[str, ...], facts: Mapping[str, set[str]]) -> Fault | None:
        candidates = (fault for fault in self.orders.values() if fault.kind in kinds)
        return next((fault for fault in candidates if fault.strikes(facts)), None)


def _kind(value: Any) -> str:
    kinds = API_KINDS + CALLBACK_KINDS
    if value not in kinds:
        raise ValueError(f"kind: one of {', '.join(kinds)}, found {value!r}")
    return str(value)


def _match(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"match: expected an object, found {value!r}")
    unknown = set(value) - {"platform", "api", "to"}
    if unknown:
        raise ValueError(f"match: platform, api or to, found {min(unknown)!r}")
    return {str(what): str(wanted) for what, wanted in value.items() if wanted is not None}


def _number(order: dict[str, Any], key: str) -> float | None:
    value = order.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < -1:
        raise ValueError(f"{key}: expected a number, found {value!r}")
    return value


def _count(order: dict[str, Any], key: str) -> int | None:
    value = order.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{key}: expected a whole number from 1, found {value!r}")
    return value
