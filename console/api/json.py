"""JSON from outside, tamed: no doubles, no NaN, no depth, no text that storage could not keep."""

import json
import re
from collections.abc import Iterable
from typing import Any

from console.api.errors import MalformedError

MAX_DEPTH = 16
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


def read_json(content: bytes) -> Any:
    """The values in a body. Raises MalformedError."""
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise MalformedError("the body is not UTF-8") from None
    except RecursionError:
        raise MalformedError(f"the body is nested deeper than {MAX_DEPTH}") from None
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {error}") from None
    _tame(value, MAX_DEPTH)
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return values


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _tame(value: Any, depth: int) -> None:
    if depth == 0:
        raise MalformedError(f"the body is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _tame_text(value)
    elif isinstance(value, dict):
        _tame_all((*value.keys(), *value.values()), depth - 1)
    elif isinstance(value, list):
        _tame_all(value, depth - 1)


def _tame_all(values: Iterable[Any], depth: int) -> None:
    for value in values:
        _tame(value, depth)


def _tame_text(text: str) -> None:
    # Half a surrogate pair has no UTF-8, and PostgreSQL keeps no NUL.
    if _UNKEEPABLE.search(text):
        raise MalformedError("a text holds a NUL or half a character")
