"""Message templates: each change is a new version, so that a running campaign keeps its text."""

from collections.abc import Sequence
from typing import Any

from console.api.models import Millis, Name
from console.api.operation import Asked, Desk, Model, Nothing, example, operation
from domain.access import Right
from domain.errors import NotFoundError
from domain.ids import BrandId
from services import templates as use_cases
from storage import templates
from storage.templates import StoredTemplate

_BODY = {"kind": "text", "text": "{{ customer.name | default('您好') }}，{{ shop.name }}的新茶到了。"}
_STORED = {
    "code": "new-arrival",
    "version": 1,
    "name": "新品到店",
    "body": _BODY,
    "created_at": 1795000000000,
    "created_by": "token:crm",
}


class TemplateIn(Model):
    """A template: `body` is `{"kind": "text", "text"}`, or `link` or `mini_program` with the fields of that kind."""

    model_config = example({"name": "新品到店", "body": _BODY})

    name: Name
    body: dict[str, str]


class TemplateOut(Model):
    """The newest version of a template."""

    model_config = example(_STORED)

    code: str
    version: int
    name: str
    body: dict[str, str]
    created_at: Millis
    created_by: str


class TemplatesOut(Model):
    """The newest version of each template of the brand, by code."""

    model_config = example({"items": [_STORED]})

    items: list[TemplateOut]


@operation("GET", "/templates", Right.READ)
async def list_templates(desk: Desk, asked: Asked[Nothing, Nothing]) -> TemplatesOut:
    """The templates of the brand."""
    found: Sequence[StoredTemplate] = await desk.db.read(lambda tx: templates.every_newest(tx, asked.caller.brand))
    return TemplatesOut(items=[_template(template) for template in found])


@operation("GET", "/templates/{code}", Right.READ)
async def show_template(desk: Desk, asked: Asked[Nothing, Nothing]) -> TemplateOut:
    """A template as it is now."""
    return _template(await desk.db.read(lambda tx: _newest(tx, asked.caller.brand, asked.path["code"])))


@operation("PUT", "/templates/{code}", Right.PUSH)
async def save_template(desk: Desk, asked: Asked[Nothing, TemplateIn]) -> TemplateOut:
    """Save a new version; what equals the newest one is not saved again."""
    caller, body, code, now = asked.caller, asked.body, asked.path["code"], desk.clock()

    def save(tx: Any) -> StoredTemplate:
        use_cases.save_template(tx, caller.brand, code, body.name, body.body, caller.name, now)
        return _newest(tx, caller.brand, code)

    return _template(await desk.db.write(save))


def _newest(tx: Any, brand: BrandId, code: str) -> StoredTemplate:
    found = templates.newest(tx, brand, code)
    if found is None:
        raise NotFoundError(f'there is no template "{code}"', field="code")
    return found


def _template(stored: StoredTemplate) -> TemplateOut:
    return TemplateOut(
        code=stored.code,
        version=stored.version,
        name=stored.name,
        body=dict(stored.body),
        created_at=stored.created_at,
        created_by=stored.created_by,
    )
