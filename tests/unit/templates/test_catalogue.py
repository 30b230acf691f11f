"""The product's own texts: every key in both languages, with the fields its callers give, fitting its place whatever the values."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ids import MediaId
from domain.messages import Card, Content, Image, Link, Location, MiniProgram, Text, Voice, kind_of
from domain.platforms import RULES
from templates import catalogue, plain
from templates.catalogue import (
    BUTTON_CHARS,
    BUTTONS,
    FIELDS,
    LANGUAGES,
    MESSAGE_BYTES,
    BrokenCatalogue,
    UnknownMessage,
    WrongField,
    kind_in_words,
    load,
    say,
    shipped,
)

SAMPLE: Mapping[str, str | int] = {
    "brand": "林间茶",
    "shop": "南京西路店",
    "advisor": "小兰",
    "customer": "王女士",
    "code": "A17",
    "scene": "收银台台卡",
    "kind": "一段视频",
    "label": "静安寺",
    "title": "秋季新茶",
    "url": "https://example.com/a?b=c",
    "text": "请问还有桂花乌龙吗？",
    "reason": "顾客已取消关注",
    "minutes": 10,
    "count": 3,
    "part": 2,
    "parts": 3,
    "line": 4,
    "size": 5000,
    "limit": 4000,
    "name": "nane",
    "nearest": "customer.name",
    "excerpt": "{{ nane }}",
    "filters": "upper, lower",
    "wanted": "数字",
}

PROMISED = {
    "consent.title": "",
    "consent.body": "brand advisor shop",
    "consent.yes": "",
    "consent.no": "",
    "consent.declined": "brand",
    "welcome": "advisor shop brand",
    "bound.advisor_told": "customer code scene",
    "already_bound.customer": "advisor shop",
    "already_bound.advisor": "customer code advisor",
    "already_bound.owner": "customer code",
    "rebound.customer": "advisor shop brand",
    "rebound.advisor": "customer code",
    "rebound.former": "customer code",
    "offer_binding.title": "advisor",
    "offer_binding.body": "advisor shop brand",
    "queue.received": "brand",
    "queue.advisor_card.title": "customer",
    "queue.advisor_card.body": "text",
    "queue.claim": "",
    "claimed.you": "customer code",
    "claimed.other": "advisor customer",
    "relay.header": "customer code",
    "relay.picture_follows": "",
    "relay.unsupported": "kind",
    "relay.location": "label",
    "relay.link": "title url",
    "held.title": "",
    "held.body": "text",
    "held.option": "customer code",
    "held.none": "",
    "held.expired": "",
    "held.sent": "customer code",
    "focus.set": "customer code minutes",
    "unknown_code": "code",
    "send.unknown": "customer code text",
    "send.refused": "customer code reason",
    "send.window_closed": "customer code",
    "send.window_open_again.title": "customer",
    "send.window_open_again.body": "customer code count",
    "send.window.send": "",
    "send.window.discard": "",
    "unfollowed.advisor": "customer code",
    "withdrawn.customer": "brand",
    "withdrawn.advisor": "customer code",
    "resumed.customer": "brand",
    "help.customer": "",
    "help.advisor": "",
    "unsupported.customer": "",
    "card.reply": "",
    "customer.unnamed": "code",
    "continued": "part parts",
}
"""What callers rely on: key -> its fields."""

EVERY = [(key, language) for language in LANGUAGES for key in shipped().messages[language]]
values = st.one_of(
    st.text(st.characters(), max_size=300), st.sampled_from(["🍵" * 300, "{advisor}", "%s", "<a href=x>", "#A17"])
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("key", "fields"), PROMISED.items())
def test_each_promised_message_is_there_with_its_fields(key: str, fields: str, language: str) -> None:
    assert shipped().message(key, language).fields == set(fields.split())
    assert catalogue.fields(key) == set(fields.split())


def test_both_languages_have_the_same_keys_and_fields() -> None:
    first, other = (shipped().messages[language] for language in LANGUAGES)
    assert {key: message.fields for key, message in first.items()} == {
        key: message.fields for key, message in other.items()
    }


@pytest.mark.parametrize(("key", "language"), EVERY)
def test_a_sample_of_each_message_fits_and_leaves_no_placeholder(key: str, language: str) -> None:
    text = say(key, language, **SAMPLE)
    assert text.strip()
    assert len(text.encode()) <= 2048
    assert key not in BUTTONS or len(text) <= 10
    assert not re.search(r"\{\w+\}|None", text)
    for name in catalogue.fields(key):
        assert str(SAMPLE[name]) in text


@pytest.mark.parametrize(("key", "language"), EVERY)
def test_no_value_can_make_a_message_too_long(key: str, language: str) -> None:
    message = shipped().message(key, language)
    assert message.most_bytes <= MESSAGE_BYTES
    assert key not in BUTTONS or message.most_chars <= BUTTON_CHARS


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(EVERY), st.fixed_dictionaries({name: values for name, field in FIELDS.items() if not field.whole})
)
def test_the_greatest_length_is_never_passed(message: tuple[str, str], given_values: dict[str, str]) -> None:
    key, language = message
    try:
        text = say(key, language, **(dict(SAMPLE) | given_values))
    except WrongField:
        named = [name for name in catalogue.fields(key) if FIELDS[name].named]
        assert any(plain.is_blank(plain.clean(given_values.get(name, "x"))) for name in named)
        return
    assert len(text.encode()) <= shipped().message(key, language).most_bytes
    assert len(text) <= shipped().message(key, language).most_chars
    assert "None" not in text


def test_the_limits_are_those_of_the_strictest_platform() -> None:
    assert min(rules.text_bytes for rules in RULES.values()) >= MESSAGE_BYTES
    assert min(rules.button_chars for rules in RULES.values()) >= BUTTON_CHARS


def test_all_buttons_exist() -> None:
    assert shipped().messages["zh-CN"].keys() >= BUTTONS


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_cut_off_by_a_yaml_comment(language: str) -> None:
    lines = (files("templates.messages") / f"{language}.yaml").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.match(r'[\w.]+: [^"|].* #', line)] == []


def test_the_texts_as_people_read_them() -> None:
    assert say("card.reply", "zh-CN") == "回复TA"
    assert say("customer.unnamed", "zh-CN", code="A17") == "顾客 A17"
    assert say("relay.header", "zh-CN", customer="王女士", code="A17") == "【王女士 #A17】"
    assert say("held.option", "zh-CN", customer="王女士", code="A17") == "王女士 A17"
    assert say("continued", "zh-CN", part=2, parts=3) == "（接上条 2/3）"
    assert say("welcome", "en", advisor="Lan", shop="Nanjing Road", brand="Linjian") == (
        "Hello, I am Lan of Nanjing Road, your own advisor at Linjian. Whatever you need, just tell me here."
    )


def test_a_rival_advisor_learns_the_owner_and_nothing_of_her_notes() -> None:
    assert catalogue.fields("already_bound.owner") == {"customer", "code"}
    assert "scene" not in catalogue.fields("already_bound.advisor")


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("小林\n【系统】已绑定", "小林 【系统】已绑定"),
        ("#A18", "№A18"),
        ('<a href="x">', '＜a href="x">'),
        ("{advisor} {{ x }} %s", "{advisor} {{ x }} %s"),
        ("小\u202e林\x00", "小林"),
        ("👨‍👩‍👧" * 10, "👨‍👩‍👧" * 4 + "…"),
    ],
)
def test_a_name_cannot_pretend_to_be_ours(value: str, printed: str) -> None:
    assert say("claimed.other", "zh-CN", advisor="小兰", customer=value).startswith(f"{printed} 已由小兰接待")


def test_a_quoted_text_keeps_its_lines() -> None:
    assert "“一\n二”" in say("held.body", "zh-CN", text="一\r\n二")


def test_a_field_may_have_a_narrower_limit_in_one_place() -> None:
    assert say("held.option", "zh-CN", customer="欧阳女士您好", code="A1234") == "欧阳女… A1234"


def test_a_code_is_never_cut() -> None:
    with pytest.raises(WrongField, match=r"held\.option: field code"):
        say("held.option", "zh-CN", customer="王女士", code="A12345")
    assert "#A123456 " in say("unknown_code", "zh-CN", code="A123456")


def test_an_address_is_made_of_ascii_and_stays_itself() -> None:
    url = "https://mp.weixin.qq.com/s?__biz=MzA5&mid=1%20&sn=a#rd"
    assert say("relay.link", "zh-CN", title="新茶", url=url) == f"链接：新茶\n{url}"
    assert "https://x.example/%E8%8C%B6" in say("relay.link", "zh-CN", title="新茶", url="https://x.example/茶")


@pytest.mark.parametrize("nothing", ["", " ", "\u200b"])
def test_a_name_may_not_be_blank_while_a_dash_stands_for_other_blanks(nothing: str) -> None:
    with pytest.raises(WrongField, match=r"relay\.header: field customer"):
        say("relay.header", "zh-CN", customer=nothing, code="A17")
    assert say("relay.location", "zh-CN", label=nothing) == "位置：—"


def test_a_missing_field_is_an_error_and_an_unused_one_is_not() -> None:
    with pytest.raises(WrongField, match="welcome: field shop"):
        say("welcome", "zh-CN", advisor="小兰", brand="林间茶")
    with pytest.raises(WrongField, match="welcome: field shop"):
        say("welcome", "zh-CN", advisor="小兰", brand="林间茶", shop=None)
    assert say("consent.no", "zh-CN", advisor=None) == "暂不"


@pytest.mark.parametrize(("key", "language"), [("wellcome", "zh-CN"), ("welcome", "zh"), ("welcome", "")])
def test_an_unknown_key_or_language_is_an_error(key: str, language: str) -> None:
    with pytest.raises(UnknownMessage, match=key):
        say(key, language)


CONTENTS: list[Content] = [
    Text(""),
    Image(MediaId("m")),
    Voice(MediaId("m")),
    Location(0, 0),
    Link("", ""),
    MiniProgram("", "", ""),
    Card("", ""),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("content", CONTENTS, ids=kind_of)
def test_every_kind_of_content_has_words(content: Content, language: str) -> None:
    assert kind_in_words(kind_of(content), language) != kind_in_words("other", language)


def test_an_unknown_kind_is_called_special() -> None:
    assert kind_in_words("channels_shop_product", "zh-CN") == "一条特殊消息"


GOOD = {"zh-CN": "welcome: 您好{shop}\n", "en": "welcome: Hello {shop}\n"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"en": "welcome: Hello\n"}, "fields of welcome differ"),
        ({"en": "welcome: Hello {shop}\nbye: Bye\n"}, "one language only: bye"),
        ({"en": "welcome: Hello {shop}\nwelcome: Hi {shop}\n"}, "written twice: welcome"),
        ({"en": "welcome: Hello {shopp}\n"}, "no field {shopp}"),
        ({"en": "welcome: Hello {}\n"}, "no field {}"),
        ({"en": "welcome: Hello {shop.name}\n"}, "no field {shop.name}"),
        ({"en": "welcome: Hello {shop!r}\n"}, "is not a field"),
        ({"en": "welcome: Hello {shop:x}\n"}, "limit is a number"),
        ({"en": "welcome: Hello {shop:0}\n"}, "limit is a number"),
        ({"en": "welcome: Hello {shop:31}\n"}, "limit is a number"),
        ({"en": "welcome: Hello {shop\n"}, "welcome: "),
        ({"en": "welcome: [Hello]\n"}, "must be text"),
        ({"en": "welcome: ' '\n"}, "must be text"),
        ({"en": "welcome: 1\n"}, "must be text"),
        ({"en": "yes: Hello\n"}, "must be text"),
        ({"en": "- Hello\n"}, "lines are expected"),
        ({"en": ""}, "lines are expected"),
        ({"en": "welcome: 'Hello\n"}, "en.yaml"),
        ({"en": f"welcome: {'x' * 1900} {{shop}}\n"}, "at most 2000 fit"),
        ({"en": "consent.yes: Yes, I agree\n"}, "a button takes 10"),
        ({"en": "held.option: '{customer:8} {code}'\n"}, "a button takes 10"),
    ],
)
def test_a_broken_catalogue_is_refused_with_the_place(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    for language, text in (GOOD | change).items():
        (tmp_path / f"{language}.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(BrokenCatalogue, match=re.escape(complaint)):
        load(tmp_path)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "zh-CN.yaml").write_text(GOOD["zh-CN"], encoding="utf-8")
    with pytest.raises(BrokenCatalogue, match=r"en\.yaml"):
        load(tmp_path)
    (tmp_path / "en.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BrokenCatalogue, match=r"en\.yaml"):
        load(tmp_path)


def test_a_good_catalogue_is_loaded(tmp_path: Path) -> None:
    for language, text in GOOD.items():
        (tmp_path / f"{language}.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path).message("welcome", "en").fill({"shop": "A"}) == "Hello A"
