"""One map from what drivers raise to what storage answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc

from storage.errors import Conflict, Corrupt, StorageError, Unavailable, Violation

_SQLITE_TAKEN: Final = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_SQLITE_UNAVAILABLE: Final[Mapping[int, tuple[str, bool]]] = {
    sqlite3.SQLITE_BUSY: ("the database file is locked by another program: close it, or wait until it is done", True),
    sqlite3.SQLITE_LOCKED: ("the database file is locked by another program: close it, or wait until it is done", True),
    sqlite3.SQLITE_FULL: ("the disk under the database is full: free space; nothing was stored", True),
    sqlite3.SQLITE_IOERR: ("the disk under the database failed: see the system log; nothing was stored", True),
    sqlite3.SQLITE_NOMEM: ("out of memory: nothing was stored", True),
    sqlite3.SQLITE_INTERRUPT: ("the statement was interrupted: nothing was stored", True),
    sqlite3.SQLITE_PROTOCOL: ("the database file is busy starting up: try again", True),
    sqlite3.SQLITE_CANTOPEN: ("the database file cannot be opened: check that it exists and who may read it", False),
    sqlite3.SQLITE_READONLY: (
        "the database is open for reading only: use a write unit, or check the file's owner",
        False,
    ),
}
_SQLITE_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_POSTGRES_CONFLICT: Final = frozenset({"23505", "23P01", "40001", "40P01"})
_POSTGRES_UNAVAILABLE: Final[Mapping[str, str]] = {
    "53100": "PostgreSQL's disk is full: free space there; nothing was stored",
    "53200": "PostgreSQL is out of memory: nothing was stored",
    "53300": "PostgreSQL has no connection left: raise max_connections or use fewer nodes",
    "55P03": "PostgreSQL could not get a lock in time: try again",
    "57014": "PostgreSQL stopped the statement at its time limit: try again",
    "57P01": "PostgreSQL is shutting down: try again",
    "57P02": "PostgreSQL is restarting after a crash: try again",
    "57P03": "PostgreSQL is starting up: try again",
    "58030": "PostgreSQL's disk failed: see the server's log",
    "25006": "PostgreSQL accepts only reads here: use a write unit, or wait for the failover to finish",
}
_POSTGRES_CORRUPT: Final = frozenset({"XX001", "XX002"})


def translate(error: BaseException) -> BaseException:
    """The storage error that `error` means, or `error` itself when it is not the driver's to explain."""
    if isinstance(error, MemoryError):
        return Unavailable("out of memory: nothing was stored")
    if isinstance(error, exc.TimeoutError):
        return Unavailable("every database connection is in use: try again, or raise the pool size")
    if isinstance(error, exc.DBAPIError):
        return _from_driver(error) or error
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(error) or error
    return error


def _from_driver(error: exc.DBAPIError) -> StorageError | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _from_sqlite(cause)
    known = _from_postgres(getattr(cause, "sqlstate", None) or "", cause)
    if known is None and error.connection_invalidated:
        return Unavailable("the connection to PostgreSQL broke: try again")
    return known


def _from_sqlite(error: sqlite3.Error) -> StorageError | None:
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if code in _SQLITE_TAKEN:
        return Conflict(str(error))
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return Violation(str(error))
    if primary in _SQLITE_CORRUPT:
        return Corrupt(f"the database file is damaged ({error}): stop, keep a copy, restore the latest backup")
    if primary in _SQLITE_UNAVAILABLE:
        message, retryable = _SQLITE_UNAVAILABLE[primary]
        return Unavailable(f"{message} ({error})", retryable=retryable)
    return None


def _from_postgres(state: str, cause: BaseException | None) -> StorageError | None:
    # The first line only: the next ones quote the row, which may be a customer's.
    text = str(cause).partition("\n")[0]
    # 0A000 here: a migration changed the table under a prepared statement, which the driver has forgotten by now.
    if state in _POSTGRES_CONFLICT or (state == "0A000" and "cached" in text):
        return Conflict(text)
    if state.startswith("23"):
        return Violation(text)
    if state in _POSTGRES_CORRUPT:
        return Corrupt(f"PostgreSQL reports damaged pages ({text}): stop, restore the latest backup")
    broken = "the connection to PostgreSQL broke: try again" if state.startswith("08") else None
    message = _POSTGRES_UNAVAILABLE.get(state, broken)
    return Unavailable(message) if message else None


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the driver raises inside the block as what it means."""
    try:
        yield
    except Exception as error:
        known = translate(error)
        if known is error:
            raise
        raise known from error
