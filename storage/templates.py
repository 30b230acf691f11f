"""Templates: versions are only ever added, so that a campaign keeps the text it was scheduled with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from domain.ids import BrandId
from storage.tables.campaigns import templates


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """One version of a template. `body` is `{"kind": ...}` with the fields of that kind (services/wording.py)."""

    code: str
    version: int
    name: str
    body: Mapping[str, str]
    created_at: int
    created_by: str


def newest(tx: Connection, brand: BrandId, code: str) -> StoredTemplate | None:
    """The newest version of a template."""
    mine = and_(templates.c.brand == brand, templates.c.code == code)
    row = tx.execute(select(templates).where(mine).order_by(templates.c.version.desc()).limit(1)).first()
    return _read(row) if row else None


def version_of(tx: Connection, brand: BrandId, code: str, version: int) -> StoredTemplate | None:
    """One version of a template."""
    mine = and_(templates.c.brand == brand, templates.c.code == code, templates.c.version == version)
    row = tx.execute(select(templates).where(mine)).first()
    return _read(row) if row else None


def every_newest(tx: Connection, brand: BrandId) -> Sequence[StoredTemplate]:
    """The newest version of each template, by code."""
    last = (
        select(templates.c.code, func.max(templates.c.version).label("version"))
        .where(templates.c.brand == brand)
        .group_by(templates.c.code)
        .subquery()
    )
    same = and_(templates.c.code == last.c.code, templates.c.version == last.c.version)
    rows = tx.execute(select(templates).join(last, same).where(templates.c.brand == brand).order_by(templates.c.code))
    return [_read(row) for row in rows]


def add_version(
    tx: Connection, brand: BrandId, code: str, name: str, body: Mapping[str, str], actor: str, now: int
) -> int:
    """Add the next version and return its number. A race of two writers ends in the primary key: rerun."""
    mine = and_(templates.c.brand == brand, templates.c.code == code)
    version: int = tx.execute(select(func.coalesce(func.max(templates.c.version), 0) + 1).where(mine)).scalar_one()
    tx.execute(
        templates.insert().values(
            brand=brand,
            code=code,
            version=version,
            name=name,
            body=json.dumps(dict(body), ensure_ascii=False),
            created_at=now,
            created_by=actor,
        )
    )
    return version


def _read(row: Row[Any]) -> StoredTemplate:
    return StoredTemplate(row.code, row.version, row.name, json.loads(row.body), row.created_at, row.created_by)
