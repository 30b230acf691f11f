"""Inbox and outbox: what came in and what was promised to go out; windows, allowances and tokens that gate the sending."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from storage.tables.base import Json, Key, Millis, brand_key, key, metadata

_INBOX_ACTIVE = text("state IN ('queued', 'leased')")
_OUTBOX_ACTIVE = text("state IN ('queued', 'calling', 'retry_at')")
# Apart, so that looking for a reply never reads past a million waiting pushes, and one account never past another's.
_OUTBOX_TALK = text("state IN ('queued', 'retry_at') AND lane <> 'push'")
_OUTBOX_PUSH = text("state IN ('queued', 'retry_at') AND lane = 'push'")

inbox = Table(
    "inbox",
    metadata,
    brand_key(),
    key(),
    Column("account", Key, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("order_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # The parsed event (domain.messages.encode_inbound), and the body it was read from.
    Column("event", Json, nullable=False),
    Column("raw", Text, nullable=False, server_default=""),
    Column("crc", BigInteger, nullable=False),
    Column("received_at", Millis, nullable=False),
    # queued | leased | done | parked
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Millis, nullable=False),
    Column("leased_until", Millis, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("done_at", Millis),
    Column("error", Text, nullable=False, server_default=""),
    Index("uq_inbox_dedup", "brand", "account", "dedup_key", unique=True),
    Index("ix_inbox_due", "next_at", "id", sqlite_where=_INBOX_ACTIVE, postgresql_where=_INBOX_ACTIVE),
    Index("ix_inbox_key", "brand", "order_key", "id", sqlite_where=_INBOX_ACTIVE, postgresql_where=_INBOX_ACTIVE),
)

outbox = Table(
    "outbox",
    metadata,
    brand_key(),
    key(),
    Column("account", Key, nullable=False),
    # (conversation, direction, talk | push), or one of its own for commands and tells without a conversation.
    Column("stream", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("lane", Text, nullable=False),
    Column("recipient", Text, nullable=False, server_default=""),
    # The call (domain.calls.encode_call).
    Column("call", Json, nullable=False),
    Column("crc", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("platform_id", Text, nullable=False, server_default=""),
    Column("result", Json, nullable=False, server_default="{}"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_by", Millis, nullable=False),
    Column("expires_at", Millis, nullable=False),
    Column("next_at", Millis, nullable=False),
    Column("leased_until", Millis, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    # Whether its end is reported to the handlers as an inbound `call_done`.
    Column("reports", Boolean, nullable=False, server_default=text("false")),
    Column("conversation_id", Key),
    Column("customer_id", Key),
    Column("advisor_id", Key),
    Column("message_id", Key),
    Column("run_id", Key),
    Column("created_at", Millis, nullable=False),
    Column("called_at", Millis),
    Column("done_at", Millis),
    Index("uq_outbox_stream", "brand", "stream", "n", "id", unique=True),
    Index(
        "ix_outbox_talk", "brand", "account", "due_by", "id", sqlite_where=_OUTBOX_TALK, postgresql_where=_OUTBOX_TALK
    ),
    Index(
        "ix_outbox_push", "brand", "account", "due_by", "id", sqlite_where=_OUTBOX_PUSH, postgresql_where=_OUTBOX_PUSH
    ),
    Index("ix_outbox_head", "brand", "stream", "n", sqlite_where=_OUTBOX_ACTIVE, postgresql_where=_OUTBOX_ACTIVE),
    Index("ix_outbox_conversation", "brand", "conversation_id", "state"),
    Index("ix_outbox_run", "brand", "run_id", "state"),
    Index("ix_outbox_message", "brand", "message_id"),
    Index("ix_outbox_state", "brand", "state", "created_at"),
)

windows = Table(
    "windows",
    metadata,
    brand_key(),
    key("account"),
    key("external_id"),
    key("trigger"),
    Column("messages", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("opened_at", Millis, nullable=False),
    Column("closes_at", Millis, nullable=False),
)

allowances = Table(
    "allowances",
    metadata,
    brand_key(),
    key("account"),
    # "member:zhangsan", "account", "api:message/send"
    key("scope"),
    Column("window_ms", Millis, primary_key=True),
    # Start of a slice of the sliding window.
    Column("slice_at", Millis, primary_key=True),
    Column("used", Integer, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    brand_key(),
    key("account"),
    # "*" for the whole account, else the api path.
    key("scope"),
    Column("until", Millis, nullable=False),
    Column("reason", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    brand_key(),
    key("account"),
    key("kind"),
    Column("ciphertext", Text, nullable=False, server_default=""),
    Column("expires_at", Millis, nullable=False, server_default="0"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("refreshing_until", Millis, nullable=False, server_default="0"),
)
