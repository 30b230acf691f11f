"""Whatever the values: INV-36 (no raw placeholder, no None, no crash), D67 (shown literally), INV-38 (preview = what is sent)."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from templates import engine, plain
from templates.errors import (
    BadValue,
    EmptyText,
    MissingValue,
    TemplateError,
    TextTooLong,
    UnsavableTemplate,
    UnsendableText,
)
from templates.source import Where
from templates.variables import VARIABLES, VariableKind, kinds, samples

PLACE = Where("", 2048, "https://example.com/l/")
LETTER = engine.compile(
    engine.check(
        "亲爱的{{ customer.name }}：{% if customer.points >= 100 %}{{ customer.points }}分{% endif %}"
        "{{ customer.level|default('会员') }}，{{ shop.name|truncate(8) }}，{{ customer.last_order_amount }}，{{ today }}",
        kinds(),
        where=PLACE,
    )
)
NAME = engine.compile(engine.check("《{{ customer.name }}》", kinds(), where=PLACE))

AWKWARD = [
    "{{ 7*7 }}",
    "{% raw %}",
    "{{ customer.name }}",
    "{# x #}",
    "%s %(x)s %d",
    "$x ${x}",
    "]]>",
    "<![CDATA[",
    "</a>",
    '<a href="https://evil.example">领奖</a>',
    "<",
    "مرحبا שלום",
    "👨‍👩‍👧‍👦" * 20,
    "🇨🇳🇩🇪",
    "第一行\n第二行",
    "\u202eevil\u202c",
    "\x00\x1b[31m",
    "\ud83d",
    "None",
    "&lt;b&gt; &amp;",
    "e\u0301" * 50,
]
texts = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(), max_size=80))
anything: st.SearchStrategy[Any] = st.one_of(
    st.none(), texts, st.integers(), st.floats(), st.booleans(), st.just(""), st.lists(st.integers(), max_size=2)
)
quick = settings(deadline=None, max_examples=200)


def literally(value: str) -> str:
    """A text value as it must appear: all of it, but for control characters and tags."""
    return plain.harmless(plain.clean(value))


@quick
@given(texts)
@example("{{ 7*7 }}")
@example("</a>")
def test_a_value_comes_out_literally(value: str) -> None:
    try:
        text = engine.render(NAME, {"customer.name": value})
    except MissingValue:
        assert plain.is_blank(value)
        return
    assert text == f"《{literally(value)}》"


@pytest.mark.parametrize(
    "value",
    [
        "{{ 7*7 }}",
        "{% raw %}",
        "%s",
        "$x",
        "]]>",
        "شكرا",
        "👨‍👩‍👧",
        "a\nb",
        "https://evil.example",
        "&amp;",
        "1 < 2",
        "<3",
    ],
)
def test_what_is_harmless_is_not_changed_at_all(value: str) -> None:
    assert engine.render(NAME, {"customer.name": value}) == f"《{value}》"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('<a href="https://evil.example">领奖</a>', '＜a href="https://evil.example">领奖＜/a>'),
        ("< A HREF=x", "＜ A HREF=x"),
        ("<", "＜"),
        ("小\x00林\x1b", "小林"),
        ("小\u202e林", "小林"),
        ("a\r\nb\u2028c", "a\nb\nc"),
        ("小\ud800林", "小林"),
    ],
)
def test_links_are_disarmed_and_control_characters_leave(value: str, shown: str) -> None:
    """D67."""
    assert engine.render(NAME, {"customer.name": value}) == f"《{shown}》"


@quick
@given(st.fixed_dictionaries({variable.name: anything for variable in VARIABLES}))
def test_a_person_gets_a_whole_text_or_is_skipped_with_a_reason(values: dict[str, Any]) -> None:
    try:
        text = engine.render(LETTER, values)
    except (MissingValue, BadValue) as reason:
        assert reason.variable in LETTER.checked.variables
        assert reason.message
        assert reason.words("en")
        return
    except TextTooLong as reason:
        assert reason.size > reason.limit
        return
    assert text.startswith("亲爱的" + literally(values["customer.name"]))
    assert not plain.is_blank(values["customer.name"])
    assert len(text.encode()) <= 2048


@quick
@given(st.sets(st.sampled_from(sorted(LETTER.checked.variables))), st.sampled_from([None, "", " ", "\u200b"]))
def test_missing_fields_never_print_none_or_a_placeholder(missing: set[str], nothing: str | None) -> None:
    values = dict(samples()) | dict.fromkeys(missing, nothing)
    try:
        text = engine.render(LETTER, values)
    except MissingValue as reason:
        assert reason.variable in missing - {"customer.level"}
        return
    assert missing <= {"customer.level"}
    assert not any(sign in text for sign in ("None", "{{", "}}", "{%", "Undefined", "Missing"))


@quick
@given(st.dictionaries(st.sampled_from([variable.name for variable in VARIABLES]), anything))
def test_the_preview_is_what_is_sent(changes: dict[str, Any]) -> None:
    """INV-38: byte for byte, or the same refusal."""
    values = dict(samples()) | changes
    try:
        sent = engine.render(LETTER, values)
    except UnsendableText as reason:
        with pytest.raises(type(reason)):
            engine.preview(LETTER, values)
        return
    shown = engine.preview(LETTER, values)
    assert shown.text.encode() == sent.encode()
    assert shown.used_bytes == len(sent.encode())


WORDS = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "|",
        ".",
        ",",
        "'",
        '"',
        "<",
        ">",
        "=",
        "==",
        "!=",
        "-",
        "~",
        "*",
    ),
    *(
        " if ",
        " endif ",
        " else ",
        " elif ",
        " for ",
        " in ",
        " not ",
        " and ",
        " or ",
        " set ",
        " raw ",
        " endraw ",
        " is ",
    ),
    *(
        "customer.name",
        "customer.points",
        "today",
        "campaign.link",
        "default",
        "upper",
        "truncate",
        "date",
        "5",
        "1e9",
        "'x'",
    ),
    *("\n", " ", "茶", "\\", "\x00", "\x01", '<a href="', '">', "</a>", "none", "true", "self", "｛", "｝"),
]


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
@example("{% if today %}\n")
@example("{{ 'a\n' }}\n\n{{")
def test_any_source_is_refused_in_plain_words_or_renders(source: str) -> None:
    try:
        checked = engine.check(source, kinds(), where=PLACE)
    except UnsavableTemplate as refused:
        assert refused.line is not None
        assert 1 <= refused.line <= source.count("\n") + 1
        assert refused.message
        assert refused.words("en")
        return
    try:
        text = engine.render(engine.compile(checked), samples())
    except EmptyText:
        return
    assert "None" not in text
    assert "True" not in text


PRINTABLE = ["customer.name", "customer.points", "customer.last_order_amount", "today", "'x'", "5", "2.5"]
FILTERS = [
    "|upper",
    "|title",
    "|truncate(3)",
    "|default('x')",
    "|default(5)",
    "|money",
    "|date",
    "|date('iso')",
    "|round",
    "|round(2)",
]


@quick
@given(
    st.sampled_from(PRINTABLE),
    st.lists(st.sampled_from(FILTERS), max_size=4).map("".join),
    st.fixed_dictionaries(
        {variable.name: anything for variable in VARIABLES if variable.kind is not VariableKind.LINK}
    ),
)
def test_what_may_be_saved_never_crashes_when_sent(start: str, filters: str, values: dict[str, Any]) -> None:
    """A filter that fits by kind works for every value of that kind, also after a default of another kind."""
    try:
        result = engine.compile(engine.check(f"{{{{ {start}{filters} }}}}", kinds(), where=PLACE))
        assert engine.render(result, values)
    except TemplateError as reason:
        assert reason.message
