"""Templates of a brand: checked when they are saved, kept version by version, so that a running campaign keeps its text."""

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from domain.ids import BrandId
from services.problems import Problems
from services.wording import check_body
from storage import templates
from storage.audit import record

NAME_CHARS = 60

_CODE = re.compile(r"[\w.-]{1,40}")


def save_template(
    tx: Connection, brand: BrandId, code: str, name: str, body: Mapping[str, str], actor: str, now: int
) -> int:
    """Save a new version of template `code` and return its number; what equals the newest version is not saved again.

    `body` is `{"kind": "text", "text": ...}`, or `link` with title, url, description and picture_url, or `mini_program` with
    title, app_id, path and thumb. Raises InvalidDraft with every problem, by field.
    """
    check_template(code, name, body)
    last = templates.newest(tx, brand, code)
    if last is not None and last.name == name and last.body == body:
        return last.version
    version = templates.add_version(tx, brand, code, name, body, actor, now)
    record(tx, brand, actor, "template.save", code, {"version": version}, now)
    return version


def check_template(code: str, name: str, body: Mapping[str, str]) -> None:
    """Whether this could be saved as a template. Raises InvalidDraft with every problem, by field."""
    problems = Problems()
    if not _CODE.fullmatch(code):
        problems.add("code", f'"{code}" is no code: at most 40 letters, digits and . _ - without spaces')
    if not name.strip() or len(name) > NAME_CHARS:
        problems.add("name", f"a name of 1 to {NAME_CHARS} characters is needed")
    with problems.of():
        check_body(body, name)
    problems.refuse()
