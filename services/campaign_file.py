"""Campaigns and templates in YAML files, as marketers write them. Every problem is one line with file, line and field.

    name: 双十一预热                   - code: double11
    template: double11                   name: 双十一预热
    audience: {shop: jingan}             kind: text
    at: 2026-12-01 10:00                 text: |
                                           {{ customer.name | default("您好") }}，{{ shop.name }}双十一……

What only the database knows (is there such a shop?) is checked by services/campaigns.py; `CampaignFile.located` and
`TemplateInFile.located` put file and line before what it finds.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.calls import DAY, HOUR, MINUTE
from domain.campaign import DEFAULT_EXPIRY_MS, Audience, AudienceKind
from domain.errors import InvalidError
from services.campaign_draft import CampaignDraft
from services.problems import Problems
from services.templates import check_template
from services.yaml_file import InvalidFile, Source, Value, read_yaml, unknown_field
from templates.variables import VariableKind, kinds

CAMPAIGN_FIELDS = (
    "name",
    "template",
    "audience",
    "account",
    "at",
    "cron",
    "timezone",
    "values",
    "expires",
    "grace",
    "idempotency_key",
)
TEMPLATE_FIELDS = (
    "code",
    "name",
    "kind",
    "text",
    "title",
    "description",
    "url",
    "picture_url",
    "app_id",
    "path",
    "thumb",
)

_KINDS = tuple(kind.value for kind in AudienceKind)
_DURATION = re.compile(r"(\d{1,5}) ?([mhd])")
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
_WHOLE_NUMBER = re.compile(r"-?\d{1,15}")


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """A campaign as it stands in a file, and where each field of it stands."""

    draft: CampaignDraft
    source: Source

    def located(self, error: InvalidError) -> InvalidFile:
        """What is wrong with the draft, with file and line before each problem."""
        return self.source.located(error)


@dataclass(frozen=True, slots=True)
class TemplateInFile:
    """A template as it stands in a file; its fields are those of services/templates.py."""

    code: str
    name: str
    body: Mapping[str, str]
    source: Source

    def located(self, error: InvalidError) -> InvalidFile:
        """What is wrong with the template, with file and line before each problem."""
        return self.source.located(error)


def read_campaign_file(path: Path) -> CampaignFile:
    """Read a campaign. The same file twice is the same campaign, unless it says `idempotency_key` itself. Raises InvalidFile."""
    document, content = read_yaml(path)
    if document.fields is None:
        raise InvalidFile([f"{path.name}:{document.line}: write fields, such as `template: double11`"])
    source = _source(path, document)
    problems = Problems()
    draft = _draft(document.fields, hashlib.sha256(content).hexdigest(), problems)
    _refuse(problems, source)
    return CampaignFile(draft, source)


def read_templates_file(path: Path) -> list[TemplateInFile]:
    """Read a list of templates; each of them may be saved. Raises InvalidFile with every problem of every template."""
    document, _ = read_yaml(path)
    if document.items is None:
        raise InvalidFile(
            [f"{path.name}:{document.line}: write a list of templates, each beginning with `- code: ...`"]
        )
    read: dict[str, TemplateInFile] = {}
    lines: list[str] = []
    for item in document.items:
        try:
            template = _template(path, item)
            if template.code in read:
                raise template.located(InvalidError(f'"{template.code}" is in this file twice', field="code"))
            read[template.code] = template
        except InvalidFile as error:
            lines += error.lines
    if lines:
        raise InvalidFile(lines)
    return list(read.values())


def _refuse(problems: Problems, source: Source) -> None:
    try:
        problems.refuse()
    except InvalidError as error:
        raise source.located(error) from None


def _source(path: Path, written: Value) -> Source:
    places = {"": written, **(written.fields or {})}
    for name in ("audience", "values"):
        inner = places[name].fields if name in places else None
        places |= {f"{name}.{key}": value for key, value in (inner or {}).items()}
    lines = {name: value.line for name, value in places.items()}
    return Source(path.name, lines, frozenset(name for name, value in places.items() if value.is_block))


def _draft(fields: Mapping[str, Value], fingerprint: str, problems: Problems) -> CampaignDraft:
    for name in fields:
        if name not in CAMPAIGN_FIELDS:
            problems.add(name, unknown_field(name, CAMPAIGN_FIELDS))
    texts = {name: _text(name, fields[name], problems) for name in fields if name not in ("audience", "values")}
    for name in ("name", "template"):
        if not texts.get(name):
            problems.add(name, "is missing")
    return CampaignDraft(
        name=texts.get("name", ""),
        template=texts.get("template", ""),
        audience=_audience(fields.get("audience"), problems),
        account=texts.get("account", ""),
        at=texts.get("at", ""),
        cron=texts.get("cron", ""),
        timezone=texts.get("timezone", ""),
        values=_values(fields.get("values"), problems),
        expiry_ms=_duration("expires", texts, problems) or DEFAULT_EXPIRY_MS,
        grace_ms=_duration("grace", texts, problems),
        idempotency_key=texts.get("idempotency_key") or f"file:{fingerprint}",
    )


def _text(name: str, value: Value, problems: Problems) -> str:
    if value.text is None:
        problems.add(name, f"{value.what}, but one text is expected")
    return (value.text or "").rstrip()


def _audience(value: Value | None, problems: Problems) -> Audience:
    everybody = Audience(AudienceKind.ALL_BOUND)
    if value is None:
        problems.add("audience", f"is missing; write one of {', '.join(_KINDS)}, such as `audience: {{shop: jingan}}`")
        return everybody
    if value.text == AudienceKind.ALL_BOUND:
        return everybody
    if value.fields is None or len(value.fields) != 1:
        problems.add("audience", f"write exactly one of {', '.join(_KINDS)}, such as `audience: {{shop: jingan}}`")
        return everybody
    kind, named = next(iter(value.fields.items()))
    if kind not in _KINDS:
        problems.add(f"audience.{kind}", unknown_field(kind, _KINDS))
        return everybody
    written = _text(f"audience.{kind}", named, problems)
    return everybody if kind == AudienceKind.ALL_BOUND else Audience(AudienceKind(kind), written)


def _values(value: Value | None, problems: Problems) -> dict[str, str | int]:
    if value is None or value.text == "":
        return {}
    if value.fields is None:
        problems.add("values", "write one line for each variable, such as `customer.name: 亲爱的顾客`")
        return {}
    texts = {name: _text(f"values.{name}", one, problems) for name, one in value.fields.items()}
    return {name: _of_its_kind(name, text) for name, text in texts.items()}


def _of_its_kind(variable: str, text: str) -> str | int:
    is_number = kinds().get(variable) in (VariableKind.NUMBER, VariableKind.MONEY)
    return int(text) if is_number and _WHOLE_NUMBER.fullmatch(text) else text


def _duration(name: str, texts: Mapping[str, str], problems: Problems) -> int | None:
    if not texts.get(name):
        return None
    found = _DURATION.fullmatch(texts[name])
    if found is None:
        problems.add(name, f'"{texts[name]}" is not a time span; write 90m, 24h or 2d')
        return None
    return int(found[1]) * _UNITS[found[2]]


def _template(path: Path, item: Value) -> TemplateInFile:
    if item.fields is None:
        raise InvalidFile([f"{path.name}:{item.line}: a template has fields, such as `code: double11`"])
    source = _source(path, item)
    problems = Problems()
    texts = {name: _text(name, value, problems) for name, value in item.fields.items()}
    for name in texts:
        if name not in TEMPLATE_FIELDS:
            problems.add(name, unknown_field(name, TEMPLATE_FIELDS))
    code, name = texts.pop("code", ""), texts.pop("name", "")
    body = {name: text for name, text in texts.items() if name in TEMPLATE_FIELDS}
    with problems.of():
        check_template(code, name, body)
    _refuse(problems, source)
    return TemplateInFile(code, name, body, source)
