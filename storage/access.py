"""API tokens: kept as digests, found by them, revoked for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update

from domain.access import Role
from domain.ids import BrandId
from storage.dialect import insert
from storage.tables.work import api_tokens


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without the token. Times are ms; `expires_at` and `revoked_at` may be None."""

    brand: BrandId
    id: str
    name: str
    role: Role
    created_at: int
    expires_at: int | None
    revoked_at: int | None


def add_token(tx: Connection, token: ApiToken, digest: str) -> bool:
    """Keep a new token; False when the brand has one of that name already, revoked ones included."""
    values = {
        "brand": token.brand,
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "digest": digest,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    return tx.execute(insert(tx, api_tokens).values(values).on_conflict_do_nothing()).rowcount == 1


def find_token(tx: Connection, digest: str, now: int) -> ApiToken | None:
    """The token of this digest while it is good: not revoked, not expired."""
    unexpired = or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now)
    good = and_(api_tokens.c.digest == digest, api_tokens.c.revoked_at.is_(None), unexpired)
    row = tx.execute(select(api_tokens).where(good)).first()
    return _read(row) if row else None


def list_tokens(tx: Connection, brand: BrandId) -> Sequence[ApiToken]:
    """Every token of a brand, the newest first."""
    rows = tx.execute(select(api_tokens).where(api_tokens.c.brand == brand).order_by(api_tokens.c.id.desc()))
    return [_read(row) for row in rows]


def revoke_token(tx: Connection, brand: BrandId, name: str, now: int) -> bool:
    """End a token at once; False when there is no living one of that name."""
    mine = and_(api_tokens.c.brand == brand, api_tokens.c.name == name, api_tokens.c.revoked_at.is_(None))
    return tx.execute(update(api_tokens).where(mine).values(revoked_at=now)).rowcount == 1


def _read(row: Row[Any]) -> ApiToken:
    return ApiToken(
        BrandId(row.brand), row.id, row.name, Role(row.role), row.created_at, row.expires_at, row.revoked_at
    )
