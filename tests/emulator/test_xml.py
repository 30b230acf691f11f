"""The XML of the callbacks."""

from __future__ import annotations

import pytest

from emulator import xml


def test_text_is_cdata_numbers_are_bare_lists_repeat() -> None:
    built = xml.build({"Content": "你好", "CreateTime": 7, "Item": [{"A": 1}, {"A": 2}]})
    assert built == (
        "<xml><Content><![CDATA[你好]]></Content><CreateTime>7</CreateTime>"
        "<Item><A>1</A></Item><Item><A>2</A></Item></xml>"
    )


@pytest.mark.parametrize("text", ["]]>", "a]]>b]]>", "<xml>&amp;", "😀", "]]", "]]]]><![CDATA[>", ""])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert (xml.parse(xml.build({"Content": text}).encode())["Content"] or "") == text


def test_characters_xml_forbids_are_left_out() -> None:
    assert xml.parse(xml.build({"Content": "a\x00\x0b\ud800b"}).encode())["Content"] == "ab"


@pytest.mark.parametrize("name", ["a b", "<a>", "1a", ""])
def test_a_name_that_cannot_be_an_element_is_refused(name: str) -> None:
    with pytest.raises(xml.BadXml):
        xml.build({name: "x"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'"success"',
        b"{}",
        b"<xml>",
        b"<other/>",
        b"<xml>text</xml>",
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><A>&a;</A></xml>',
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(xml.BadXml):
        xml.parse(body)
