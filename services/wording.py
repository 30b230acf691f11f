"""What a template says: its body checked when it is saved, and written out for one person when a campaign is sent.

A push is a commercial message: it must name its sender and say how to refuse more of them (Advertising Law of the PRC, Art. 43).
What the marketer left out is added below the text, in the description of a link, or behind the title of a mini program.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from domain.ids import is_id
from domain.messages import Content, Link, MiniProgram, Text
from domain.people import Advisor, Brand
from services.problems import Problems, did_you_mean
from templates import engine
from templates.errors import TextTooLong
from templates.source import Where
from templates.variables import Value, kinds


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a body. `room`: the most bytes of what is written into it; `literal`: taken as it is, never a template."""

    room: int
    literal: bool = False
    optional: bool = False


# Rooms: "news" and "mini program" of https://developer.work.weixin.qq.com/document/path/90236; the official account names none.
# A text has the room its platform gives (domain/platforms).
_TEXT_ROOM = 2048
_BODIES: Mapping[str, Mapping[str, _Field]] = MappingProxyType(
    {
        "text": {"text": _Field(_TEXT_ROOM)},
        "link": {
            "title": _Field(128),
            "description": _Field(512, optional=True),
            "url": _Field(2048, literal=True),
            "picture_url": _Field(2048, literal=True, optional=True),
        },
        "mini_program": {
            "title": _Field(64),
            "app_id": _Field(64, literal=True),
            "path": _Field(1024, literal=True),
            "thumb": _Field(32, literal=True),
        },
    }
)
_CONTENTS: Mapping[str, type[Any]] = MappingProxyType({"text": Text, "link": Link, "mini_program": MiniProgram})
_CARRIERS = MappingProxyType({"text": "text", "link": "description", "mini_program": "title"})
"""The field of each kind that names the sender and the way to refuse."""

_REFUSALS = ("退订", "unsubscribe")
_HOW_TO_REFUSE = MappingProxyType({"zh-CN": "回复TD退订", "en": "Reply TD to unsubscribe"})
_ADDRESS = re.compile(r"https?://[^\s/{}<>\"]+[^\s{}<>\"]*", re.IGNORECASE)
_APP_ID = re.compile(r"wx[0-9a-zA-Z_-]{4,30}")


def check_body(body: Mapping[str, str], label: str) -> None:
    """Whether this may be saved as a template called `label`. Raises InvalidDraft with every problem, by field."""
    problems = Problems()
    fields = _fields_of(body, problems)
    for name, value in body.items():
        if name in fields:
            with problems.of(name):
                _check_field(name, value, fields[name], label, problems)
        elif fields and name != "kind":
            guess = did_you_mean(name, [(known, "") for known in fields])
            problems.add(name, f"a {body['kind']} template has no such field{guess}")
    for name, field in fields.items():
        if not field.optional and not body.get(name):
            problems.add(name, f"a {body['kind']} template needs it")
    problems.refuse()


def _fields_of(body: Mapping[str, str], problems: Problems) -> Mapping[str, _Field]:
    kind = body.get("kind", "")
    if kind not in _BODIES:
        guess = did_you_mean(kind, [(known, "") for known in _BODIES])
        problems.add("kind", f'no kind "{kind}"{guess or "; there are " + ", ".join(_BODIES)}')
    return _BODIES.get(kind, {})


def _check_field(name: str, value: str, field: _Field, label: str, problems: Problems) -> None:
    if not value:
        return
    if not field.literal:
        engine.compile(engine.check(value, kinds(), where=Where(label, field.room)))
        return
    if len(value.encode()) > field.room:
        problems.add(name, f"{len(value.encode())} bytes, at most {field.room} fit")
    if name.endswith("url") and not _ADDRESS.fullmatch(value):
        problems.add(
            name, f'"{value}" is not an address; write it out, without variables, like "https://example.com/new"'
        )
    if name == "app_id" and not _APP_ID.fullmatch(value):
        problems.add(name, f'"{value}" is not the app id of a mini program; it begins with "wx"')
    if name == "thumb" and not is_id(value):
        problems.add(name, f'"{value}" is not the id of a picture of ours (32 digits and letters a-f)')


@dataclass(frozen=True, slots=True)
class Wording:
    """A template's body, ready to be written out. `room`: bytes of the whole text that the platform takes."""

    brand: Brand
    kind: str
    room: int
    written: Mapping[str, engine.Compiled]
    literal: Mapping[str, str]

    @property
    def variables(self) -> frozenset[str]:
        """The variables it uses."""
        return frozenset(name for one in self.written.values() for name in one.checked.variables)

    def write(self, values: Mapping[str, Value], advisor: Advisor) -> Content:
        """The message for one person, from `advisor`. Raises UnsendableText: skip this person and keep the reason."""
        fields: dict[str, Any] = {name: engine.render(one, values) for name, one in self.written.items()}
        fields |= self.literal
        carrier = _CARRIERS[self.kind]
        fields[carrier] = self._complete(fields, carrier, advisor)
        room = self.room - signature_bytes(advisor.name) if self.kind == "text" else _BODIES[self.kind][carrier].room
        if (size := len(fields[carrier].encode())) > room:
            raise TextTooLong(size, room)
        content: Content = _CONTENTS[self.kind](**fields)
        return content

    def _complete(self, fields: Mapping[str, str], carrier: str, advisor: Advisor) -> str:
        shown = "\n".join(fields.values())
        names = (self.brand.name, advisor.name, advisor.shop.name)
        missing = [] if any(name in shown for name in names if name) else [self.brand.name]
        if not any(word in shown.casefold() for word in _REFUSALS):
            missing.append(_HOW_TO_REFUSE.get(self.brand.language, _HOW_TO_REFUSE["zh-CN"]))
        break_before = " · " if self.kind == "mini_program" else "\n"
        return break_before.join(part for part in (fields.get(carrier, ""), " · ".join(missing)) if part)


def signature_bytes(advisor: str) -> int:
    """Room that a channel needs for the advisor's name where its platform shows none: 【小兰】 and a line end above the text."""
    return len(f"【{advisor}】\n".encode())


def prepare(body: Mapping[str, str], brand: Brand, text_bytes: int, label: str) -> Wording:
    """A saved body made ready for an account that takes texts of `text_bytes`. Raises UnsavableTemplate."""
    kind, fields = body["kind"], _BODIES[body["kind"]]
    written, literal = {}, {}
    for name, value in body.items():
        if name == "kind" or not value:
            continue
        if fields[name].literal:
            literal[name] = value
        else:
            room = text_bytes if kind == "text" else fields[name].room
            checked = engine.check(value, kinds(), where=Where(label, room))
            written[name] = engine.compile(checked)
    return Wording(brand, kind, text_bytes, written, literal)
