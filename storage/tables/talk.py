"""Conversations, their messages, and what an advisor has in hand: focus and held answers; media."""

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from storage.tables.base import Json, Key, Millis, brand_key, key, metadata

conversations = Table(
    "conversations",
    metadata,
    brand_key(),
    key(),
    Column("customer_id", Key, nullable=False),
    Column("account", Key, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("next_seq", Integer, nullable=False, server_default="1"),
    Column("claimed_by", Key),
    Column("claim_until", Millis, nullable=False, server_default="0"),
    # First message that nobody has taken yet; 0 when nobody waits.
    Column("waiting_since", Millis, nullable=False, server_default="0"),
    Column("last_in_at", Millis, nullable=False, server_default="0"),
    Column("last_out_at", Millis, nullable=False, server_default="0"),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("brand", "account", "external_id"),
    Index(None, "brand", "customer_id"),
    Index(None, "brand", "claimed_by"),
)

messages = Table(
    "messages",
    metadata,
    brand_key(),
    key(),
    Column("conversation_id", Key, nullable=False),
    Column("seq", Integer, nullable=False),
    # in | out
    Column("direction", Text, nullable=False),
    # customer | advisor | system | campaign
    Column("author", Text, nullable=False),
    Column("advisor_id", Key),
    Column("content", Json, nullable=False),
    # The routing decision as data: recipient and steps; `why` prints it.
    Column("decision", Json, nullable=False, server_default="{}"),
    Column("inbox_id", Key),
    Column("occurred_at", Millis, nullable=False),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("brand", "conversation_id", "seq"),
    Index(None, "brand", "inbox_id"),
)

focuses = Table(
    "focuses",
    metadata,
    brand_key(),
    key("advisor_id"),
    Column("conversation_id", Key, nullable=False),
    Column("until", Millis, nullable=False),
)

held_answers = Table(
    "held_answers",
    metadata,
    brand_key(),
    key(),
    Column("advisor_id", Key, nullable=False),
    Column("content", Json, nullable=False),
    Column("because", Text, nullable=False),
    Column("decision", Json, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis, nullable=False),
    # held | sent | expired
    Column("state", Text, nullable=False),
    Index(None, "brand", "advisor_id", "state"),
)

media = Table(
    "media",
    metadata,
    brand_key(),
    key(),
    Column("account", Key, nullable=False),
    Column("origin", Text, nullable=False),
    Column("type", Text, nullable=False),
    # wanted | stored | lost
    Column("state", Text, nullable=False),
    Column("sha256", Text, nullable=False, server_default=""),
    Column("content_type", Text, nullable=False, server_default=""),
    Column("bytes", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Millis, nullable=False),
    Column("created_at", Millis, nullable=False),
    Index(None, "state", "next_at"),
)

uploads = Table(
    "uploads",
    metadata,
    brand_key(),
    key("account"),
    key("sha256"),
    Column("platform_id", Text, nullable=False, server_default=""),
    Column("expires_at", Millis, nullable=False, server_default="0"),
    # Single flight: whoever set this may upload until then.
    Column("claimed_until", Millis, nullable=False, server_default="0"),
)
