"""Text that people typed, made fit to stand in a message: cleaned, harmless, and cut without breaking a character people see."""

import re
import unicodedata

# Control characters but tab and newline; marks that turn the direction of the text after them; halves of surrogate pairs;
# two code points XML cannot carry. U+200D stays: it holds emoji together.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_NEWLINE = re.compile("\r\n?|\u2028|\u2029")
_SPACES = re.compile(r"\s+")
_TAG = re.compile(r"<(?=[\s/]*(?:[A-Za-z!?]|$))")
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing: Hangul fillers and the blank Braille pattern."""

_ZERO_WIDTH_JOINER = "\u200d"
_ELLIPSIS = "…"


def clean(text: str) -> str:
    """The text without control characters and direction overrides, with `\\n` for every kind of line end."""
    return _UNWANTED.sub("", _NEWLINE.sub("\n", text))


def harmless(text: str) -> str:
    """The text with `＜` where `<` could begin a tag: WeCom and WeChat turn `<a href=...>` in a text message into a link.

    A `<` at the very end counts as well, since what is printed after it could complete a tag.
    """
    return _TAG.sub("＜", text)


def one_line(text: str) -> str:
    """The text on one line, so that a name cannot pretend to be a line of ours."""
    return _SPACES.sub(" ", text).strip()


def is_blank(text: str) -> bool:
    """Whether nobody would see anything: only spaces, controls, joiners, fillers, lone combining marks."""
    return all(char in _FILLERS or unicodedata.category(char)[0] in "CZM" for char in text)


def cut(text: str, limit: int) -> str:
    """At most `limit` (>= 1) code points; a longer text ends in `…`. Emoji, flags and accents are kept whole or left out.

    Only where the first visible character alone is longer than the limit is it broken.
    """
    if len(text) <= limit:
        return text
    end = limit - 1
    while end > 0 and _belongs_together(text, end):
        end -= 1
    return text[: end or limit - 1].rstrip() + _ELLIPSIS


def _belongs_together(text: str, at: int) -> bool:
    """Whether the code points before and after position `at` form one visible character."""
    char = text[at]
    if _extends(char) or text[at - 1] == _ZERO_WIDTH_JOINER:
        return True
    return _is_flag_letter(char) and _flag_letters_before(text, at) % 2 == 1


def _extends(char: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    is_tag = "\U000e0020" <= char <= "\U000e007f"
    return char == _ZERO_WIDTH_JOINER or is_skin_tone or is_tag or unicodedata.category(char)[0] == "M"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _is_flag_letter(text[start - 1]):
        start -= 1
    return at - start
