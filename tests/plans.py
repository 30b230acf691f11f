"""How an engine would find the rows of a statement, so that a hot one cannot lose its index unnoticed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select


def plan_of(tx: Connection, statement: Select[Any], **values: Any) -> str:
    """The engine's plan in its own words. PostgreSQL is kept from reading small tables whole, which it prefers."""
    compiled = statement.params(**values).compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True})
    if tx.dialect.name == "sqlite":
        return " | ".join(row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
    tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return " | ".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {compiled}"))
