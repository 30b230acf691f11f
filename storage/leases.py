"""What the two queues share: how a worker loses a row, how a damaged payload is noticed, and words of their statements."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, literal_column

from storage.errors import StorageError
from storage.outbox import checksum


class LeaseLost(StorageError):
    """The row was taken over by another worker, or ended meanwhile: drop what was done with it, touch nothing."""


class Damaged(StorageError):
    """The stored payload is not what was written: its checksum differs. It must not be acted upon."""


def require_intact(text: str, crc: int, what: str) -> None:
    """Raise Damaged when `text` is not what `crc` was made from; `what` names the row for people."""
    if checksum(text) != crc:
        raise Damaged(f"{what} is damaged on disk (its checksum differs): restore it from a backup, or discard it")


def one_of(column: ColumnElement[Any], states: Iterable[StrEnum]) -> ColumnElement[bool]:
    """`column IN (...)`, spelled out: an index over some states serves only statements that name them without parameters."""
    return column.in_([literal_column(f"'{state.value}'") for state in states])
