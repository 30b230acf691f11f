"""The catalogue: what the product itself says to customers, advisors and marketers, in each language.

    CatalogueError        a mistake of ours, never of the person who reads
    ├── BrokenCatalogue   a file of the catalogue is wrong; found by the tests, before it can be shipped
    ├── UnknownMessage    no such key or language
    └── WrongField        a field is missing, blank where it must not be, or longer than it can ever be

Each field has a limit, so each message has a greatest length, and loading refuses a message that might not fit its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Formatter
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import yaml

from domain.codes import neutralise
from templates import plain

LANGUAGES = ("zh-CN", "en")

MESSAGE_BYTES = 2000
"""The longest message, UTF-8: where the strictest platform's texts are cut (domain/platforms)."""

BUTTON_CHARS = 10
"""The longest text of a button: `button_list` of https://developer.work.weixin.qq.com/document/path/90236"""

BUTTONS = frozenset(
    {
        "consent.yes",
        "consent.no",
        "card.reply",
        "card.done",
        "queue.claim",
        "held.option",
        "send.window.send",
        "send.window.discard",
    }
)
"""The messages that stand on a button."""


class CatalogueError(Exception):
    """The catalogue, or a call of it, is wrong."""


class BrokenCatalogue(CatalogueError):
    """A file of the catalogue cannot be used."""


class UnknownMessage(CatalogueError):
    """There is no message with this key, or no such language."""


class WrongField(CatalogueError):
    """A field of a message is missing, blank or too long."""


@dataclass(frozen=True, slots=True)
class Field:
    """What may stand in a field: at most `chars` characters, more is cut and ends in `…`.

    `whole`: never cut, an error instead. `named`: may not be blank; otherwise a dash stands for nothing.
    `lines`: keeps its line ends. `ascii`: an address, whose other characters are percent-encoded.
    """

    chars: int
    whole: bool = False
    named: bool = False
    lines: bool = False
    ascii: bool = False

    def fill(self, value: str) -> str | None:
        """The value as it is printed, or None when it cannot be."""
        text = plain.clean(value)
        text = text if self.lines else plain.one_line(text)
        if plain.is_blank(text):
            return None if self.named else "—"
        if self.ascii:
            text = quote(text, safe="!#$%&'()*+,-./:;=?@_~[]")
        if self.whole:
            return text if len(text) <= self.chars else None
        return plain.cut(neutralise(plain.harmless(text)), self.chars)

    @property
    def most_bytes(self) -> int:
        return self.chars + len("…".encode()) if self.ascii else self.chars * 4


FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "brand": Field(24, named=True),
        "shop": Field(30, named=True),
        "advisor": Field(16, named=True),
        "customer": Field(24, named=True),
        "code": Field(7, whole=True, named=True),
        "scene": Field(40),
        "kind": Field(20),
        "label": Field(60),
        "title": Field(60),
        "url": Field(1024, ascii=True),
        "text": Field(100, lines=True),
        "reason": Field(100),
        "minutes": Field(6, whole=True, named=True),
        "count": Field(9, whole=True, named=True),
        "part": Field(6, whole=True, named=True),
        "parts": Field(6, whole=True, named=True),
        "line": Field(6, whole=True, named=True),
        "size": Field(12, whole=True, named=True),
        "limit": Field(12, whole=True, named=True),
        "name": Field(60),
        "nearest": Field(60),
        "excerpt": Field(60),
        "filters": Field(120),
        "wanted": Field(60),
    }
)
"""The vocabulary of fields; a message uses no others."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A field in a message, with the limit it has there."""

    name: str
    field: Field


@dataclass(frozen=True, slots=True)
class Message:
    """One text in one language: literal parts and slots, in order."""

    key: str
    parts: tuple[str | Slot, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Slot))

    @property
    def most_chars(self) -> int:
        return sum(len(part) if isinstance(part, str) else part.field.chars for part in self.parts)

    @property
    def most_bytes(self) -> int:
        return sum(len(part.encode()) if isinstance(part, str) else part.field.most_bytes for part in self.parts)

    def fill(self, values: Mapping[str, str | int | None]) -> str:
        """The text with its fields filled in. Raises WrongField."""
        return "".join(part if isinstance(part, str) else self._value(part, values) for part in self.parts)

    def _value(self, slot: Slot, values: Mapping[str, str | int | None]) -> str:
        value = values.get(slot.name)
        filled = None if value is None else slot.field.fill(str(value))
        if filled is None:
            raise WrongField(
                f"message {self.key}: field {slot.name} is missing, blank or longer than {slot.field.chars}"
            )
        return filled


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All messages: language -> key -> message."""

    messages: Mapping[str, Mapping[str, Message]]

    def message(self, key: str, language: str) -> Message:
        """Raises UnknownMessage."""
        try:
            return self.messages[language][key]
        except KeyError:
            raise UnknownMessage(f"there is no message {key} in {language}") from None


def say(key: str, language: str, /, **values: str | int | None) -> str:
    """The product's own text `key` in `language` ("zh-CN" or "en"), with its fields filled in.

    Values are cleaned, made harmless (no links, nothing that looks like one of our codes) and cut to their field's limit; values
    the message has no field for are ignored, so that a caller may pass all it knows. Raises UnknownMessage or WrongField.
    """
    return shipped().message(key, language).fill(values)


def fields(key: str) -> frozenset[str]:
    """The names of the fields that message `key` needs, the same in every language. Raises UnknownMessage."""
    return shipped().message(key, LANGUAGES[0]).fields


def kind_in_words(kind: str, language: str) -> str:
    """A kind of content (domain.messages.kind_of, or a platform's own name) as people call it: the `kind` of relay.unsupported."""
    key = f"kind.{kind}"
    return say(key if key in shipped().messages[LANGUAGES[0]] else "kind.other", language)


def reason_in_words(reason: str, language: str) -> str:
    """Why something was not sent (the stable word kept with an outbox row) as people say it: the `reason` of send.refused."""
    key = f"reason.{reason}"
    known = key in shipped().messages[LANGUAGES[0]]
    return say(key, language) if known else say("reason.other", language, name=reason)


@cache
def shipped() -> Catalogue:
    """The catalogue that comes with the product, read once."""
    return load(files("templates.messages"))


def load(folder: Traversable) -> Catalogue:
    """Read and check `zh-CN.yaml` and `en.yaml` in `folder`. Raises BrokenCatalogue, which names the file or key at fault."""
    messages = {language: _read(folder / f"{language}.yaml") for language in LANGUAGES}
    first, *others = LANGUAGES
    for other in others:
        _refuse_difference(messages[first], messages[other], other)
    return Catalogue(MappingProxyType(messages))


def _refuse_difference(first: Mapping[str, Message], other: Mapping[str, Message], language: str) -> None:
    if alone := sorted(first.keys() ^ other.keys()):
        raise BrokenCatalogue(f"{language}: these keys are in one language only: {', '.join(alone)}")
    for key, message in first.items():
        if message.fields != other[key].fields:
            raise BrokenCatalogue(f"{language}: the fields of {key} differ between the languages")


def _read(file: Traversable) -> Mapping[str, Message]:
    try:
        texts = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BrokenCatalogue(f"{file.name}: {error}") from error
    if not isinstance(texts, dict):
        raise BrokenCatalogue(f"{file.name}: `key: text` lines are expected")
    return MappingProxyType({key: _message(file.name, key, text) for key, text in texts.items()})


def _message(file: str, key: object, text: object) -> Message:
    if not isinstance(key, str) or not isinstance(text, str) or plain.is_blank(text):
        raise BrokenCatalogue(f"{file}: {key}: key and text must be text; quote words such as yes, no and numbers")
    try:
        message = Message(key, _parts(text))
    except ValueError as error:
        raise BrokenCatalogue(f"{file}: {key}: {error}") from error
    if message.most_bytes > MESSAGE_BYTES:
        raise BrokenCatalogue(f"{file}: {key}: may become {message.most_bytes} bytes, at most {MESSAGE_BYTES} fit")
    if key in BUTTONS and message.most_chars > BUTTON_CHARS:
        raise BrokenCatalogue(
            f"{file}: {key}: may become {message.most_chars} characters, a button takes {BUTTON_CHARS}"
        )
    return message


def _parts(text: str) -> tuple[str | Slot, ...]:
    parts: list[str | Slot] = []
    for literal, name, limit, conversion in Formatter().parse(text):
        if literal:
            parts.append(literal)
        if name is not None:
            if conversion:
                raise ValueError(f"{{{name}!{conversion}}} is not a field")
            parts.append(_slot(name, limit or ""))
    return tuple(parts)


def _slot(name: str, limit: str) -> Slot:
    if name not in FIELDS:
        raise ValueError(f"there is no field {{{name}}}")
    field = FIELDS[name]
    if not limit:
        return Slot(name, field)
    if not limit.isdecimal() or not 1 <= int(limit) <= field.chars:
        raise ValueError(f"{{{name}:{limit}}}: the limit is a number from 1 to {field.chars}")
    return Slot(name, replace(field, chars=int(limit)))


class _UniqueKeys(yaml.SafeLoader):
    """A SafeLoader that refuses a key written twice, where YAML would silently keep the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"written twice: {', '.join(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)
