"""Models that several operations share: pages, errors, ids in paths."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from console.api.operation import Model, example

T = TypeVar("T")
Item = TypeVar("Item")
Stored = TypeVar("Stored")

Millis = Annotated[int, Field(ge=0, le=253_402_300_799_999, examples=[1_795_000_000_000])]
"""A time: milliseconds since the Unix epoch, UTC."""

Code = Annotated[str, Field(pattern=r"^\w[\w.-]{0,63}$", examples=["new-arrival"])]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class PageQuery(Model):
    """Which part of a long list."""

    limit: Annotated[int, Field(ge=1, le=200, description="How many items at most.")] = 50
    cursor: Annotated[
        str, Field(max_length=64, description="`next` of the page before; leave it out for the first.")
    ] = ""


class Page(Model, Generic[Item]):
    """A part of a list, and the cursor of the next part; null at the end."""

    items: list[Item]
    next: str | None


def cut(
    found: Sequence[Stored], limit: int, show: Callable[[Stored], T], cursor: Callable[[Stored], str]
) -> tuple[list[T], str | None]:
    """A page of `found`, which was asked for one item more than `limit` to see whether there is a next page."""
    shown = found[:limit]
    return [show(item) for item in shown], cursor(shown[-1]) if len(found) > limit else None


class Failure(Model):
    """What went wrong: `code` for programs, `message` for people, `field` names the culprit."""

    code: str
    message: str
    field: str | None = None


class Refusal(Model):
    """The body of every answer that is not a success."""

    model_config = example({"error": {"code": "invalid", "message": 'no shop "sh-1"', "field": "audience.value"}})

    error: Failure
