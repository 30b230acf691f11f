"""When a campaign is due: the brand's wall clock, crontab rules and clock changes, worked out with APScheduler's CronTrigger.

A cron line is answered in wall-clock time first and turned into an instant afterwards. A wall-clock time that the clocks skip
is due at the moment they jump; one that they show twice is due the first time. So each time of the line is due exactly once.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from apscheduler.triggers.cron import CronTrigger

from domain.campaign import Schedule
from domain.errors import InvalidError

CRON_EXAMPLE = '"0 10 * * 1" is Mondays at 10:00'
AT_EXAMPLE = '"2026-12-01 10:00"'

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?:(?P<all>\*)|(?P<first>[0-9a-z]+)(?:-(?P<last>[0-9a-z]+))?)(?:/(?P<step>[0-9]+))?")
_AT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]+(\d{1,2}:\d{2}(?::\d{2})?)")
# A line such as "0 10 30 2 *" is never due: the search ends here.
_YEARS = "2000-2199"


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields of a cron line: its bounds, and the names that may stand for its numbers."""

    name: str
    first: int
    last: int
    names: Mapping[str, int] = field(default_factory=dict)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    # 0 and 7 are Sunday, as in crontab(5); CronTrigger counts from Monday, so it is given names alone.
    _Field("weekday", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def next_due(schedule: Schedule, after: int) -> int | None:
    """The first due time later than `after` (ms); None when there is none any more. Raises InvalidError."""
    if schedule.at is not None:
        return schedule.at if schedule.at > after else None
    zone = zone_of(schedule.timezone)
    wall = _next_wall(schedule.cron, datetime.fromtimestamp(after / 1000, zone).replace(tzinfo=None))
    # While the clocks show an hour for the second time, its wall-clock times lie behind us: go on to the first that does not.
    while wall is not None and _instant(wall, zone) <= after:
        wall = _next_wall(schedule.cron, wall)
    return _instant(wall, zone) if wall is not None else None


def next_dues(schedule: Schedule, after: int, count: int) -> list[int]:
    """The first `count` due times later than `after`, fewer when it ends earlier."""
    dues: list[int] = []
    while len(dues) < count and (due := next_due(schedule, dues[-1] if dues else after)) is not None:
        dues.append(due)
    return dues


def zone_of(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises InvalidError, naming the nearest."""
    if name not in _zones():
        near = difflib.get_close_matches(name, _zones(), n=1)
        guess = f'; did you mean "{near[0]}"?' if near else ', for example "Asia/Shanghai"'
        raise InvalidError(f'no time zone "{name}"{guess}', field="timezone")
    return ZoneInfo(name)


def read_at(text: str, timezone: str) -> int:
    """The instant (ms) of a local time such as `2026-12-01 10:00` in a zone. Raises InvalidError.

    A time that the clocks skip is refused; of a time that they show twice, the first is taken.
    """
    found = _AT.fullmatch(unicodedata.normalize("NFKC", text).strip())
    try:
        wall = datetime.fromisoformat(f"{found[1]} {found[2]:0>5}") if found else None
    except ValueError:
        wall = None
    if wall is None:
        raise InvalidError(f'"{text}" is not a date and time; write local time like {AT_EXAMPLE}', field="at")
    zone = zone_of(timezone)
    instant = _instant(wall, zone)
    if datetime.fromtimestamp(instant / 1000, zone).replace(tzinfo=None) != wall:
        instead = local_time(instant, timezone)
        raise InvalidError(f"{text} does not exist in {timezone}: clocks go forward then; take {instead}", field="at")
    return instant


def local_time(at: int, timezone: str) -> str:
    """An instant as people of that zone write it: `2026-12-01 10:00`, with seconds only where there are some."""
    local = datetime.fromtimestamp(at // 1000, zone_of(timezone))
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def local_day(at: int, timezone: str) -> str:
    """The day of an instant in a zone: `2026-12-01`."""
    return local_time(at, timezone)[:10]


def check_cron(cron: str, now: int) -> None:
    """Raises InvalidError with the field at fault and an example, also for a line that is never due."""
    _triggers(cron)
    if next_due(Schedule("UTC", cron=cron), now) is None:
        raise InvalidError(f'"{cron}" is never due: no such day exists; for example {CRON_EXAMPLE}', field="cron")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _next_wall(cron: str, after: datetime) -> datetime | None:
    """The first wall-clock time of the line later than `after`; UTC stands in for the wall clock, as it never jumps."""
    start = after.replace(second=0, microsecond=0, tzinfo=UTC) + timedelta(minutes=1)
    found = [trigger.get_next_fire_time(None, start) for trigger in _triggers(cron)]
    walls = [wall.replace(tzinfo=None) for wall in found if wall is not None]
    return min(walls, default=None)


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    """The instant (ms) of a wall-clock time: the first of two, or the moment of the jump for one that is skipped."""
    first, second = (int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if first <= second:
        return first * 1000
    before, after = second, first
    jumped = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(middle, zone) == jumped else (middle, after)
    return after * 1000


def _offset(seconds: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(seconds, zone).utcoffset()


@lru_cache(maxsize=256)
def _triggers(cron: str) -> Sequence[Any]:
    """The line as triggers, of which any may be due. Raises InvalidError.

    As crontab(5) says: when both day and weekday are restricted, either is enough. CronTrigger would want both.
    """
    texts = unicodedata.normalize("NFKC", cron).lower().split()
    if len(texts) != len(_FIELDS):
        names = " ".join(item.name for item in _FIELDS)
        raise InvalidError(f'"{cron}" has not the five fields "{names}"; for example {CRON_EXAMPLE}', field="cron")
    values = [_expanded(item, text, cron) for item, text in zip(_FIELDS, texts, strict=True)]
    minute, hour, day, month, weekday = values
    either = "*" not in texts[2] and "*" not in texts[4]
    days = [(day, "*"), ("*", weekday)] if either else [(day, weekday)]
    return [
        CronTrigger(year=_YEARS, month=month, day=days_, day_of_week=weekdays, hour=hour, minute=minute, timezone=UTC)
        for days_, weekdays in days
    ]


def _expanded(item: _Field, text: str, cron: str) -> str:
    """A field written out for CronTrigger: all its numbers, or names of weekdays; `*` for all there are."""
    numbers = {number for part in text.split(",") for number in _numbers(item, part, cron)}
    if item.name == "weekday":
        return ",".join(sorted({_WEEKDAYS[number % 7] for number in numbers}))
    is_all = len(numbers) == item.last - item.first + 1
    return "*" if is_all else ",".join(str(number) for number in sorted(numbers))


def _numbers(item: _Field, part: str, cron: str) -> range:
    found = _ITEM.fullmatch(part)
    if found is None:
        raise _wrong(cron, item, part, "cannot be read")
    first = item.first if found["all"] else _number(item, found["first"], cron)
    last = _last(item, found, first, cron)
    step = int(found["step"]) if found["step"] else 1
    if step == 0:
        raise _wrong(cron, item, part, "has a step of 0")
    if first > last:
        raise _wrong(cron, item, part, "runs backwards; write it as two ranges")
    return range(first, last + 1, step)


def _last(item: _Field, found: re.Match[str], first: int, cron: str) -> int:
    if found["last"]:
        last = _number(item, found["last"], cron)
        return 7 if item.name == "weekday" and last == 0 else last
    return item.last if found["all"] or found["step"] else first


def _number(item: _Field, text: str, cron: str) -> int:
    number = item.names.get(text, int(text) if text.isdecimal() else -1)
    if not item.first <= number <= item.last:
        names = f" or {', '.join(item.names)}" if item.names else ""
        raise _wrong(cron, item, text, f"is not {item.first}-{item.last}{names}")
    return number


def _wrong(cron: str, item: _Field, part: str, what: str) -> InvalidError:
    return InvalidError(f'"{cron}": {item.name} "{part}" {what}; for example {CRON_EXAMPLE}', field="cron")
