"""What a template can say, and what a marketer is told when it cannot be saved or sent."""

import pytest
from jinja2 import nodes

from templates import engine
from templates.errors import (
    BadValue,
    EmptyText,
    Malformed,
    MissingValue,
    NotAllowed,
    TemplateError,
    TextTooLong,
    UnknownFilter,
    UnknownVariable,
    UnsavableTemplate,
    WrongKind,
)
from templates.source import Where
from templates.variables import Value, VariableKind, kinds, samples

PLACE = Where("七夕新品", 2048, "https://example.com/l/")
PERSON: dict[str, Value] = dict(samples())


def compiled(source: str, where: Where = PLACE) -> engine.Compiled:
    return engine.compile(engine.check(source, kinds(), where=where))


def said(source: str, **changes: Value) -> str:
    """The text for the sample person, with some values changed; `customer_name` stands for customer.name."""
    values = PERSON | {name.replace("_", ".", 1): value for name, value in changes.items()}
    return engine.render(compiled(source), values)


def refusal(source: str, where: Where = PLACE) -> UnsavableTemplate:
    with pytest.raises(UnsavableTemplate) as caught:
        engine.check(source, kinds(), where=where)
    return caught.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("您好", "您好"),
        ("{{ customer.name }}您好，我是{{ advisor.name }}", "王女士您好，我是小兰"),
        ("{{customer.points}}分", "1280分"),
        ("{{ customer.last_order_amount }}", "¥368.50"),
        ("{{ customer.birthday }}", "11月23日"),
        ("{{ customer.birthday|date('long') }}", "1990年11月23日"),
        ("{{ today|date('english') }} {{ today|date('iso') }}", "23 November 2026 2026-11-23"),
        ("{{ customer.last_order_amount|money('US$') }}", "US$368.50"),
        ("{{ customer.level|default('会员') }}", "金卡"),
        ("{{ shop.address|truncate(4) }}", "南京西…"),
        ("{{ 'vip'|upper }} {{ 'VIP'|lower }} {{ 'mary ann'|title }}", "VIP vip Mary Ann"),
        ("{{ customer.points|round }} {{ 2.5|round }} {{ 1.256|round(2) }}", "1280 3 1.26"),
        ("{{ customer.level or '会员' }}", "金卡"),
        ("{% if customer.points > 1000 %}多{% else %}少{% endif %}", "多"),
        ("{% if customer.points > 2000 %}多{% elif customer.points >= 1280 %}中{% endif %}", "中"),
        ("{% if not customer.level == '银卡' and today > customer.birthday %}是{% endif %}", "是"),
        ("{% if 100 < customer.last_order_amount < 368.51 %}以元比较{% endif %}", "以元比较"),
        ("{% if customer.level %}\n尊敬的会员\n{% endif %}\n您好", "尊敬的会员\n您好"),
        ("{# 备注 #}您好 <3", "您好 <3"),
        ('<a href="{{ campaign.link }}">看看</a>', '<a href="https://example.com/l/k3Xz81Qa">看看</a>'),
        ("点 {{ campaign.link }}", "点 https://example.com/l/k3Xz81Qa"),
    ],
)
def test_what_a_template_can_say(source: str, text: str) -> None:
    assert said(source) == text


@pytest.mark.parametrize("nothing", [None, "", "  \n", "\u200b\u200d", "\u3164"])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ customer.name|default('亲') }}", "亲"),
        ("{{ customer.name|upper|truncate(3)|default('亲') }}", "亲"),
        ("{{ customer.name or advisor.name }}", "小兰"),
        ("{% if customer.name %}有{% else %}没有{% endif %}", "没有"),
        ("{% if customer.name == '王女士' %}是{% else %}不是{% endif %}", "不是"),
        ("{% if customer.name == '' %}空{% endif %}", "空"),
    ],
)
def test_a_missing_value_takes_the_default_or_the_other_branch(nothing: Value, source: str, text: str) -> None:
    assert said(source, customer_name=nothing) == text


@pytest.mark.parametrize("nothing", [None, "", " ", "\u200b", "\x00"])
@pytest.mark.parametrize(
    "source",
    ["亲爱的{{ customer.name }}", "{{ customer.name|upper }}", "{{ customer.name or customer.name }}"],
)
def test_a_missing_value_without_default_skips_the_person(nothing: Value, source: str) -> None:
    with pytest.raises(MissingValue) as caught:
        said(source, customer_name=nothing)
    assert caught.value.variable == "customer.name"
    assert caught.value.message == "缺少“customer.name”的值。"
    assert caught.value.words("en") == "There is no value for “customer.name”."


def test_a_value_that_is_not_given_at_all_is_missing() -> None:
    with pytest.raises(MissingValue):
        engine.render(compiled("{{ customer.name }}"), {})


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_an_order_cannot_be_decided_without_a_value(sign: str) -> None:
    for source in (
        f"{{% if customer.points {sign} 5 %}}x{{% endif %}}",
        f"{{% if 5 {sign} customer.points %}}x{{% endif %}}",
    ):
        with pytest.raises(MissingValue) as caught:
            said(source, customer_points=None)
        assert caught.value.variable == "customer.points"


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        (0, "0"),
        (-5, "-5"),
        (2.0, "2"),
        (2.50, "2.5"),
        (1 / 3, "0.3333"),
        (-0.00001, "0"),
        (1e14, "100000000000000"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_are_printed_as_people_write_them(points: float, shown: str) -> None:
    assert said("{{ customer.points }}", customer_points=points) == shown


@pytest.mark.parametrize(
    ("fen", "shown"), [(0, "¥0"), (5, "¥0.05"), (100, "¥1"), (123456789, "¥1,234,567.89"), (-5000, "-¥50")]
)
def test_money_is_printed_in_yuan(fen: int, shown: str) -> None:
    assert said("{{ customer.last_order_amount }}", customer_last_order_amount=fen) == shown


def test_a_missing_value_that_is_not_used_does_no_harm() -> None:
    assert (
        said("您好{% if customer.points %}{{ customer.name }}{% endif %}", customer_points=0, customer_name=None)
        == "您好"
    )


class Shouting(str):
    """A string with a mind of its own."""

    def __str__(self) -> str:
        return "!"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer.name", 5),
        ("customer.name", ["王女士"]),
        ("customer.name", Shouting("王女士")),
        ("customer.name", "王" * 501),
        ("customer.points", True),
        ("customer.points", "1280"),
        ("customer.points", float("nan")),
        ("customer.points", float("inf")),
        ("customer.points", 10**15),
        ("customer.points", 1e15),
        ("customer.last_order_amount", 368.5),
        ("customer.last_order_amount", -(10**15)),
        ("today", "23.11.2026"),
        ("today", "2026-02-30"),
        ("today", "2026-11-23T00:00"),
        ("today", "20261123"),
        ("today", "2026-W47-1"),
        ("today", "２０２６-11-23"),
        ("today", 20261123),
    ],
)
def test_a_value_of_another_kind_skips_the_person(name: str, value: Value) -> None:
    with pytest.raises(BadValue) as caught:
        engine.render(compiled(f"{{{{ {name} }}}}"), PERSON | {name: value})
    assert caught.value.variable == name
    assert "应是" in caught.value.message
    assert caught.value.words("en").endswith(" is expected.")


def test_the_reason_says_what_is_wanted_and_never_repeats_the_value() -> None:
    with pytest.raises(BadValue) as caught:
        said("{{ today }}", today="1990 secret")
    assert caught.value.message == "“today”的值不对：应是形如 2026-11-23 的日期。"
    assert caught.value.words("en") == "The value of “today” is wrong: a date like 2026-11-23 is expected."


def test_nothing_to_send_skips_the_person() -> None:
    with pytest.raises(EmptyText):
        said("{% if customer.level == '银卡' %}只给银卡{% endif %}")


@pytest.mark.parametrize(
    ("source", "error", "line", "column", "variable"),
    [
        ("您好\n{{ nane }}", UnknownVariable, 2, 4, "nane"),
        ("{{ customer.nmae }}", UnknownVariable, 1, 4, "customer.nmae"),
        ("{{ customer.name }}{{ name }}", UnknownVariable, 1, 23, "name"),
        ("{{ today }}{{ to }}", UnknownVariable, 1, 15, "to"),
        ("\n\n{{ customer.name|uper }}", UnknownFilter, 3, 18, None),
        ("{{ customer.name", Malformed, 1, None, None),
        ("{{ }}", Malformed, 1, None, None),
        ("{% if customer.name %}您好", Malformed, 1, None, None),
        ("{% endif %}", Malformed, 1, None, None),
        ("您好\n{customer.name}", Malformed, 2, 1, None),
        ("｛｛customer.name｝｝", Malformed, 1, 1, None),
        ("您好 customer.name }}", Malformed, 1, 18, None),
        ("{% raw %}{{{% endraw %}", Malformed, 1, 10, None),
        ("{{ customer.name + 'x' }}", NotAllowed, 1, None, None),
        ("{{ 'a' if customer.name else 'b' }}", NotAllowed, 1, None, None),
        ("{{ customer.name is defined }}", NotAllowed, 1, None, None),
        ("{{ none }}", NotAllowed, 1, None, None),
        ("{{ true }}", NotAllowed, 1, None, None),
        ("{{ customer.points > 5 }}", WrongKind, 1, None, None),
        ("{{ not customer.name }}", WrongKind, 1, None, None),
        ("{{ customer.name or customer.points }}", WrongKind, 1, None, None),
        ("{{ (customer.points > 5)|upper }}", WrongKind, 1, 26, None),
        ("{{ customer.name|money }}", WrongKind, 1, 18, None),
        ("{{ customer.points|date }}", WrongKind, 1, 20, None),
        ("{{ customer.points|money }}", WrongKind, 1, 20, None),
        ("{{ customer.name|default }}", WrongKind, 1, 18, None),
        ("{{ customer.name|upper(1) }}", WrongKind, 1, 18, None),
        ("{{ customer.name|truncate(0) }}", WrongKind, 1, 18, None),
        ("{{ customer.name|truncate(501) }}", WrongKind, 1, 18, None),
        ("{{ customer.name|truncate('5') }}", WrongKind, 1, 18, None),
        ("{{ customer.points|round(5) }}", WrongKind, 1, 20, None),
        ("{{ today|date('d.m.Y') }}", WrongKind, 1, 10, None),
        ("{{ customer.last_order_amount|money('roubles') }}", WrongKind, 1, 31, None),
        ("{{ campaign.link|default('https://evil.example') }}", WrongKind, 1, 18, None),
        ("{{ customer.name|truncate(5, true) }}", NotAllowed, 1, None, None),
        ("{{ customer.name|truncate(length=5) }}", NotAllowed, 1, None, None),
        ("{{ customer.name|default(advisor.name) }}", NotAllowed, 1, None, None),
        ("{% if customer.points > 'x' %}x{% endif %}", WrongKind, 1, 23, None),
        ("{% if customer.name > 'x' %}x{% endif %}", WrongKind, 1, 21, None),
        ("{% if customer.name == 5 %}x{% endif %}", WrongKind, 1, 21, None),
        ("{% if today > '2026-01-01' %}x{% endif %}", WrongKind, 1, 13, None),
        ("{% if customer.name in 'x' %}x{% endif %}", WrongKind, 1, 21, None),
        ("{% if customer.points in 5 %}x{% endif %}", WrongKind, 1, 23, None),
        ("\n{% autoescape true %}x{% endautoescape %}", NotAllowed, 2, None, None),
        ("{% if 1e99 > customer.points %}x{% endif %}", NotAllowed, 1, None, None),
        ("{% if 1e999 > customer.points %}x{% endif %}", NotAllowed, 1, None, None),
    ],
)
def test_a_refused_template_names_its_place(
    source: str, error: type[TemplateError], line: int, column: int | None, variable: str | None
) -> None:
    refused = refusal(source)
    assert (type(refused), refused.line, refused.column, refused.variable) == (error, line, column, variable)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("nane", "customer.name"),
        ("customer.nane", "customer.name"),
        ("ADVISOR.NAME", "advisor.name"),
        ("shop.nam", "shop.name"),
        ("customer.point", "customer.points"),
        ("customer.name.upper", "customer.name"),
        ("link", "campaign.link"),
        ("qwertz", ""),
    ],
)
def test_a_misspelt_variable_is_answered_with_the_nearest_valid_one(written: str, meant: str) -> None:
    refused = refusal(f"{{{{ {written} }}}}")
    assert isinstance(refused, UnknownVariable)
    assert (refused.variable, refused.nearest) == (written, meant)
    assert meant in refused.message


def test_the_message_says_which_template_which_line_and_what_to_do() -> None:
    refused = refusal("您好\n{{ nane }}")
    assert refused.message == "「七夕新品」第 2 行：没有“nane”这个变量。是不是想写 customer.name？"
    assert refused.words("en") == "“七夕新品” line 2: There is no variable “nane”. Did you mean customer.name?"
    assert refused.field == "nane"


def test_a_message_about_braces_shows_braces() -> None:
    assert "{{ 和 }}" in refusal("{{ ").message
    assert "{% endif %}" in refusal("{% if customer.name %}").words("en")


def test_checking_tells_the_variables_a_template_uses() -> None:
    checked = engine.check("{{ customer.name|default('亲') }}{% if customer.points > 5 %}{% endif %}", kinds())
    assert checked.variables == {"customer.name": VariableKind.TEXT, "customer.points": VariableKind.NUMBER}


def test_an_edit_changes_the_fingerprint_and_leaves_what_was_compiled() -> None:
    """D69: an approval names the fingerprint; a running campaign keeps its version."""
    first = compiled("{{ customer.name }}，新品到店")
    edited = engine.check("{{ customer.name }}，新品已到店", kinds(), where=PLACE)
    assert edited.fingerprint != first.checked.fingerprint
    assert engine.check(first.checked.source, kinds()).fingerprint == first.checked.fingerprint
    assert engine.render(first, PERSON) == "王女士，新品到店"


@pytest.mark.parametrize("filler", ["a", "é", "茶", "🍵"])
def test_the_limit_counts_bytes(filler: str) -> None:
    """D70: 2,047, 2,048 and 2,049 bytes, with characters of one to four bytes; the preview shows the same count."""
    width = len(filler.encode())
    room = 2048 - len("茶".encode())
    fits = filler * (room // width) + "a" * (room % width) + "{{ customer.name }}"
    assert engine.preview(compiled(fits), PERSON | {"customer.name": "茶"}).used_bytes == 2048
    assert engine.preview(compiled(fits), PERSON | {"customer.name": "é"}).used_bytes == 2047
    with pytest.raises(TextTooLong) as caught:
        engine.render(compiled(fits), PERSON | {"customer.name": "🍵"})
    assert (caught.value.size, caught.value.limit) == (2049, 2048)


def test_nothing_is_computed_while_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """jinja2 folds constants by asking nodes for `as_const`; a template of constants alone must not be asked."""
    checked = engine.check(
        "{{ 'a'|upper|truncate(5) }}{% if 1 < 2 and not 3 == 4 %}{{ 'b' or 'c' }}{% endif %}{{ 5|round(2) }}", kinds()
    )

    asked: list[nodes.Expr] = []

    def as_const(node: nodes.Expr, *_: object) -> object:
        asked.append(node)
        raise nodes.Impossible

    for kind in (
        nodes.Filter,
        nodes.Compare,
        nodes.And,
        nodes.Or,
        nodes.Not,
        nodes.BinExpr,
        nodes.UnaryExpr,
    ):
        monkeypatch.setattr(kind, "as_const", as_const)
    result = engine.compile(checked)
    assert asked == []
    monkeypatch.undo()
    assert engine.render(result, {}) == "Ab5"


def test_no_name_of_python_or_jinja_is_left_in_what_is_compiled() -> None:
    result = compiled("{{ customer.name }}{% if shop.name == '店' %}{{ customer.points|round }}{% endif %}")
    assert list(result.checked.tree.find_all(nodes.Getattr)) == []
    assert not result.template.globals
    assert not result.template.environment.tests
    assert result.template.environment.sandboxed


def test_a_template_is_compiled_once_and_rendered_for_many() -> None:
    result = compiled("{{ customer.name }}")
    assert [engine.render(result, {"customer.name": name}) for name in ("甲", "乙")] == ["甲", "乙"]


@pytest.mark.parametrize(
    "address", ["example.com/l/", "https://example.com", "ftp://example.com/", "https:///l/", "javascript:/"]
)
def test_links_must_lie_under_an_address_that_ends_in_a_slash(address: str) -> None:
    with pytest.raises(ValueError, match="links_under"):
        Where(links_under=address)
