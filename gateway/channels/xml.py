"""A strict reader of the platforms' flat XML: one element `xml` whose children carry texts. Everything clever is refused."""

import re
from collections.abc import Callable
from xml.parsers import expat

MAX_BYTES = 64 * 1024
MAX_ELEMENTS = 200
MAX_DEPTH = 16

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class XmlError(ValueError):
    """Not the XML a platform sends; the message says what is wrong with it, never what it holds."""


def clean(text: str) -> str:
    """`text` without what XML and databases cannot carry (NUL, control characters, lone surrogates), lines ended by LF."""
    return _ILLEGAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def read(body: bytes) -> dict[str, str]:
    """The texts of the children of `<xml>`, by name, white space and CDATA kept as sent. A child with children is left out.

    Raises XmlError: over 64 KiB, over 200 elements, nested over 16 deep, not UTF-8, a DTD, an attribute, a processing
    instruction, a child that occurs twice, or anything that is not well-formed.
    """
    if len(body) > MAX_BYTES:
        raise XmlError("larger than 64 KiB")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise XmlError("not UTF-8") from None
    return _Reader().read(body)


class _Reader:
    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._seen: set[str] = set()
        self._path: list[str] = []
        self._text: list[str] = []
        self._elements = 0

    def read(self, body: bytes) -> dict[str, str]:
        # Naming the encoding here overrules what the document claims.
        parser = expat.ParserCreate(encoding="utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse("a DTD")
        parser.EntityDeclHandler = _refuse("an entity")
        parser.ProcessingInstructionHandler = _refuse("a processing instruction")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(body, True)
        except expat.ExpatError:
            raise XmlError("not well-formed") from None
        return self._fields

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._path.append(name)
        depth = len(self._path)
        if attributes:
            raise XmlError("an attribute")
        if self._elements > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise XmlError("too many elements")
        if depth == 1 and name != "xml":
            raise XmlError("the root is not <xml>")
        if depth == 2:
            self._open_field(name)
        elif depth > 2:
            # Whatever holds elements holds no text of its own.
            self._fields.pop(self._path[1], None)

    def _open_field(self, name: str) -> None:
        if name in self._seen:
            raise XmlError("an element occurs twice")
        self._seen.add(name)
        self._fields[name] = ""
        self._text.clear()

    def _end(self, name: str) -> None:
        if len(self._path) == 2 and name in self._fields:
            self._fields[name] = "".join(self._text)
        self._path.pop()


def _refuse(what: str) -> Callable[..., None]:
    def handler(*_: object) -> None:
        raise XmlError(what)

    return handler
