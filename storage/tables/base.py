"""What all tables share: the metadata, constraint names, and the few column types."""

from sqlalchemy import BigInteger, Column, MetaData, String, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Byte order on both engines: ids sort by time, and no locale of a server changes what a query returns.
Key: TypeEngine[str] = Text().with_variant(String(collation="C"), "postgresql")
Millis = BigInteger
Json = Text


def brand_key() -> Column[str]:
    """The first column of every primary key."""
    return Column("brand", Key, primary_key=True)


def key(name: str = "id") -> Column[str]:
    """A further column of a primary key."""
    return Column(name, Key, primary_key=True)
