"""The time a unit of work sees, in milliseconds since the Unix epoch, UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

_OPTION = "gateway_clock"
_SERVER_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


def host_clock() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


def clock_options(clock: Callable[[], int] | None) -> dict[str, Any]:
    """Execution options for an engine whose units see `clock`; None leaves the time to the database."""
    return {_OPTION: clock}


def now(tx: Connection) -> int:
    """The time for decisions inside a transaction.

    An injected clock is always obeyed. Otherwise it is this machine's clock on SQLite, and the server's on
    PostgreSQL, so that leases and due times agree between nodes whose own clocks do not.
    """
    clock: Callable[[], int] | None = tx.get_execution_options().get(_OPTION)
    return clock() if clock else int(tx.execute(_SERVER_CLOCK).scalar_one())
