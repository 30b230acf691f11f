"""Cutting texts: nothing lost, nothing over the limit, no grapheme torn, borders a reader would choose."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from services.text import size, split_text

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("", 10, [""]),
        ("short", 10, ["short"]),
        ("exactly 10", 10, ["exactly 10"]),
        ("你好。天气很好！", 24, ["你好。天气很好！"]),
        ("你好。天气很好！再见", 24, ["你好。天气很好！", "再见"]),
        ("first line\nsecond. x y", 16, ["first line\n", "second. x y"]),
        ("One two. Three four", 12, ["One two.", " Three four"]),
        ("他说：“好。”然后走了", 21, ["他说：“好。”", "然后走了"]),
        ("don't stop me now", 6, ["don't ", "stop ", "me now"]),
        (FAMILY * 3, 30, [FAMILY] * 3),
        ("价格3.14元整，谢谢", 19, ["价格3.14元整，", "谢谢"]),
        ("中中中中", 4, ["中"] * 4),
        ("ab" + FAMILY, 26, ["ab", FAMILY]),
    ],
)
def test_a_text_is_cut_where_a_reader_would_pause(text: str, limit: int, parts: list[str]) -> None:
    assert split_text(text, limit) == parts


def test_a_grapheme_larger_than_the_limit_is_cut_between_characters() -> None:
    zalgo = "a" + "\u0301" * 5000
    parts = split_text(zalgo, 2000)
    assert "".join(parts) == zalgo
    assert all(0 < size(part) <= 2000 for part in parts)


def test_a_limit_without_room_for_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        split_text("你好", 3)


@given(st.text(alphabet=st.sampled_from("aé中。！\n ，.”👍🏽👨\u200d👩\u0301\r\ud800")), st.integers(4, 60))
def test_nothing_is_lost_added_or_over_the_limit(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert "".join(parts) == text
    assert all(size(part) <= limit for part in parts)
    assert all(parts) or parts == [""]


@given(st.text(), st.integers(40, 80))
def test_no_grapheme_that_fits_is_torn(text: str, limit: int) -> None:
    borders = {found.end() for found in regex.finditer(r"\X", text)} | {0, len(text)}
    if max((size(g) for g in regex.findall(r"\X", text)), default=0) > limit:
        return
    position = 0
    for part in split_text(text, limit):
        position += len(part)
        assert position in borders
