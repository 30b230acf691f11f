"""Files of marketers: read as they look, and every mistake told with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.calls import DAY, HOUR, MINUTE
from domain.campaign import DEFAULT_EXPIRY_MS, Audience, AudienceKind
from domain.errors import InvalidError
from services.campaign_draft import CampaignDraft
from services.campaign_file import read_campaign_file, read_templates_file
from services.problems import InvalidDraft, Problem
from services.yaml_file import InvalidFile

GOOD = """\
name: 双十一预热
template: double11
account: oa
audience:
  shop: 007
at: 2026-12-01 10:00
timezone: Asia/Shanghai
expires: 24h
grace: 90m
values:
  customer.name: 亲爱的顾客
  customer.points: 100
  customer.level: 007
"""


def campaign(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "push.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines_of(path: Path) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        read_campaign_file(path)
    return list(caught.value.lines)


def test_a_campaign_is_read_as_it_looks(tmp_path: Path) -> None:
    read = read_campaign_file(campaign(tmp_path, GOOD))
    key = read.draft.idempotency_key
    assert read.draft == CampaignDraft(
        name="双十一预热",
        template="double11",
        audience=Audience(AudienceKind.SHOP, "007"),
        account="oa",
        at="2026-12-01 10:00",
        timezone="Asia/Shanghai",
        values={"customer.name": "亲爱的顾客", "customer.points": 100, "customer.level": "007"},
        expiry_ms=DAY,
        grace_ms=90 * MINUTE,
        idempotency_key=key,
    )


def test_the_same_bytes_are_the_same_campaign_and_others_are_not(tmp_path: Path) -> None:
    first = read_campaign_file(campaign(tmp_path, GOOD)).draft.idempotency_key
    assert read_campaign_file(campaign(tmp_path, GOOD)).draft.idempotency_key == first
    assert read_campaign_file(campaign(tmp_path, GOOD + "# 再发一次\n")).draft.idempotency_key != first
    assert read_campaign_file(campaign(tmp_path, GOOD + "idempotency_key: mine\n")).draft.idempotency_key == "mine"


@pytest.mark.parametrize(
    ("audience", "read"),
    [
        ("audience: all_bound", Audience(AudienceKind.ALL_BOUND)),
        ("audience: {all_bound: true}", Audience(AudienceKind.ALL_BOUND)),
        ("audience: {tag: VIP}", Audience(AudienceKind.TAG, "VIP")),
        ("audience: {tag: no}", Audience(AudienceKind.TAG, "no")),
        ("audience:\n  advisor: lan", Audience(AudienceKind.ADVISOR, "lan")),
    ],
)
def test_audiences(tmp_path: Path, audience: str, read: Audience) -> None:
    draft = read_campaign_file(campaign(tmp_path, f"name: a\ntemplate: b\nat: now\n{audience}\n")).draft
    assert draft.audience == read
    assert (draft.expiry_ms, draft.grace) == (DEFAULT_EXPIRY_MS, HOUR)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["push.yaml:1: the file is empty"]),
        ("- a", ["push.yaml:1: write fields, such as `template: double11`"]),
        ("just text", ["push.yaml:1: write fields, such as `template: double11`"]),
        ("name: a\n  b: c", ["push.yaml:2: this is not YAML: mapping values are not allowed here"]),
        ("name: a\n\tb: c", ["push.yaml:2: this is not YAML: found character"]),
        (b"name: a\ntemplate: \xff", ["push.yaml:2: not UTF-8; save the file as UTF-8"]),
        ("name: a\ntemplate: b\nname: c", ["push.yaml:3: name: written twice; keep one"]),
        ("name: &x a\ntemplate: *x", ["push.yaml:2: aliases such as *name are not read here"]),
        ("? [a]\n: b", ["push.yaml:1: a field's name must be a word"]),
        ("[" * 5000 + "]" * 5000, ["push.yaml:1: nested too deeply"]),
        ("name: a\ntemplate: b\n---\nname: c", ["push.yaml:3: this is not YAML: but found another document"]),
        ("a" * 1_000_001, ["push.yaml: 1000001 bytes, at most 1000000 are read"]),
        (
            "name: a\naudience: all_bound\nat: now\n",
            ["push.yaml:1: template: is missing"],
        ),
        (
            "name: a\ntempalte: b\naudience: all_bound\nat: now\n",
            ['push.yaml:2: tempalte: no such field; did you mean "template"?', "push.yaml:1: template: is missing"],
        ),
        (
            "name: a\ntemplate: b\naudience: all\n",
            ["push.yaml:3: audience: write exactly one of all_bound, shop, tag, advisor"],
        ),
        (
            "name: a\ntemplate: b\naudience:\n  shop: x\n  tag: y\n",
            ["push.yaml:3: audience: write exactly one of all_bound, shop, tag, advisor"],
        ),
        (
            "name: a\ntemplate: b\naudience:\n  shops: x\n",
            ['push.yaml:4: audience.shops: no such field; did you mean "shop"?'],
        ),
        ("name: a\ntemplate: b\n", ["push.yaml:1: audience: is missing"]),
        (
            "name: [a]\ntemplate: {b: c}\naudience: {shop: [x]}\nexpires: 2 weeks\ngrace: -1h\nvalues: many\n",
            [
                "push.yaml:1: name: a list, but one text is expected",
                "push.yaml:2: template: several fields, but one text is expected",
                "push.yaml:1: name: is missing",
                "push.yaml:2: template: is missing",
                "push.yaml:3: audience.shop: a list, but one text is expected",
                "push.yaml:6: values: write one line for each variable",
                'push.yaml:4: expires: "2 weeks" is not a time span; write 90m, 24h or 2d',
                'push.yaml:5: grace: "-1h" is not a time span',
            ],
        ),
    ],
)
def test_mistakes_in_a_campaign(tmp_path: Path, text: str | bytes, told: list[str]) -> None:
    found = lines_of(campaign(tmp_path, text))
    assert len(found) == len(told)
    for line, beginning in zip(found, told, strict=True):
        assert line.startswith(beginning)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"none\.yaml: cannot be read \(No such file or directory\); check the name"):
        read_campaign_file(tmp_path / "none.yaml")


def test_what_the_database_finds_is_told_with_its_line_too(tmp_path: Path) -> None:
    read = read_campaign_file(campaign(tmp_path, GOOD))
    problems = (
        Problem("audience.shop", 'no shop "007"; did you mean "jingan"?'),
        Problem("values.customer.level", "no such variable"),
        Problem("cron", "is missing"),
    )
    assert read.located(InvalidDraft(problems)).lines == (
        'push.yaml:5: audience.shop: no shop "007"; did you mean "jingan"?',
        "push.yaml:13: values.customer.level: no such variable",
        "push.yaml:1: cron: is missing",
    )
    assert read.located(InvalidError("is past", field="at")).lines == ("push.yaml:6: at: is past",)


TEMPLATES = """\
- code: double11
  name: 双十一预热
  kind: text
  text: |
    {{ customer.name }}您好，
    {{ shop.name }}双十一有礼。
- code: new.tea
  name: 新茶
  kind: link
  title: 新茶到店
  url: https://example.com/new
"""


def test_templates_are_read_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(TEMPLATES, encoding="utf-8")
    first, second = read_templates_file(path)
    assert (first.code, first.name) == ("double11", "双十一预热")
    assert first.body == {"kind": "text", "text": "{{ customer.name }}您好，\n{{ shop.name }}双十一有礼。"}
    assert second.body == {"kind": "link", "title": "新茶到店", "url": "https://example.com/new"}


def test_mistakes_in_templates_are_told_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(
        TEMPLATES
        + """\
- code: broken
  name: 坏的
  kind: text
  text: |
    您好
    {{ customer.nam }}
- code: double11
  name: 又一个
  kind: text
  text: 您好
- name: 没有编号
  knd: text
- kind: text
  code: x
  name: y
  text: "{{ shop.nmae }}"
- text
""",
        encoding="utf-8",
    )
    with pytest.raises(InvalidFile) as caught:
        read_templates_file(path)
    told = [
        "templates.yaml:17: text: ",
        'templates.yaml:18: code: "double11" is in this file twice',
        'templates.yaml:23: knd: no such field; did you mean "kind"?',
        'templates.yaml:22: code: "" is no code',
        'templates.yaml:22: kind: no kind ""',
        "templates.yaml:27: text: ",
        "templates.yaml:28: a template has fields",
    ]
    assert len(caught.value.lines) == len(told)
    for line, beginning in zip(caught.value.lines, told, strict=True):
        assert line.startswith(beginning)


def test_a_file_of_templates_must_be_a_list(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text("code: a\n", encoding="utf-8")
    with pytest.raises(InvalidFile, match=r"templates\.yaml:1: write a list of templates"):
        read_templates_file(path)
