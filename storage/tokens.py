"""Access tokens as rows: who may fetch a new one, and which one counts. Plain statements over a transaction.

A row is made on the first claim. `version` grows with each stored token; `refreshing_until` keeps others from fetching,
while one fetches and while it would be pointless to try.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select, update

from domain.ids import AccountId, BrandId
from storage.dialect import insert
from storage.tables.queue import tokens


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Which token."""

    brand: BrandId
    account: AccountId
    kind: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as stored. `expires_at` 0 after it was refused."""

    ciphertext: str
    expires_at: int
    version: int
    refreshing_until: int


NONE = TokenRow("", 0, 0, 0)


def find(tx: Connection, key: TokenKey) -> TokenRow:
    """The row as it is now; NONE before the first claim."""
    columns = (tokens.c.ciphertext, tokens.c.expires_at, tokens.c.version, tokens.c.refreshing_until)
    row = tx.execute(select(*columns).where(_is(key))).one_or_none()
    return TokenRow(*row) if row else NONE


def claim(tx: Connection, key: TokenKey, version: int, until: int, now: int) -> bool:
    """Take the right to replace `version` until `until`. False when somebody has it, or when it was replaced already."""
    values = {"brand": key.brand, "account": key.account, "kind": key.kind}
    tx.execute(insert(tx, tokens).values(values).on_conflict_do_nothing())
    free = and_(tokens.c.version == version, tokens.c.refreshing_until <= now)
    return _changed(tx, key, free, {"refreshing_until": until})


def store(tx: Connection, key: TokenKey, version: int, ciphertext: str, expires_at: int, quiet_until: int) -> bool:
    """Replace `version` by its successor; no other fetch before `quiet_until`. False when it was replaced already."""
    values = {
        "ciphertext": ciphertext,
        "expires_at": expires_at,
        "version": version + 1,
        "refreshing_until": quiet_until,
    }
    return _changed(tx, key, tokens.c.version == version, values)


def hold_off(tx: Connection, key: TokenKey, version: int, until: int) -> bool:
    """Let nobody fetch a successor of `version` before `until`."""
    return _changed(tx, key, tokens.c.version == version, {"refreshing_until": until})


def wake(tx: Connection, key: TokenKey, beyond: int) -> bool:
    """End a rest that lasts beyond `beyond`; a shorter one is a fetch at work."""
    return _changed(tx, key, tokens.c.refreshing_until > beyond, {"refreshing_until": 0})


def refuse(tx: Connection, key: TokenKey, version: int, now: int) -> int:
    """The platform refused `version`: forget it, unless it was replaced already, or replaced something refused just before.

    Returns for how many ms the platform must be left alone; 0 when a new token may be fetched, or is there.
    """
    due = and_(tokens.c.version == version, tokens.c.refreshing_until <= now)
    if _changed(tx, key, due, {"expires_at": 0}):
        return 0
    row = find(tx, key)
    early = row.version == version and row.expires_at > now
    return row.refreshing_until - now if early else 0


def _is(key: TokenKey) -> Any:
    return and_(tokens.c.brand == key.brand, tokens.c.account == key.account, tokens.c.kind == key.kind)


def _changed(tx: Connection, key: TokenKey, condition: Any, values: dict[str, Any]) -> bool:
    return tx.execute(update(tokens).where(_is(key), condition).values(values)).rowcount == 1
