"""Alarms: what a person of the brand, or whoever runs the gateway, must know. Raised often, shown once, closed when healed."""

from typing import Literal, get_args

from sqlalchemy import Connection

from domain.ids import BrandId
from storage import alarms

Severity = Literal["info", "warning", "critical"]

_TEXT_CHARS = 500


def raise_alarm(
    tx: Connection, brand: BrandId, kind: str, subject: str, text: str, severity: Severity, now: int
) -> None:
    """Something is wrong with `subject` (an id, an account). The same kind and subject again is counted, not shown twice.

    `text` says what, where and how to mend it; it is cut after 500 characters. Raises ValueError for an unknown severity.
    """
    if severity not in get_args(Severity):
        raise ValueError(f"an alarm is one of {', '.join(get_args(Severity))}, not {severity!r}")
    alarms.keep_alarm(tx, alarms.Alarm(brand, kind, subject, severity, text[:_TEXT_CHARS], 1, now, now))


def close_alarm(tx: Connection, brand: BrandId, kind: str, subject: str, now: int) -> bool:
    """What was wrong is healed; False when no such alarm was open."""
    return alarms.close_alarm(tx, brand, kind, subject, now)
