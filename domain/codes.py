"""Short codes: `#A17` names one customer of one advisor, for ever.

Read in any case and width, at the start of a message only. Look-alikes in a customer's text are made harmless.
"""

import re
import unicodedata
from dataclasses import dataclass

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_FIRST_NUMBER = 10
_TYPED = re.compile(r"\s*#\s?([A-Z][0-9]{2,6})(?![A-Z0-9])[\s:,.、。]*", re.IGNORECASE)
_LOOKALIKE = re.compile(r"[#＃﹟]\s?(?=[A-Za-zＡ-Ｚａ-ｚ][0-9０-９]{2,6})")


def code_of(number: int) -> str:
    """The code of an advisor's `number`-th customer, from 0: A10, B10 ... Z10, A11 ... without I and O."""
    return f"{_LETTERS[number % len(_LETTERS)]}{_FIRST_NUMBER + number // len(_LETTERS)}"


@dataclass(frozen=True, slots=True)
class Typed:
    """A message with the code it began with, upper case; `code` is empty where there was none."""

    code: str
    rest: str


def read_code(text: str) -> Typed:
    """Split a leading `#A17` off a message. The rest keeps the width and case it was typed in."""
    found = _TYPED.match("".join(_narrow(char) for char in text[:32]))
    if not found:
        return Typed("", text)
    return Typed(found.group(1).upper(), text[found.end() :])


def _narrow(char: str) -> str:
    # One character stays one character, so that positions in the narrowed text are positions in the typed one.
    narrow = unicodedata.normalize("NFKC", char)
    return narrow if len(narrow) == 1 else char


def neutralise(text: str) -> str:
    """A customer's text in which nothing looks like one of our codes: `#A17` becomes `№A17`."""
    return _LOOKALIKE.sub("№", text)
