"""What can be wrong with a template that a marketer wrote. None of these is worth a retry: the text or the value must change.

TemplateError
├── UnsavableTemplate       the text must be mended before it is saved; names the line
│   ├── TooLarge            longer, fuller or more deeply nested than a template may be
│   ├── Malformed           not readable: a brace, quote or endif is missing
│   ├── NotAllowed          readable, but outside the small grammar
│   ├── UnknownVariable     misspelt; `nearest` is the valid name that comes closest
│   ├── UnknownFilter       no such filter
│   ├── WrongKind           a filter or comparison that does not fit the kind of its variable
│   └── BadLink             a link that is not made of a link variable, or where links have no place
└── UnsendableText          the template is right, this person's values are not: skip the person and keep the reason
    ├── MissingValue        no value for a variable that has no default
    ├── BadValue            a value of the wrong kind, form or size
    ├── EmptyText           nothing is left to send
    └── TextTooLong         more bytes than the channel takes
"""

from typing import Any

from domain.errors import InvalidError
from templates.catalogue import LANGUAGES, say
from templates.variables import VALUE_CHARS, VariableKind


class TemplateError(InvalidError):
    """A template, or a value for it, cannot be used.

    `message` is in zh-CN, `words(language)` in either language; `key` is stable and names the catalogue's text. `label` is the
    template as people know it; `line` and `column` count from 1 and are None where no place is to blame; `variable` likewise.
    """

    def __init__(
        self,
        key: str,
        *,
        label: str = "",
        line: int | None = None,
        column: int | None = None,
        variable: str | None = None,
        **details: str | int,
    ) -> None:
        self.key, self.label, self.line, self.column, self.variable = key, label, line, column, variable
        self._details = details
        super().__init__(self.words(LANGUAGES[0]), field=variable)

    def words(self, language: str) -> str:
        """The message in `language`: which template, which line, what is wrong, how to mend it."""
        name = say("template.at_name", language, label=self.label) if self.label else ""
        line = say("template.at_line", language, line=self.line) if self.line else ""
        return name + line + say(self.key, language, **self._fields(language))

    def _fields(self, language: str) -> dict[str, Any]:
        return {"name": self.variable, **self._details}


class UnsavableTemplate(TemplateError):
    """The text must be mended before it is saved."""


class TooLarge(UnsavableTemplate):
    """Longer, fuller or more deeply nested than a template may be."""


class Malformed(UnsavableTemplate):
    """Not readable as a template."""


class NotAllowed(UnsavableTemplate):
    """Readable, but outside the grammar."""


class UnknownVariable(UnsavableTemplate):
    """A variable that does not exist; `nearest` is the valid name probably meant, or empty."""

    def __init__(self, variable: str, nearest: str, **place: Any) -> None:
        self.nearest = nearest
        key = "template.unknown_variable" if nearest else "template.unknown_variable.no_guess"
        super().__init__(key, variable=variable, nearest=nearest, **place)


class UnknownFilter(UnsavableTemplate):
    """A filter that does not exist."""


class WrongKind(UnsavableTemplate):
    """A filter or a comparison that does not fit the kind of its variable, or a wrong argument of a filter."""


class BadLink(UnsavableTemplate):
    """A link that is not made of a link variable, or a link where none may stand."""


class UnsendableText(TemplateError):
    """The template is right, this person's values are not: skip the person and keep `message` as the reason."""


class MissingValue(UnsendableText):
    """This person has no value for `variable`, and the template has no default for it."""

    def __init__(self, variable: str) -> None:
        super().__init__("template.missing_value", variable=variable)


class BadValue(UnsendableText):
    """The value of `variable` is not of its kind, or too large. The value itself is not repeated: reasons are kept in logs."""

    def __init__(self, variable: str, kind: VariableKind) -> None:
        self.kind = kind
        super().__init__("template.bad_value", variable=variable)

    def _fields(self, language: str) -> dict[str, Any]:
        wanted = say(f"template.wanted.{self.kind}", language, limit=VALUE_CHARS)
        return {**super()._fields(language), "wanted": wanted}


class EmptyText(UnsendableText):
    """With this person's values nothing is left to send."""

    def __init__(self) -> None:
        super().__init__("template.empty_text")


class TextTooLong(UnsendableText):
    """With this person's values the text has `size` bytes, more than the `limit` of its channel. It is never cut by itself."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__("template.text_too_long", size=size, limit=limit)
