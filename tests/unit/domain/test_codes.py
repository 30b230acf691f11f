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
        ("#A17ok", "", "#A17ok"),
        ("A17 这款有货", "", "A17 这款有货"),
        ("看看 #A17", "", "看看 #A17"),
        ("#17 你好", "", "#17 你好"),
        ("", "", ""),
    ],
)
def test_a_code_is_read_at_the_start_only(text: str, code: str, rest: str) -> None:
    assert read_code(text) == Typed(code, rest)


@given(st.integers(0, 5_000), st.text(alphabet="你好，#Ａａ1７ \n", max_size=20))
def test_what_a_customer_writes_never_reads_as_a_code(number: int, tail: str) -> None:
    text = f"#{code_of(number)}{tail}"
    assert read_code(neutralise(text)).code == ""


@given(st.text(max_size=60))
def test_text_without_a_code_stays_as_it_is(text: str) -> None:
    typed = read_code(text)
    assert typed.code or typed.rest == text
    assert text.endswith(typed.rest)
