"""What storage raises, as a channel's caller understands it."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from gateway.channels.errors import Retry
from storage.engine import Database
from storage.errors import StorageError

T = TypeVar("T")


class Books:
    """A database whose failures are `Retry`: what could not be looked up was not sent, either."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, unit: Callable[[Connection], T]) -> T:
        """See Database.read. Raises Retry."""
        try:
            return await self._db.read(unit)
        except StorageError as error:
            raise Retry("storage_unavailable", str(error)) from error

    async def write(self, unit: Callable[[Connection], T]) -> T:
        """See Database.write. Raises Retry."""
        try:
            return await self._db.write(unit)
        except StorageError as error:
            raise Retry("storage_unavailable", str(error)) from error
