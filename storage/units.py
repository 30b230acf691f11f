"""The one thing a unit of work must leave to the engine: the end of its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

_RUNNING = "gateway_unit_running"


def guard_ends(engine: Engine) -> None:
    """Let nobody commit or roll back a transaction of `engine` while a unit runs in it.

    Other units share the transaction on SQLite: their rows would be gone, or stored before their callers are told.
    """
    event.listen(engine, "commit", _refuse)
    event.listen(engine, "rollback", _refuse)


@contextmanager
def unit_running(tx: Connection) -> Iterator[None]:
    """Mark the time in which a unit has `tx`."""
    # Fetched once: after a failure the connection may no longer be there to ask.
    info = tx.info
    info[_RUNNING] = True
    try:
        yield
    finally:
        info.pop(_RUNNING, None)


def _refuse(tx: Connection) -> None:
    if not tx.invalidated and tx.info.get(_RUNNING):
        raise RuntimeError("a unit of work must not commit or roll back by itself: raise an error, or use begin_nested")
