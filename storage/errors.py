"""What storage can answer besides a result.

    StorageError
    |-- Conflict      somebody else was first (unique key, serialization failure, deadlock): run the unit again
    |-- Violation     a row breaks a rule of the schema (not null, check, foreign key): a bug above, never run again
    |-- Unavailable   storage cannot answer now (full, locked, gone, read-only); `retryable` says whether waiting helps
    |-- Corrupt       the file or the server's pages are damaged: stop, restore
    |-- Locked        another process holds the data directory
    `-- Refused       this configuration would lose data: the program does not start with it

Every message is one line for a person: what happened, where, how to mend it.
"""

from __future__ import annotations


class StorageError(Exception):
    """Base of everything storage raises on purpose; `str(error)` may be shown to an operator."""

    retryable = False


class Conflict(StorageError):
    """Somebody else was first. Units may raise it themselves, for example when a version check finds no row.

    `Database.write` has already rerun the unit when this reaches a caller.
    """

    retryable = True


class Violation(StorageError):
    """A row breaks a rule of the schema; trying again gives the same answer."""


class Unavailable(StorageError):
    """Nothing was acknowledged; with `retryable` the same call may succeed later.

    On PostgreSQL a connection that broke during COMMIT also ends here, and then the unit may have been
    committed: what is asked again must be safe to repeat.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class Corrupt(StorageError):
    """Stored bytes are damaged; going on would spread the damage."""


class Locked(StorageError):
    """Another process holds the data directory; the message names it and says what to do."""


class Refused(StorageError):
    """The configuration or the machine is not safe to store on; the message says what to change."""
