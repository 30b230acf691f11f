"""The platforms' limits as data (`limits.toml`), and the counters that spend them."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("limits.toml")
BEIJING_MS = 8 * 3600 * 1000  # days and hours of the platforms begin at midnight UTC+8


@dataclass(frozen=True, slots=True)
class Limit:
    """One documented number. Without a window it bounds a size; with one it bounds a count per time."""

    name: str
    value: int
    unit: str
    document: str
    window: Literal["fixed", "sliding"] | None = None
    window_s: int = 0
    errcode: int = 0

    @property
    def window_ms(self) -> int:
        """The length of the window in milliseconds."""
        return self.window_s * 1000


Limits = Mapping[str, Limit]


def load(path: Path = FILE) -> dict[str, Limit]:
    """Read a limits file: `[platform.what]` tables become the names `platform.what`. Raises ValueError."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        f"{group}.{what}": _limit(f"{group}.{what}", table)
        for group, tables in document.items()
        for what, table in tables.items()
    }


def changed(limits: Limits, **values: int) -> dict[str, Limit]:
    """A copy with other values, for tests; `wechat__message_grant=1` changes `wechat.message_grant`."""
    new = {name.replace("__", "."): value for name, value in values.items()}
    return {**limits, **{name: replace(limits[name], value=value) for name, value in new.items()}}


def _limit(name: str, table: dict[str, Any]) -> Limit:
    try:
        return Limit(name=name, **table)
    except TypeError as error:
        raise ValueError(f"limits: [{name}]: {error}") from error


class Counters:
    """How much of each limit each subject (an account, a member, an API of a corp) has used.

    A fixed window counts from its start and begins anew at its end; a sliding one remembers each use.
    """

    def __init__(self, used: dict[str, list[int]], save: Callable[[str, list[int]], None]) -> None:
        """`used` is what an earlier run saved; `save` is told about each change."""
        self._used = used
        self._save = save

    def left(self, limit: Limit, subject: str, now: int) -> int:
        """How many uses remain in the window that holds `now`."""
        return limit.value - self._count(limit, _key(limit, subject), now)

    def spend(self, limit: Limit, subject: str, now: int) -> bool:
        """Count one use; False, and nothing counted, when none was left."""
        key = _key(limit, subject)
        count = self._count(limit, key, now)
        if count >= limit.value:
            return False
        marks = self._used.get(key, [])
        if limit.window == "sliding":
            marks = [mark for mark in marks if mark > now - limit.window_ms] + [now]
        else:
            marks = [_window_start(limit, now), count + 1]
        self._used[key] = marks
        self._save(key, marks)
        return True

    def clear(self) -> None:
        """Forget every use."""
        self._used.clear()

    def _count(self, limit: Limit, key: str, now: int) -> int:
        marks = self._used.get(key)
        if not marks:
            return 0
        if limit.window == "sliding":
            return sum(1 for mark in marks if mark > now - limit.window_ms)
        start, count = marks
        return count if start == _window_start(limit, now) else 0


def _key(limit: Limit, subject: str) -> str:
    return f"{limit.name} {subject}"


def _window_start(limit: Limit, now: int) -> int:
    local = now + BEIJING_MS
    return local - local % limit.window_ms
