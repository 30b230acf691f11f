"""The platforms' ids of our files: one per account and content, for as long as it lives. Plain statements over a transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select, update

from domain.ids import AccountId, BrandId, MediaId
from storage.dialect import insert
from storage.tables.talk import media, uploads


@dataclass(frozen=True, slots=True)
class UploadKey:
    """Which file in which account; the same bytes under two media ids are one upload."""

    brand: BrandId
    account: AccountId
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadRow:
    """An upload as stored. `claimed_until` keeps others from uploading meanwhile."""

    platform_id: str
    expires_at: int
    claimed_until: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Where one of our files stands (wanted | stored | lost), and the hash of its bytes once it is stored."""

    state: str
    sha256: str


NONE = UploadRow("", 0, 0)


def file_of(tx: Connection, brand: BrandId, media_id: MediaId) -> Stored | None:
    """The file behind a media id."""
    statement = select(media.c.state, media.c.sha256).where(media.c.brand == brand, media.c.id == media_id)
    row = tx.execute(statement).one_or_none()
    return Stored(*row) if row else None


def find(tx: Connection, key: UploadKey) -> UploadRow:
    """The upload as it is now; NONE before the first claim."""
    columns = (uploads.c.platform_id, uploads.c.expires_at, uploads.c.claimed_until)
    row = tx.execute(select(*columns).where(_is(key))).one_or_none()
    return UploadRow(*row) if row else NONE


def claim(tx: Connection, key: UploadKey, until: int, now: int) -> bool:
    """Take the right to upload until `until`. False when somebody has it, or when a living upload is there."""
    values = {"brand": key.brand, "account": key.account, "sha256": key.sha256}
    tx.execute(insert(tx, uploads).values(values).on_conflict_do_nothing())
    free = and_(uploads.c.expires_at <= now, uploads.c.claimed_until <= now)
    return _changed(tx, key, free, {"claimed_until": until})


def store(tx: Connection, key: UploadKey, platform_id: str, expires_at: int) -> None:
    """Keep the platform's id until `expires_at`, and end the claim."""
    _changed(tx, key, None, {"platform_id": platform_id, "expires_at": expires_at, "claimed_until": 0})


def release(tx: Connection, key: UploadKey) -> None:
    """End a claim without an upload."""
    _changed(tx, key, None, {"claimed_until": 0})


def forget(tx: Connection, key: UploadKey, platform_id: str) -> bool:
    """Drop an id the platform does not know any more. False when it was replaced already."""
    return _changed(tx, key, uploads.c.platform_id == platform_id, {"expires_at": 0})


def _is(key: UploadKey) -> Any:
    return and_(uploads.c.brand == key.brand, uploads.c.account == key.account, uploads.c.sha256 == key.sha256)


def _changed(tx: Connection, key: UploadKey, condition: Any, values: dict[str, Any]) -> bool:
    statement = update(uploads).where(_is(key)).values(values)
    return tx.execute(statement if condition is None else statement.where(condition)).rowcount == 1
