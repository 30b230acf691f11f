"""The OpenAPI 3.1 description of the API, made from the operations themselves."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from console.api.models import Refusal
from console.api.operation import AnyOperation, Nothing

_REFS = "#/components/schemas/{model}"
_PATH_PARAMETER = re.compile(r"{(\w+)}")

_REFUSALS = {
    "400": "The body is no JSON.",
    "401": "No valid token.",
    "403": "The token's role may not do this.",
    "404": "There is no such thing, or it is not yours.",
    "409": "It changed meanwhile, or exists already.",
    "413": "The body is too large.",
    "415": "The body is not plain application/json.",
    "422": "The input is wrong; `field` names the culprit.",
    "503": "It cannot be done now, and it is not your fault.",
}


def describe(operations: Sequence[AnyOperation], prefix: str) -> dict[str, Any]:
    """The whole document."""
    models = _Models(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(prefix + operation.path, {})[operation.method.lower()] = _operation(operation, models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Advisor Gateway",
            "version": "1",
            "description": "Times are milliseconds since the Unix epoch, UTC. A token sees one brand; what is another's is 404.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "agw_..."}},
            "schemas": models.schemas,
            "responses": {
                status: {"description": text, "content": models.made(Refusal)} for status, text in _REFUSALS.items()
            },
        },
    }


class _Models:
    """The schemas of all bodies, and where each is."""

    def __init__(self, operations: Sequence[AnyOperation]) -> None:
        pairs: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Refusal, "serialization"): None}
        for operation in operations:
            pairs[(operation.result, "serialization")] = None
            if operation.takes_body:
                pairs[(operation.body, "validation")] = None
        self._refs, schema = models_json_schema(list(pairs), ref_template=_REFS)
        self.schemas: dict[str, Any] = schema["$defs"]

    def given(self, model: type[BaseModel]) -> dict[str, Any]:
        """A body that comes in, by reference."""
        return {"application/json": {"schema": self._refs[(model, "validation")]}}

    def made(self, model: type[BaseModel]) -> dict[str, Any]:
        """A body that goes out, by reference."""
        return {"application/json": {"schema": self._refs[(model, "serialization")]}}


def _operation(operation: AnyOperation, models: _Models) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.path.split("/")[1]],
        "x-right": operation.right.name.lower(),
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_headers(operation)],
        "responses": {
            str(operation.status): {"description": "Done.", "content": models.made(operation.result)},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _possible(operation)},
        },
    }
    if operation.takes_body:
        described["requestBody"] = {"required": True, "content": models.given(operation.body)}
    return described


def _possible(operation: AnyOperation) -> list[str]:
    only_with_body = {"400", "413", "415"}
    return [status for status in _REFUSALS if operation.takes_body or status not in only_with_body]


def _path_parameters(operation: AnyOperation) -> list[dict[str, Any]]:
    names = _PATH_PARAMETER.findall(operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(operation: AnyOperation) -> list[dict[str, Any]]:
    if operation.query is Nothing:
        return []
    schema = operation.query.model_json_schema(ref_template=_REFS)
    required = schema.get("required", [])
    parameters = []
    for name, described in schema["properties"].items():
        text = described.pop("description", "")
        parameters.append(
            {"name": name, "in": "query", "required": name in required, "description": text, "schema": described}
        )
    return parameters


def _headers(operation: AnyOperation) -> list[dict[str, Any]]:
    if not operation.keyed:
        return []
    text = "The same key again answers with what the first request made, instead of doing it twice."
    schema = {"type": "string", "maxLength": 128}
    return [{"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}]
