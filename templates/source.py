"""A template's source before it is parsed: where the text will stand, which line is to blame, and what is too much to even parse."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from templates.errors import TooLarge

SOURCE_CHARS = 4000
TAGS = 100
"""The most `{{ }}` and `{% %}` in a template."""

TAG_WORDS = 40
"""The most words and signs in one tag."""

BRACKETS = 6
"""The most opening brackets in one tag."""

IF_DEPTH = 5
NUMBER_CHARS = 12

Token = tuple[int, str, str]
"""Line, kind and text, as jinja2's lexer gives them."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a text will stand: the template as people know it, what its channel takes, and the gateway's own link service.

    `max_bytes` counts UTF-8. `links_under` is the address all links begin with, such as `https://gw.example.com/l/`; empty: no
    links at all. Raises ValueError when it is not an address that ends in `/`, since a longer host could begin like a shorter one.
    """

    label: str = ""
    max_bytes: int = 2048
    links_under: str = ""

    def __post_init__(self) -> None:
        address = urlsplit(self.links_under)
        is_prefix = address.scheme in ("http", "https") and address.hostname and self.links_under.endswith("/")
        if self.links_under and not is_prefix:
            raise ValueError(f"links_under must be an http(s) address that ends in '/', not {self.links_under!r}")


@dataclass(frozen=True, slots=True)
class Source:
    """The cleaned text of a template, and where it will stand."""

    text: str
    where: Where

    def line(self, number: int) -> str:
        """A line of the source, from 1."""
        return self.text.split("\n")[number - 1]

    def place(self, line: int, word: str = "") -> dict[str, Any]:
        """What an error says of a line: label, line, column of `word`."""
        found = _whole(word).search(self.line(line)) if word else None
        return {"label": self.where.label, "line": line, "column": found.start() + 1 if found else None}

    def passage(self, line: int, word: str = "") -> dict[str, Any]:
        """What an error says of a line that it also quotes."""
        return {"excerpt": self.line(line), **self.place(line, word)}


def _whole(word: str) -> re.Pattern[str]:
    """Matches a name where it stands by itself (not the `in` of `points`), and a sign anywhere."""
    escaped = re.escape(word)
    return re.compile(rf"(?<![\w.]){escaped}(?![\w.])" if word[0].isalnum() else escaped)


@dataclass(frozen=True, slots=True)
class _Tag:
    """One `{{ }}` or `{% %}`: its words and signs, each with its kind."""

    line: int
    is_block: bool
    words: list[tuple[str, str]] = field(default_factory=list)

    @property
    def opens(self) -> int:
        """1 when it begins a block, -1 when it ends one, 0 otherwise."""
        if not self.is_block or not self.words:
            return 0
        word = self.words[0][1]
        if word.startswith("end"):
            return -1
        return 0 if word in ("else", "elif") else 1

    @property
    def is_simple(self) -> bool:
        brackets = sum(text in ("(", "[", "{") for kind, text in self.words if kind == "operator")
        return len(self.words) <= TAG_WORDS and brackets <= BRACKETS and all(map(_is_simple_word, self.words))


def _is_simple_word(word: tuple[str, str]) -> bool:
    kind, text = word
    if kind in ("integer", "float"):
        return len(text) <= NUMBER_CHARS
    return kind != "string" or "\\" not in text


def refuse_length(source: Source) -> None:
    """Raises TooLarge: the source is longer than SOURCE_CHARS."""
    size = len(source.text)
    if size > SOURCE_CHARS:
        raise TooLarge("template.source_too_long", label=source.where.label, size=size, limit=SOURCE_CHARS)


def refuse_tags(source: Source, tokens: Iterable[Token]) -> None:
    """Raises TooLarge: so many, long or nested tags that a parser could be exhausted. What passes is small for all that follows."""
    depth = 0
    for number, tag in enumerate(_tags(tokens), start=1):
        if number > TAGS:
            raise TooLarge("template.too_many_tags", limit=TAGS, **source.place(tag.line))
        depth += tag.opens
        if depth > IF_DEPTH or not tag.is_simple:
            raise TooLarge("template.too_complicated", **source.passage(tag.line))


def _tags(tokens: Iterable[Token]) -> Iterator[_Tag]:
    tag: _Tag | None = None
    for line, kind, text in tokens:
        if kind in ("variable_begin", "block_begin"):
            tag = _Tag(line, is_block=kind == "block_begin")
        elif tag and kind in ("variable_end", "block_end"):
            yield tag
        elif tag and kind in ("name", "operator", "string", "integer", "float"):
            tag.words.append((kind, text))
