"""The OpenAPI document tells the truth about the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from console.api.operation import Nothing
from console.api.operations import OPERATIONS
from storage.engine import Database
from tests.clock import FakeClock
from tests.flow.api import serving


async def test_the_description_is_whole(sqlite_db: Database, clock: FakeClock) -> None:
    async with serving(sqlite_db, clock) as api:
        status, document = await api.ask("GET", "/openapi.json", role="")
    assert (status, document["openapi"]) == (200, "3.1.0")
    for reference in _references(document):
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(operation.method, f"/api/v1{operation.path}") for operation in OPERATIONS}
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _references(inner)


BODIES: set[type[BaseModel]] = {
    model for operation in OPERATIONS for model in (operation.body, operation.result) if model is not Nothing
}


@pytest.mark.parametrize("model", sorted(BODIES, key=str))
def test_every_body_has_examples_that_hold(model: type[BaseModel]) -> None:
    extra = model.model_config.get("json_schema_extra")
    assert isinstance(extra, dict), f"{model.__name__} has no example"
    examples = extra["examples"]
    assert isinstance(examples, list)
    for example in examples:
        model.model_validate(example)
