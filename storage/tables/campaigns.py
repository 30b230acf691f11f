"""Templates, campaigns, their runs (one for each due time) and the frozen recipients of a run."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from storage.tables.base import Json, Key, Millis, brand_key, key, metadata

templates = Table(
    "templates",
    metadata,
    brand_key(),
    key("code"),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    # {"kind": "text", "text": source} or link / mini_program with template sources in their fields.
    Column("body", Json, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("created_by", Text, nullable=False, server_default=""),
)

campaigns = Table(
    "campaigns",
    metadata,
    brand_key(),
    key(),
    Column("name", Text, nullable=False),
    Column("account", Key, nullable=False),
    Column("template", Text, nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("values", Json, nullable=False, server_default="{}"),
    Column("audience", Json, nullable=False),
    Column("at", Millis),
    Column("cron", Text, nullable=False, server_default=""),
    Column("timezone", Text, nullable=False),
    # The next due time; null when there is none any more.
    Column("next_at", Millis),
    Column("expiry_ms", Millis, nullable=False),
    Column("grace_ms", Millis, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("created_by", Text, nullable=False, server_default=""),
    # Same file scheduled twice is the same campaign.
    Column("idempotency_key", Text),
    UniqueConstraint("brand", "idempotency_key"),
    Index(None, "state", "next_at"),
)

runs = Table(
    "runs",
    metadata,
    brand_key(),
    key(),
    Column("campaign_id", Key, nullable=False),
    Column("due_at", Millis, nullable=False),
    Column("state", Text, nullable=False),
    # Last recipient handled by the page in hand: freezing and queueing resume behind it.
    Column("cursor", Key, nullable=False, server_default=""),
    Column("recipients", Integer, nullable=False, server_default="0"),
    Column("started_at", Millis, nullable=False),
    Column("done_at", Millis),
    UniqueConstraint("brand", "campaign_id", "due_at"),
    Index(None, "state"),
)

recipients = Table(
    "recipients",
    metadata,
    brand_key(),
    key("run_id"),
    key("customer_id"),
    Column("advisor_id", Key),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("outbox_id", Key),
    Index(None, "brand", "run_id", "state"),
)
