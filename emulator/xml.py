"""The XML dialect of the callbacks: CDATA for text, bare digits for numbers, repeated elements for lists."""

import re
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


class BadXml(ValueError):
    """Text that is no XML document of the expected shape."""


def build(fields: dict[str, Any]) -> str:
    """`<xml>...</xml>` of the fields. A list repeats its element. Raises BadXml for a field name XML cannot carry."""
    return _element("xml", fields)


def parse(text: bytes) -> dict[str, Any]:
    """The fields inside `<xml>`. Raises BadXml, also for entities and DTDs."""
    try:
        fields = xmltodict.parse(text, disable_entities=True)["xml"]
    except (ExpatError, KeyError, ValueError) as error:
        raise BadXml(f"not an <xml> document: {error}") from error
    if not isinstance(fields, dict):
        raise BadXml("the <xml> element holds no fields")
    return fields


def _element(name: str, value: Any) -> str:
    if not NAME.match(name):
        raise BadXml(f"{name!r} cannot be an element name")
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    return f"<{name}>{_content(value)}</{name}>"


def _content(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(_element(name, item) for name, item in value.items())
    if isinstance(value, int | float):
        return str(value)
    return cdata("" if value is None else str(value))


def cdata(text: str) -> str:
    """A CDATA section that stays closed whatever the text holds; characters XML forbids are left out."""
    return "<![CDATA[" + ILLEGAL.sub("", text).replace("]]>", "]]]]><![CDATA[>") + "]]>"
