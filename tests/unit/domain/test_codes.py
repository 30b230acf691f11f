"""Short codes: unique for ever, read as people type them, never faked by a customer's text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.codes import Typed, code_of, neutralise, read_code


def test_codes_never_repeat() -> None:
    codes = [code_of(number) for number in range(10_000)]
    assert len(set(codes)) == len(codes)
    assert codes[0] == "A10"


@pytest.mark.parametrize(
    ("text", "code", "rest"),
    [
        ("#A17 你好", "A17", "你好"),
        ("#a17你好", "A17", "你好"),
        ("＃Ａ１７　你好", "A17", "你好"),
        ("  #A17: ok", "A17", "ok"),
        ("#A17，到货了", "A17", "到货了"),
        ("# A17 ok", "A17", "ok"),
        ("#A17", "A17", ""),
        ("#A100 ok", "A100", "ok"),
        ("\u200b#A17 ok", "A17", "ok"),
        ("#\u2060A\u200b17\ufeff ok", "A17", "ok"),
        (" " * 80 + "#A17 ok", "A17", "ok"),
        ("#A17 👩\u200d👩 ok", "A17", "👩\u200d👩 ok"),
        ("A17 这款有货", "", "A17 这款有货"),
        ("看看 #A17", "", "看看 #A17"),
        ("#新品 你好", "", "#新品 你好"),
        ("", "", ""),
    ],
)
def test_a_code_is_read_at_the_start_only(text: str, code: str, rest: str) -> None:
    assert read_code(text) == Typed(code, rest)


@pytest.mark.parametrize("text", ["#A17ok", "#17 你好", "＃ Ａ 17 你好", "#A1 你好", "#A1234567 你好", "\u200b#b10x"])
def test_what_begins_like_a_code_and_is_none_is_unclear(text: str) -> None:
    assert read_code(text) == Typed("", text, unclear=True)


@given(st.integers(0, 5_000), st.text(alphabet="你好，#Ａａ1７ \n", max_size=20))
def test_what_a_customer_writes_never_reads_as_a_code(number: int, tail: str) -> None:
    text = f"#{code_of(number)}{tail}"
    assert read_code(neutralise(text)).code == ""


@given(st.text(max_size=60))
def test_text_without_a_code_stays_as_it_is(text: str) -> None:
    typed = read_code(text)
    assert typed.code or typed.rest == text
    assert text.endswith(typed.rest)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("看 #A17", "看 №A17"),
        ("＃Ａ１７ ﹟a17 ♯B12", "№Ａ１７ №a17 №B12"),
        ("#\u200bA\u206017", "№\u200bA\u206017"),
        ("#А17 #Α17", "№А17 №Α17"),
        ("#Ⓐ①⑦ #𝐀𝟏𝟕", "№Ⓐ①⑦ №𝐀𝟏𝟕"),
        ("#双11 #A4 # 你好", "#双11 #A4 # 你好"),
    ],
    ids=["plain", "wide", "hidden", "other alphabets", "ornate", "no code"],
)
def test_whatever_looks_like_a_code_is_made_harmless(text: str, shown: str) -> None:
    assert neutralise(text) == shown


@given(st.text(alphabet="#＃♯ \u200b\u2060AaＡ①17１７ok", max_size=30), st.integers(0, 29))
def test_no_part_of_a_neutralised_text_reads_as_a_code(text: str, start: int) -> None:
    assert read_code(neutralise(text)[start:]).code == ""
