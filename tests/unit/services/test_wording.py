"""What a template may say when it is saved, and what a person gets of it: always with a sender and a way to refuse."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from domain.ids import AdvisorId, BrandId, MediaId, ShopId
from domain.messages import Content, Link, MiniProgram, Text
from domain.people import Advisor, Brand, Shop
from services.problems import InvalidDraft
from services.wording import check_body, prepare
from templates.errors import MissingValue, TextTooLong
from templates.variables import Value

THUMB = "0" * 31 + "a"
LINK = {"kind": "link", "title": "新茶到店", "url": "https://example.com/new"}
MINI = {
    "kind": "mini_program",
    "title": "新茶到店",
    "app_id": "wx1234567890",
    "path": "pages/new?from=push",
    "thumb": THUMB,
}
KNOWN: Mapping[str, Value] = {
    "customer.name": "王女士",
    "advisor.name": "小兰",
    "shop.name": "静安店",
    "brand.name": "林间茶",
}


def brand(language: str = "zh-CN") -> Brand:
    return Brand(BrandId("b"), "林间茶", "Asia/Shanghai", language)


def advisor(name: str = "小兰") -> Advisor:
    shop = Shop(ShopId("s"), "jingan", "静安店")
    return Advisor(AdvisorId("a"), "lan", name, shop, active=True, work_account=None, work_id="")


def written(body: Mapping[str, str], language: str = "zh-CN", text_bytes: int = 2000, by: str = "小兰") -> Content:
    return prepare(body, brand(language), text_bytes, "新茶").write(KNOWN, advisor(by))


def problems_of(body: Mapping[str, str]) -> list[str]:
    with pytest.raises(InvalidDraft) as caught:
        check_body(body, "新茶")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "body", [{"kind": "text", "text": "{{ customer.name }}您好"}, LINK, {**LINK, "description": "来坐坐"}, MINI]
)
def test_sound_bodies_may_be_saved(body: Mapping[str, str]) -> None:
    check_body(body, "新茶")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"kind": "txt"}, ['kind: no kind "txt"; did you mean "text"?']),
        ({}, ['kind: no kind ""; there are text, link, mini_program']),
        ({"kind": "text"}, ["text: a text template needs it"]),
        (
            {"kind": "text", "text": "", "url": "https://example.com"},
            ["url: a text template has no such field", "text: a text template needs it"],
        ),
        ({**LINK, "pictureurl": "x"}, ['pictureurl: a link template has no such field; did you mean "picture_url"?']),
        ({**LINK, "url": "example.com"}, ['url: "example.com" is not an address']),
        (
            {**LINK, "url": "https://example.com/{{ customer.name }}"},
            ['url: "https://example.com/{{ customer.name }}" is not an address'],
        ),
        ({**LINK, "url": "javascript:alert(1)"}, ["is not an address"]),
        ({**LINK, "url": "https://example.com/" + "a" * 2048}, ["url: 2068 bytes, at most 2048 fit"]),
        ({**MINI, "app_id": "1234"}, ['app_id: "1234" is not the app id of a mini program']),
        ({**MINI, "thumb": "picture.png"}, ['thumb: "picture.png" is not the id of a picture of ours']),
        ({"kind": "text", "text": "{{ customer.nam }}"}, ["customer.nam”. Did you mean customer.name?"]),
        ({**LINK, "title": "{{ customer.nam }}", "url": "x"}, ["title: ", "url: "]),
        ({"kind": "text", "text": "{% for a in b %}{% endfor %}"}, ["text: "]),
    ],
)
def test_wrong_bodies_are_refused_with_every_field_at_fault(body: Mapping[str, str], told: list[str]) -> None:
    found = problems_of(body)
    assert len(found) == len(told)
    for problem, part in zip(found, told, strict=True):
        assert part in problem


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("新茶到了", "新茶到了\n林间茶 · 回复TD退订"),
        ("{{ shop.name }}新茶到了", "静安店新茶到了\n回复TD退订"),
        ("我是{{ advisor.name }}，新茶到了", "我是小兰，新茶到了\n回复TD退订"),
        ("新茶到了，退订回T", "新茶到了，退订回T\n林间茶"),
        ("林间茶新茶到了，退订回T", "林间茶新茶到了，退订回T"),
        ("{% if customer.level %}林间茶，回复TD退订{% endif %}新茶", "新茶\n林间茶 · 回复TD退订"),
    ],
)
def test_a_text_names_its_sender_and_the_way_to_refuse(source: str, expected: str) -> None:
    assert written({"kind": "text", "text": source}) == Text(expected)


def test_the_way_to_refuse_is_told_in_the_brands_language() -> None:
    assert written({"kind": "text", "text": "New tea, 林间茶"}, "en") == Text(
        "New tea, 林间茶\nReply TD to unsubscribe"
    )


def test_a_link_says_it_in_its_description_and_a_mini_program_in_its_title() -> None:
    assert written(LINK) == Link("新茶到店", "https://example.com/new", "林间茶 · 回复TD退订")
    with_more = {**LINK, "description": "{{ shop.name }}有售", "picture_url": "https://example.com/p.jpg"}
    assert written(with_more) == Link(
        "新茶到店", "https://example.com/new", "静安店有售\n回复TD退订", "https://example.com/p.jpg"
    )
    mini = MiniProgram("新茶到店 · 林间茶 · 回复TD退订", "wx1234567890", "pages/new?from=push", MediaId(THUMB))
    assert written(MINI) == mini


def test_what_was_added_counts_against_the_room_and_so_does_the_signature() -> None:
    added, signature = len("\n林间茶 · 回复TD退订".encode()), len("【小兰】\n".encode())
    fits = {"kind": "text", "text": "a" * (200 - added - signature)}
    assert isinstance(written(fits, text_bytes=200), Text)
    with pytest.raises(TextTooLong):
        written({"kind": "text", "text": fits["text"] + "a"}, text_bytes=200)
    with pytest.raises(TextTooLong):
        written(fits, text_bytes=200, by="小兰兰")


def test_who_has_no_value_gets_nothing_rather_than_a_hole() -> None:
    wording = prepare({"kind": "text", "text": "{{ customer.level }}会员您好"}, brand(), 2000, "新茶")
    assert wording.variables == {"customer.level"}
    with pytest.raises(MissingValue):
        wording.write(KNOWN, advisor())


@pytest.mark.parametrize(
    "name", ["{{ brand.name }}", "%s", "]]>", "<a href='x'>点我</a>", "a" * 500, "👩‍👩‍👧" * 20, "\u202e反"]
)
def test_a_name_is_only_ever_a_name(name: str) -> None:
    wording = prepare({"kind": "text", "text": "{{ customer.name }}您好"}, brand(), 2000, "新茶")
    content = wording.write({**KNOWN, "customer.name": name}, advisor())
    assert isinstance(content, Text)
    assert "林间茶您好" not in content.text
    assert "<a" not in content.text
    assert "None" not in content.text
