"""API tokens: made once, shown once, kept as digests."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.access import Caller, Role
from domain.errors import ConflictError, InvalidError, NotFoundError
from domain.ids import BrandId, new_id
from storage import access, audit
from storage.access import ApiToken

_PREFIX = "agw_"
_FORM = re.compile(r"agw_[A-Za-z0-9_-]{43}\Z")
_NAME = re.compile(r"\w[\w .-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token. `secret` is shown now and never again."""

    token: ApiToken
    secret: str


def issue(
    tx: Connection, brand: BrandId, name: str, role: Role, expires_at: int | None, actor: str, now: int
) -> Issued:
    """Make a token of 256 random bits. Raises InvalidError or ConflictError (the name is taken)."""
    if not _NAME.match(name):
        raise InvalidError("a token's name has 1 to 64 letters, digits, spaces, dots or dashes", field="name")
    if expires_at is not None and expires_at <= now:
        raise InvalidError("the token would have expired already", field="expires_at")
    secret = _PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(brand, new_id(now), name, role, now, expires_at, None)
    if not access.add_token(tx, token, digest(secret)):
        raise ConflictError(
            f'there is a token "{name}" already: names are used once, also those of revoked tokens', field="name"
        )
    audit.record(tx, brand, actor, "token.create", name, {"role": role.value, "expires_at": expires_at}, now)
    return Issued(token, secret)


def digest(secret: str) -> str:
    """What is kept of a token. A random token needs no slow hash: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate(tx: Connection, secret: str, now: int) -> Caller | None:
    """Who carries this token; None for anything that is not a living token."""
    if not _FORM.match(secret):
        return None
    token = access.find_token(tx, digest(secret), now)
    return Caller(token.brand, token.role, f"token:{token.name}") if token else None


def tokens(tx: Connection, brand: BrandId) -> Sequence[ApiToken]:
    """Every token of a brand, the newest first."""
    return access.list_tokens(tx, brand)


def revoke(tx: Connection, brand: BrandId, name: str, actor: str, now: int) -> None:
    """End a token at once. Raises NotFoundError."""
    if not access.revoke_token(tx, brand, name, now):
        raise NotFoundError(f'there is no living token "{name}"', field="name")
    audit.record(tx, brand, actor, "token.revoke", name, {}, now)
