"""Brand, regions, shops, advisors; customers with their identities, tags, scenes and consents."""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text

from storage.tables.base import Key, Millis, brand_key, key, metadata

brands = Table(
    "brands",
    metadata,
    brand_key(),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("language", Text, nullable=False),
)

regions = Table(
    "regions",
    metadata,
    brand_key(),
    key(),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("brand", "code"),
)

shops = Table(
    "shops",
    metadata,
    brand_key(),
    key(),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("region_id", Key, nullable=False),
    UniqueConstraint("brand", "code"),
)

advisors = Table(
    "advisors",
    metadata,
    brand_key(),
    key(),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("shop_id", Key, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("work_account", Key),
    # Case-folded: WeCom compares member ids without case and answers them in lower case.
    Column("work_id", Text, nullable=False),
    Column("persona", Text, nullable=False, server_default=""),
    # His own id where customers write: nobody becomes his own customer.
    Column("own_id", Text, nullable=False, server_default=""),
    Column("next_code", Integer, nullable=False, server_default="0"),
    UniqueConstraint("brand", "code"),
    UniqueConstraint("brand", "work_account", "work_id"),
)

customers = Table(
    "customers",
    metadata,
    brand_key(),
    key(),
    Column("reference", Text),
    Column("profile_name", Text, nullable=False, server_default=""),
    Column("opted_out_at", Millis),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("brand", "reference"),
)

identities = Table(
    "identities",
    metadata,
    brand_key(),
    key("account"),
    key("external_id"),
    Column("customer_id", Key, nullable=False),
    Column("followed_at", Millis),
    Column("unfollowed_at", Millis),
    Index(None, "brand", "customer_id"),
)

customer_tags = Table(
    "customer_tags",
    metadata,
    brand_key(),
    key("tag"),
    key("customer_id"),
    Index(None, "brand", "customer_id"),
)

relations = Table(
    "relations",
    metadata,
    brand_key(),
    key("advisor_id"),
    key("customer_id"),
    Column("code", Text, nullable=False),
    Column("remark", Text, nullable=False, server_default=""),
    UniqueConstraint("brand", "advisor_id", "code"),
)

scenes = Table(
    "scenes",
    metadata,
    brand_key(),
    key("state"),
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("account", Key, nullable=False),
    Column("advisor_id", Key),
    Column("shop_id", Key),
    Column("ticket", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("brand", "account", "kind", "advisor_id", "shop_id"),
)

bindings = Table(
    "bindings",
    metadata,
    brand_key(),
    key(),
    Column("customer_id", Key, nullable=False),
    Column("advisor_id", Key, nullable=False),
    Column("state", Text, nullable=False),
    Column("scene", Text, nullable=False, server_default=""),
    Column("policy_version", Text, nullable=False, server_default=""),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis),
    Column("bound_at", Millis),
    Column("released_at", Millis),
    Column("reason", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),
    Index(
        "uq_bindings_active",
        "brand",
        "customer_id",
        unique=True,
        sqlite_where=text("state IN ('bound', 'transfer_pending')"),
        postgresql_where=text("state IN ('bound', 'transfer_pending')"),
    ),
    Index(None, "brand", "advisor_id", "state"),
    Index(None, "brand", "customer_id", "state"),
)

consents = Table(
    "consents",
    metadata,
    brand_key(),
    key(),
    Column("customer_id", Key, nullable=False),
    Column("binding_id", Key),
    Column("answer", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("text_hash", Text, nullable=False),
    Column("account", Key, nullable=False),
    Column("scene", Text, nullable=False, server_default=""),
    Column("at", Millis, nullable=False),
    Index(None, "brand", "customer_id", "at"),
)
