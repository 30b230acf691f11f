"""The audit: who did what to whom, when. A row is added with the change it tells of, and never changed."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from domain.ids import BrandId, new_id
from storage.tables.work import audit


def record(
    tx: Connection, brand: BrandId, actor: str, action: str, subject: str, details: Mapping[str, Any], now: int
) -> None:
    """Keep one deed. `action` is a stable word (`campaign.pause`), `subject` the id or name it was done to."""
    tx.execute(
        audit.insert().values(
            brand=brand,
            id=new_id(now),
            at=now,
            actor=actor,
            action=action,
            subject=subject,
            details=json.dumps(dict(details), ensure_ascii=False),
        )
    )
