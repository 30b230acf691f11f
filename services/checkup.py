"""What is well and what is not, said so that a person knows what to do next. Reads only; trying platforms is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from domain.calls import OutboxState
from domain.ids import BrandId
from services.world import World
from storage import alarms, directory, inspection
from storage.clock import now as database_now

CLOCK_TOLERANCE_MS = 60_000


class Level(StrEnum):
    """How bad a point is. A warning can wait until tomorrow."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at; `text` names the way to mend what is wrong."""

    what: str
    level: Level
    text: str


def look(tx: Connection, world: World, brand: BrandId) -> list[Point]:
    """The queues, alarms and people of one brand."""
    outbox = inspection.count_outbox(tx, brand)
    inbox = inspection.count_inbox(tx, brand)
    return [
        _people(tx, world, brand),
        _inbox(inbox),
        _outbox(outbox),
        _unknown(outbox.get(OutboxState.UNKNOWN, 0)),
        _dead(outbox.get(OutboxState.DEAD, 0)),
        _alarms(tx, brand),
    ]


def _people(tx: Connection, world: World, brand: BrandId) -> Point:
    count = directory.count_people(tx, brand)
    name = world.brands[brand].name
    text = f"{name}: {count.shops} shops, {count.advisors} active advisors, {count.customers} customers, {count.bound} bound"
    if count.advisors == 0:
        return Point("people", Level.WARNING, f"{text}: import shops and advisors with `advisor-gateway import FILE`")
    return Point("people", Level.OK, text)


def _inbox(counts: Mapping[str, int]) -> Point:
    waiting = counts.get("queued", 0) + counts.get("leased", 0)
    parked = counts.get("parked", 0)
    if parked:
        text = f"{parked} events are parked after failures: see `advisor-gateway inbox`, then `advisor-gateway redrive`"
        return Point("inbox", Level.PROBLEM, text)
    return Point("inbox", Level.OK, f"{waiting} events wait, none is parked")


def _outbox(counts: Mapping[str, int]) -> Point:
    open_ones = {state: counts.get(state, 0) for state in ("queued", "calling", "retry_at", "waiting_window", "held")}
    return Point("outbox", Level.OK, ", ".join(f"{count} {state}" for state, count in open_ones.items()))


def _unknown(count: int) -> Point:
    if not count:
        return Point("unknown", Level.OK, "every send has a known outcome")
    text = f"{count} sends may or may not have arrived: see `advisor-gateway outbox`, then decide each: `advisor-gateway decide ID`"
    return Point("unknown", Level.WARNING, text)


def _dead(count: int) -> Point:
    text = f"{count} sends failed for good: see `advisor-gateway outbox --state dead`"
    return Point("dead", Level.WARNING, text) if count else Point("dead", Level.OK, "no send failed for good")


def _alarms(tx: Connection, brand: BrandId) -> Point:
    found = alarms.open_alarms(tx, brand)
    if not found:
        return Point("alarms", Level.OK, "none is open")
    worst = Level.PROBLEM if any(alarm.severity == "critical" for alarm in found) else Level.WARNING
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Point("alarms", worst, f"{found[0].text}{more}: see `advisor-gateway alarms`")


def compare_clocks(tx: Connection, now: int) -> Point:
    """Whether this machine, where it is `now`, and the database agree on the time."""
    apart = abs(database_now(tx) - now)
    if apart > CLOCK_TOLERANCE_MS:
        text = f"this machine and the database are {apart // 1000} s apart: set both clocks by NTP"
        return Point("clock", Level.PROBLEM, text)
    return Point("clock", Level.OK, f"{apart} ms apart from the database")
