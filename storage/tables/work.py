"""Around the work: alarms, the audit, API tokens."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from storage.tables.base import Json, Millis, brand_key, key, metadata

alarms = Table(
    "alarms",
    metadata,
    brand_key(),
    key("kind"),
    key("subject"),
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", Millis, nullable=False),
    Column("last_at", Millis, nullable=False),
    Column("closed_at", Millis),
)

audit = Table(
    "audit",
    metadata,
    brand_key(),
    key(),
    Column("at", Millis, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Json, nullable=False, server_default="{}"),
    Index(None, "brand", "subject", "at"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    brand_key(),
    key(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # SHA-256 of the token: the token itself is shown once and kept nowhere.
    Column("digest", Text, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis),
    Column("revoked_at", Millis),
    UniqueConstraint("brand", "digest"),
    UniqueConstraint("brand", "name"),
)
