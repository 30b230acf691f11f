"""YAML files that people write: read as plain text values, each with the line it stands on, so that a problem can be pointed at.

Values are never converted: `at: 2026-12-01 10:00`, `code: 007` and `tag: no` are what they look like.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from domain.errors import InvalidError
from services.problems import InvalidDraft, Problem, did_you_mean

LARGEST_BYTES = 1_000_000


class InvalidFile(InvalidError):
    """Nothing of the file was kept. `lines`: one line for each problem: `push.yaml:7: audience.shop: no shop "jingan2"`."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the lines its fields stand on: `{"audience.shop": 7}`, "" for the whole.

    `blocks`: fields whose text begins on the line below.
    """

    name: str
    lines: Mapping[str, int]
    blocks: frozenset[str] = frozenset()

    def located(self, error: InvalidError) -> InvalidFile:
        """The error with file and line before each of its problems."""
        problems = error.problems if isinstance(error, InvalidDraft) else (Problem(error.field or "", error.message),)
        return InvalidFile([f"{self.name}:{self._line(problem)}: {problem}" for problem in problems])

    def _line(self, problem: Problem) -> int:
        field = problem.field
        while field and field not in self.lines:
            field = field.rpartition(".")[0]
        line = self.lines.get(field, 1)
        return line + problem.line if field in self.blocks else line


@dataclass(frozen=True, slots=True)
class Value:
    """Something written in the file: text, a mapping or a list, with its line."""

    line: int
    text: str | None = None
    fields: Mapping[str, "Value"] | None = None
    items: Sequence["Value"] | None = None
    is_block: bool = False

    @property
    def what(self) -> str:
        """What it is, in words."""
        return "a text" if self.text is not None else "a list" if self.items is not None else "several fields"


def read_yaml(path: Path) -> tuple[Value, bytes]:
    """The one document of a file, and its bytes. Raises InvalidFile."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(
            [f"{path.name}:{_line_of(content, error.start)}: not UTF-8; save the file as UTF-8"]
        ) from error
    except OSError as error:
        raise InvalidFile([f"{path}: cannot be read ({error.strerror}); check the name"]) from error
    if len(content) > LARGEST_BYTES:
        raise InvalidFile([f"{path.name}: {len(content)} bytes, at most {LARGEST_BYTES} are read"])
    try:
        _refuse_aliases(text, path.name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InvalidFile([f"{path.name}:{_what_yaml_says(error)}"]) from error
    except RecursionError:
        raise InvalidFile([f"{path.name}:1: nested too deeply"]) from None
    if node is None:
        raise InvalidFile([f"{path.name}:1: the file is empty"])
    return _value(node, path.name), content


def _refuse_aliases(text: str, name: str) -> None:
    # They can make a small file endless, and nobody who writes a campaign needs them.
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise InvalidFile([f"{name}:{line}: aliases such as *name are not read here; write it out"])


def _line_of(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1


def _what_yaml_says(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem_mark.line + 1}: this is not YAML: {error.problem}; check the spaces before it, colons and quotes"
    return f"1: this is not YAML: {error}"


def _value(node: yaml.Node, name: str) -> Value:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return Value(line, fields=dict(_fields(node, name)))
    if isinstance(node, yaml.SequenceNode):
        return Value(line, items=[_value(item, name) for item in node.value])
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return Value(line, text=node.value, is_block=is_block)


def _fields(node: yaml.MappingNode, name: str) -> Iterator[tuple[str, Value]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidFile([f"{name}:{line}: a field's name must be a word"])
        if key.value in seen:
            raise InvalidFile([f"{name}:{line}: {key.value}: written twice; keep one"])
        seen.add(key.value)
        # A value in lines of its own begins below its name: people look for the name.
        yield key.value, replace(_value(value, name), line=line)


def unknown_field(written: str, known: Sequence[str]) -> str:
    """What is said of a field that does not exist."""
    guess = did_you_mean(written, [(one, "") for one in known])
    return f"no such field{guess or '; there are ' + ', '.join(known)}"
