"""Short codes: `#A17` names one customer of one advisor, for ever.

Read in any case and width, at the start of a message only. Look-alikes in a customer's text are made harmless.
"""

import re
import unicodedata
from dataclasses import dataclass

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_FIRST_NUMBER = 10
_READ_CHARS = 64
_TYPED = re.compile(r"\s*#\s?([A-Z][0-9]{2,6})(?![A-Z0-9])[\s:,.、。]*", re.IGNORECASE)
_UNCLEAR = re.compile(r"\s*#\s*[A-Z]?\s*[0-9]", re.IGNORECASE)
_SIGNS = frozenset("#＃﹟♯⌗")
_UNSEEN = "\u200b"
# Greek and Cyrillic have capitals that look like ours.
_LOOKALIKE = re.compile(rf"#(?=[\s{_UNSEEN}]*[A-Za-z\u00c0-\u052f][\s{_UNSEEN}]*\d[\s{_UNSEEN}]*\d)")


def code_of(number: int) -> str:
    """The code of an advisor's `number`-th customer, from 0: A10, B10 ... Z10, A11 ... without I and O."""
    return f"{_LETTERS[number % len(_LETTERS)]}{_FIRST_NUMBER + number // len(_LETTERS)}"


@dataclass(frozen=True, slots=True)
class Typed:
    """A message with the code it began with, upper case; `code` is empty where there was none.

    `unclear`: it begins like a code (`#A17ok`, `#17`), and cannot be read as one.
    """

    code: str
    rest: str
    unclear: bool = False


def read_code(text: str) -> Typed:
    """Split a leading `#A17` off a message. The rest keeps the width and case it was typed in."""
    start = len(text) - len(text.lstrip())
    # Keyboards slip invisible characters in; a code with one of them is still a code.
    seen = [at for at in range(start, min(start + _READ_CHARS, len(text))) if not _is_unseen(text[at])]
    head = "".join(_narrow(text[at]) for at in seen)
    found = _TYPED.match(head)
    if found:
        return Typed(found.group(1).upper(), text[seen[found.end() - 1] + 1 :])
    return Typed("", text, unclear=bool(_UNCLEAR.match(head)))


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) == "Cf"


def _narrow(char: str) -> str:
    # One character stays one character, so that positions in the narrowed text are positions in the typed one.
    narrow = unicodedata.normalize("NFKC", char)
    return narrow if len(narrow) == 1 else char


def neutralise(text: str) -> str:
    """A customer's text in which nothing looks like one of our codes: `#A17` becomes `№A17`."""
    if _SIGNS.isdisjoint(text):
        return text
    faked = {found.start() for found in _LOOKALIKE.finditer("".join(_plainly(char) for char in text))}
    return "".join("№" if at in faked else char for at, char in enumerate(text))


def _plainly(char: str) -> str:
    if char in _SIGNS:
        return "#"
    return _UNSEEN if _is_unseen(char) else _narrow(char)
