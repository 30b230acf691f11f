"""Tables: one set for SQLite and PostgreSQL. Every primary and unique key starts with the brand, so that brands can be spread later.

Times are milliseconds since the Unix epoch (UTC), ids 32 hex digits, contents JSON text written by the codecs of `domain`.
"""

from storage.tables import campaigns, people, queue, talk, work
from storage.tables.base import metadata

__all__ = ["campaigns", "metadata", "people", "queue", "talk", "work"]
