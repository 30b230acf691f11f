"""Alarms: one row for each thing that is wrong, counted while it lasts, closed when it is healed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, select, update

from domain.ids import BrandId
from storage.dialect import insert
from storage.tables.work import alarms


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that is wrong about `subject`. `count` is how often it was seen since `first_at`; times in ms."""

    brand: BrandId
    kind: str
    subject: str
    severity: str
    text: str
    count: int
    first_at: int
    last_at: int


def keep_alarm(tx: Connection, alarm: Alarm) -> None:
    """Open an alarm, or count it once more where it is open already. One that was closed starts anew."""
    closed = alarms.c.closed_at.is_not(None)
    values = {
        "severity": alarm.severity,
        "text": alarm.text,
        "count": alarm.count,
        "first_at": alarm.first_at,
        "last_at": alarm.last_at,
    }
    seen_again = {
        **values,
        "count": case((closed, 1), else_=alarms.c.count + 1),
        "first_at": case((closed, alarm.first_at), else_=alarms.c.first_at),
        "closed_at": None,
    }
    statement = insert(tx, alarms).values(brand=alarm.brand, kind=alarm.kind, subject=alarm.subject, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["brand", "kind", "subject"], set_=seen_again))


def close_alarm(tx: Connection, brand: BrandId, kind: str, subject: str, now: int) -> bool:
    """The thing is healed; False when no such alarm was open."""
    open_one = and_(
        alarms.c.brand == brand, alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.closed_at.is_(None)
    )
    return tx.execute(update(alarms).where(open_one).values(closed_at=now)).rowcount == 1


def open_alarms(tx: Connection, brand: BrandId | None = None) -> Sequence[Alarm]:
    """What is wrong now, the newest first; of every brand unless one is given."""
    statement = select(alarms).where(alarms.c.closed_at.is_(None)).order_by(alarms.c.last_at.desc())
    if brand is not None:
        statement = statement.where(alarms.c.brand == brand)
    # `count` is also a method of a row.
    return [
        Alarm(
            BrandId(row.brand),
            row.kind,
            row.subject,
            row.severity,
            row.text,
            row._mapping["count"],
            row.first_at,
            row.last_at,
        )
        for row in tx.execute(statement)
    ]
