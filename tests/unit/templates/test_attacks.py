"""Bad templates and bad values D58-D68, and the resource attacks that jinja2's sandbox lets through: refused, not survived."""

import pytest

from templates import engine
from templates.errors import (
    BadLink,
    BadValue,
    Malformed,
    NotAllowed,
    TooLarge,
    UnknownFilter,
    UnknownVariable,
    UnsavableTemplate,
)
from templates.source import Where
from templates.variables import kinds, samples

PLACE = Where("", 2048, "https://example.com/l/")
REFUSED_SYNTAX = (NotAllowed, Malformed, UnknownVariable, UnknownFilter, TooLarge)


@pytest.mark.parametrize(
    ("case", "source"),
    [
        ("D58", "{{ ''.__class__.__mro__ }}"),
        ("D58", "{{ ''|attr('__cla'~'ss__') }}"),
        ("D58", "{{ ''['__class__'] }}"),
        ("D58", "{{ customer['name'] }}"),
        ("D58", "{{ customer.name.__class__ }}"),
        ("D58", "{{ customer|map(attribute='name') }}"),
        ("D59", "{{ cycler.__init__.__globals__.os }}"),
        ("D59", "{{ lipsum.__globals__ }}"),
        ("D59", "{{ joiner }}"),
        ("D59", "{{ namespace }}"),
        ("D59", "{{ self._TemplateReference__context }}"),
        ("D59", "{{ self }}"),
        ("D60", "{{ '{0.__class__}'.format(customer.name) }}"),
        ("D60", "{{ '{x}'.format_map(customer) }}"),
        ("D60", "{% set f = ''.format %}{{ f(customer.name) }}"),
        ("D60", "{{ ''|attr('format') }}"),
        ("D60", "{{ '%s'|format(customer.name) }}"),
        ("D61", "{{ customer.delete() }}"),
        ("D61", "{{ advisor.token }}"),
        ("D61", "{{ customer.name() }}"),
        ("D61", "{{ customer }}"),
        ("D62", "{{ 'a' * 200000000 }}"),
        ("D62", "{{ 9**9**9 }}"),
        ("D62", "{{ 'a'|center(300000000) }}"),
        ("D62", "{{ [customer.name, customer.name]|join('x') }}"),
        ("D62", "{{ customer.name|replace('', 'aaaa') }}"),
        ("D62", "{{ customer.name|indent(999999999) }}"),
        ("D62", "{{ '%999999999d'|format(1) }}"),
        ("D62", "{{ '{:>999999999}'.format(1) }}"),
        ("D62", "{{ 1 + 1 }}"),
        ("D62", "{{ -1 }}"),
        ("D62", "{{ 'a' ~ 'b' }}"),
        ("D62", "{{ 'a' % 1 }}"),
        ("D62", "{{ 7 // 2 }}"),
        ("D62", "{{ (1, 2) }}"),
        ("D62", "{{ {'a': 1} }}"),
        ("D62", "{{ 'abc'[0:2] }}"),
        ("D63", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"),
        ("D63", "{% for letter in customer.name %}{{ letter }}{% endfor %}"),
        ("D63", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        ("D63", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
        ("D63", "{% set a = 'x' %}{% set a = a ~ a %}"),
        ("D63", "{% set a %}x{% endset %}"),
        ("D63", "{{ lipsum(999999) }}"),
        ("D63", "{{ range(999999999) }}"),
        ("D63", "{% call customer.name() %}{% endcall %}"),
        ("D63", "{% filter upper %}x{% endfilter %}"),
        ("D63", "{% with a = 1 %}{% endwith %}"),
        ("D63", "{% autoescape true %}{{ customer.name }}{% endautoescape %}"),
        ("D64", "{% include '/etc/passwd' %}"),
        ("D64", "{% import 'x' as x %}"),
        ("D64", "{% from 'x' import y %}"),
        ("D64", "{% extends 'x' %}"),
        ("D64", "{% block a %}x{% endblock %}"),
    ],
)
def test_what_reaches_out_or_grows_is_refused(case: str, source: str) -> None:
    with pytest.raises(REFUSED_SYNTAX):
        engine.check(source, kinds(), where=PLACE)


@pytest.mark.parametrize(
    ("case", "source", "key"),
    [
        ("1 MB of text", "茶" * 1_000_000, "template.source_too_long"),
        ("200,000 placeholders", "{{ today }}" * 200_000, "template.source_too_long"),
        ("3,000 parentheses in 1 MB", "{{ " + "(" * 500_000 + ")" * 500_000, "template.source_too_long"),
        ("more than 100 placeholders", "{{ today }}" * 101, "template.too_many_tags"),
        ("1,500 parentheses", "{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", "template.too_complicated"),
        ("7 parentheses", "{{ " + "(" * 7 + "1" + ")" * 7 + " }}", "template.too_complicated"),
        ("1,000 times not", "{% if " + "not " * 900 + "today %}x{% endif %}", "template.too_complicated"),
        ("300 times or", "{% if today" + " or today" * 300 + " %}x{% endif %}", "template.too_complicated"),
        ("400 filters", "{{ 'a'" + "|upper" * 400 + " }}", "template.too_complicated"),
        ("if in if in if ...", "{% if today %}" * 6 + "x" + "{% endif %}" * 6, "template.too_complicated"),
        ("a number of 3,000 digits", "{{ " + "9" * 3000 + " }}", "template.too_complicated"),
        ("a backslash", "{{ 'a\\x00b' }}", "template.too_complicated"),
    ],
)
def test_what_is_too_much_is_refused_before_it_is_parsed(
    case: str, source: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D65."""
    environment = type(engine.compile(engine.check("x", kinds())).template.environment)

    def parsed(*_: object) -> None:
        raise AssertionError("reached the parser")

    monkeypatch.setattr(environment, "parse", parsed)
    with pytest.raises(TooLarge) as caught:
        engine.check(source, kinds(), where=PLACE)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "source",
    [
        "茶" * 4000,
        "{{ today }}" * 100,
        "{{ " + "(" * 6 + "1" + ")" * 6 + " }}",
        "{% if today %}" * 5 + "x" + "{% endif %}" * 5,
        "{% if today" + " or today" * 19 + " %}x{% endif %}",
        "{% if " + "not " * 38 + "today %}x{% endif %}",
        "{{ 'a'" + "|upper" * 19 + " }}",
    ],
)
def test_what_is_just_within_the_limits_is_compiled(source: str) -> None:
    result = engine.compile(engine.check(source, kinds(), where=Where(max_bytes=20_000)))
    assert engine.render(result, samples())


@pytest.mark.parametrize(
    "source",
    [
        '<a href="https://evil.example">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=1">x</a>',
        "<a href='{{ campaign.link }}'>x</a>",
        '<A HREF="{{ campaign.link }}">x</a>',
        '< a href="{{ campaign.link }}">x</a>',
        '<a href="{{ campaign.link }}.evil.example">x</a>',
        '<a href="https://evil.example/{{ campaign.link }}">x</a>',
        '<a href="{{ customer.name }}">x</a>',
        '<a href="{% if today %}{{ campaign.link }}{% endif %}">x</a>',
        "<div>x</div>",
        "您好 <{{ customer.name }}",
        "您好 </{{ customer.name }}",
        "{% if today %}<{% endif %}a href=x>",
        "<{# #}a href=x>",
        "{{ '<a href=x>' }}",
        "{{ customer.name|default('<a href=x>') }}",
    ],
)
def test_a_template_has_no_link_but_the_gateways_own(source: str) -> None:
    """D68, for the marketer's own text: only a link variable may stand in a link, and nothing may complete a tag."""
    with pytest.raises((BadLink, NotAllowed)):
        engine.check(source, kinds(), where=PLACE)


def test_a_bad_link_is_found_on_its_line() -> None:
    with pytest.raises(BadLink) as caught:
        engine.check("{{ customer.name }}您好\n新品\n<b>到店</b>", kinds(), where=PLACE)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "weixin://bizmsgmenu",
        "k3Xz81Qa",
        "https://evil.example/l/k3Xz81Qa",
        "https://example.com.evil.example/l/k3Xz81Qa",
        "https://example.com@evil.example/l/k3Xz81Qa",
        "https://example.com/l/",
        "https://example.com/l/../x",
        "https://example.com/l//evil.example",
        'https://example.com/l/a">x</a><a href="b',
        "https://example.com/l/a b",
        "https://example.com/l/a\nb",
        "https://example.com/l/a#b",
        "https://example.com/l/茶",
        "https://example.com/l/" + "a" * 500,
    ],
)
def test_a_link_value_comes_from_the_own_link_service(address: str) -> None:
    """D68."""
    result = engine.compile(engine.check("{{ campaign.link }}", kinds(), where=PLACE))
    assert engine.render(result, {"campaign.link": "https://example.com/l/k3Xz81Qa?c=a.b-c"})
    with pytest.raises(BadValue):
        engine.render(result, {"campaign.link": address})


def test_where_no_links_are_known_a_link_variable_is_refused() -> None:
    with pytest.raises(BadLink) as caught:
        engine.check("{{ campaign.link }}", kinds())
    assert caught.value.variable == "campaign.link"


@pytest.mark.parametrize(
    "source", ["\x00", "{\x00{ customer.delete() }}", "\ud800{{ x.y() }}", "{{ \u202ecustomer.name() }}"]
)
def test_hidden_characters_do_not_hide_a_template(source: str) -> None:
    try:
        result = engine.compile(engine.check(f"{source}x", kinds()))
    except UnsavableTemplate:
        return
    assert engine.render(result, samples()) == "x"
