"""Links in a template: platforms turn `<a href="...">` in a text into a link, so only the gateway's own may stand there."""

import re
from dataclasses import dataclass, field

from templates.errors import BadLink
from templates.source import Source

# In the outline each tag of the template is one of these two; its text cannot hold them, for it was cleaned.
_LINK, _OTHER = "\x01", "\x00"
_MARKUP = re.compile("<(?=[\\s/]*[A-Za-z!?\x00\x01])")
_LINK_MARKUP = re.compile('<a href="\x01">|</a>')


@dataclass(slots=True)
class Outline:
    """The literal text of a template with a mark for everything that is filled in, in the order of the source."""

    pieces: list[tuple[int, str]] = field(default_factory=list)

    def text(self, line: int, text: str) -> None:
        self.pieces.append((line, text))

    def link(self, line: int) -> None:
        """A link variable is printed here."""
        self.pieces.append((line, _LINK))

    def other(self, line: int) -> None:
        """Something else is printed here, or a condition begins or ends."""
        self.pieces.append((line, _OTHER))

    def refuse_markup(self, source: Source) -> None:
        """Raises BadLink for any tag but `<a href="{{ link variable }}">` and `</a>`, and for one that a value could complete."""
        whole = "".join(text for _, text in self.pieces)
        for found in _MARKUP.finditer(whole):
            if not _LINK_MARKUP.match(whole, found.start()):
                raise BadLink("template.link_not_allowed", **source.passage(self._line_at(found.start())))

    def _line_at(self, offset: int) -> int:
        end = 0
        for line, text in self.pieces:
            start, end = end, end + len(text)
            if offset < end:
                return line + text.count("\n", 0, offset - start)
        raise IndexError(offset)
