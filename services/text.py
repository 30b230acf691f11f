"""Cutting texts to a platform's limit, which counts bytes of UTF-8, where a reader would pause."""

import regex

_GRAPHEME = regex.compile(r"\X")
_SENTENCE_ENDS = frozenset("。！？!?；;…")
_CLOSERS = frozenset("”’」』】》）)\"'")
_PAUSES = frozenset("，、,：:")
_LONGEST_CHARACTER = 4

_ANYWHERE, _PAUSE, _SENTENCE, _LINE = range(4)


def split_text(text: str, limit_bytes: int) -> list[str]:
    """`text` in parts of at most `limit_bytes` bytes that join to it again, cut after a line, a sentence or a pause if one
    lies in the second half of a part, else between two graphemes. A grapheme larger than the limit is cut between characters.

    Raises ValueError when the limit has no room for a single character.
    """
    if limit_bytes < _LONGEST_CHARACTER:
        raise ValueError(f"a limit of {limit_bytes} bytes has no room for a character")
    parts = []
    rest = text
    while size(rest) > limit_bytes:
        cut = _cut(rest, limit_bytes)
        parts.append(rest[:cut])
        rest = rest[cut:]
    return [*parts, rest]


def size(text: str) -> int:
    """Bytes of `text` in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(text: str, limit: int) -> int:
    best = {_ANYWHERE: _character_cut(text, limit)}
    used = 0
    ended = False
    for found in _GRAPHEME.finditer(text):
        grapheme, end = found.group(), found.end()
        used += size(grapheme)
        if used > limit:
            break
        following = text[end : end + 1]
        ended = _ends_sentence(grapheme, following) or (ended and grapheme in _CLOSERS)
        best[_ANYWHERE] = end
        if used * 2 >= limit:
            best[_border(grapheme, following, ended=ended)] = end
    return best[max(best)]


def _character_cut(text: str, limit: int) -> int:
    head = text[:limit].encode("utf-8", "surrogatepass")
    while limit < len(head) and head[limit] & 0xC0 == 0x80:
        limit -= 1
    return len(head[:limit].decode("utf-8", "surrogatepass"))


def _ends_sentence(grapheme: str, following: str) -> bool:
    return grapheme in _SENTENCE_ENDS or (grapheme == "." and following.isspace())


def _border(grapheme: str, following: str, *, ended: bool) -> int:
    if grapheme.endswith(("\n", "\r")):
        return _LINE
    if ended:
        return _ANYWHERE if following in _CLOSERS | _SENTENCE_ENDS else _SENTENCE
    return _PAUSE if grapheme.isspace() or grapheme in _PAUSES else _ANYWHERE
