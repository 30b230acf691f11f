"""Text that people typed, cleaned and cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates import plain

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("王女士", 3, "王女士"),
        ("王女士您好", 3, "王女…"),
        ("ab cd", 4, "ab…"),
        (f"a{FAMILY}b", 5, "a…"),
        (f"a{FAMILY}b", 9, f"a{FAMILY}b"),
        (f"a{FAMILY}bc", 9, f"a{FAMILY}…"),
        ("好👍🏽好好", 3, "好…"),
        ("好❤\ufe0f好好", 3, "好…"),
        ("ae\u0301e\u0301e", 3, "a…"),
        ("🇨🇳🇩🇪🇫🇷", 4, "🇨🇳…"),
        ("🇨🇳🇩🇪🇫🇷", 5, "🇨🇳🇩🇪…"),
        ("x🏴\U000e0067\U000e0062\U000e007fy", 4, "x…"),
        (f"{FAMILY}b", 4, "👨‍👩…"),
        ("e" + "\u0301" * 50, 10, "e" + "\u0301" * 8 + "…"),
        ("ab", 1, "…"),
    ],
)
def test_a_cut_keeps_what_people_see_as_one_character(text: str, limit: int, kept: str) -> None:
    assert plain.cut(text, limit) == kept


@settings(deadline=None)
@given(st.text(st.characters(), max_size=60), st.integers(1, 60))
def test_a_cut_is_never_longer_and_begins_alike(text: str, limit: int) -> None:
    kept = plain.cut(text, limit)
    assert len(kept) <= limit
    assert kept == text or text.startswith(kept.removesuffix("…"))


@pytest.mark.parametrize(
    "blank", ["", " \n\t", "\u3000", "\u200b", "\u200d\u200d", "\x00", "\u3164\u2800", "\u0301", "\ufeff"]
)
def test_what_nobody_sees_is_blank(blank: str) -> None:
    assert plain.is_blank(blank)


@pytest.mark.parametrize("text", ["0", ".", "…", "🍵", "\u200bx"])
def test_what_somebody_sees_is_not(text: str) -> None:
    assert not plain.is_blank(text)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_what_is_clean_can_be_sent_and_stays_clean(text: str) -> None:
    cleaned = plain.clean(text)
    assert cleaned.encode().decode() == cleaned
    assert not set(cleaned) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F)]))
    assert plain.clean(cleaned) == cleaned
    assert plain.harmless(plain.harmless(cleaned)) == plain.harmless(cleaned)
