"""Files of rows: YAML, CSV and XLSX read into tables whose rows know the line they came from.

Everything is text here, as it was written: `0012` stays `0012`. What the text means is decided in services/directory.py.
Files come from people, so each reader has caps, and every refusal is an InvalidError that names file and line.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import yaml

from domain.errors import InvalidError

MAX_BYTES = 32 * 1024 * 1024
MAX_YAML_BYTES = 2 * 1024 * 1024
"""YAML is read by Python code, line marks and all: far slower than the two table formats."""
MAX_ROWS = 200_000
MAX_COLUMNS = 64
MAX_CELL = 4_000
LIST_SEPARATOR = ";"

_FORMULA = "=+\\-@\t\r＝＋－＠"
_DANGEROUS = re.compile(rf"'*[{_FORMULA}]")
_GUARDED = re.compile(rf"'+[{_FORMULA}]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by the column's heading, and the line it begins on."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of a file. `where` is how a report names it: `customers.csv`, or `brand.xlsx[customers]`."""

    name: str
    where: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def guard(text: str) -> str:
    """A cell for a file that a spreadsheet program opens: what it would run as a formula gets a quote in front."""
    return f"'{text}" if _DANGEROUS.match(text) else text


def unguard(text: str) -> str:
    """The inverse of `guard`, for what comes back."""
    return text[1:] if _GUARDED.match(text) else text


def refuse_large(file: str, content: bytes, limit: int = MAX_BYTES) -> None:
    """Raise InvalidError when a file is larger than `limit` bytes."""
    if len(content) > limit:
        raise InvalidError(f"{file}: {len(content):,} bytes, at most {limit:,} are read: split it")


def read_csv(file: str, content: bytes) -> list[Sheet]:
    """The one table of a CSV file, named by the file. UTF-8, UTF-16 with a mark, or GB18030; comma, semicolon or tab."""
    refuse_large(file, content)
    text = _decode(file, content)
    lines = _csv_lines(file, text)
    return [table(PurePath(file).stem, file, lines)]


def _decode(file: str, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strictly(file, content, "utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        guess = content.decode("utf-8", "replace")
        broken = guess.count("\ufffd")
        # Chinese in GB18030 is hardly ever valid UTF-8: where most of it is, a few bytes of the file are damaged.
        if sum(char > "\x7f" for char in guess) > 2 * broken:
            line = content.count(b"\n", 0, error.start) + 1
            raise InvalidError(f"{file}:{line}: not UTF-8 throughout: save the file as UTF-8 again") from None
        return _strictly(file, content, "gb18030")


def _strictly(file: str, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise InvalidError(f"{file}: neither UTF-8 nor GB18030: save it as CSV UTF-8") from None


def _csv_lines(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidError(f"{file}:{line}: holds a NUL character: this is not a CSV file, or it is damaged")
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidError(f"{file}:{line}: {error}: check the quotes of this row") from None
        yield line, cells


def table(name: str, where: str, lines: Iterable[tuple[int, Sequence[str]]]) -> Sheet:
    """Numbered lines of cells as a table: the first is the heading, empty ones are left out."""
    filled = ((line, cells) for line, cells in lines if any(cell.strip() for cell in cells))
    line, heading = next(filled, (1, ()))
    columns = _columns(where, line, heading)
    rows: list[Row] = []
    for line, cells in filled:
        if len(rows) == MAX_ROWS:
            raise InvalidError(f"{where}:{line}: more than {MAX_ROWS:,} rows: split the file")
        rows.append(_row(where, line, columns, cells))
    return Sheet(name, where, columns, tuple(rows))


def _columns(where: str, line: int, heading: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for name in heading]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise InvalidError(f"{where}:{line}: empty: the first line must name the columns")
    if len(names) > MAX_COLUMNS:
        raise InvalidError(f"{where}:{line}: {len(names):,} columns, at most {MAX_COLUMNS} are read")
    for number, name in enumerate(names, start=1):
        if not name:
            raise InvalidError(f"{where}:{line}: column {number} has no heading")
        if names.count(name) > 1:
            raise InvalidError(f'{where}:{line}: the column "{name}" is there twice')
    return tuple(names)


def _row(where: str, line: int, columns: tuple[str, ...], cells: Sequence[str]) -> Row:
    if any(cell.strip() for cell in cells[len(columns) :]):
        raise InvalidError(f"{where}:{line}: more cells than the heading has columns: is a separator missing a quote?")
    values = {}
    for column, cell in zip(columns, cells, strict=False):
        values[column] = _cell(where, line, column, cell)
    return Row(line, values)


def _cell(where: str, line: int, column: str, cell: str) -> str:
    if len(cell) > MAX_CELL:
        raise InvalidError(f"{where}:{line}: {column}: {len(cell):,} characters, at most {MAX_CELL:,} are read")
    return unguard(cell).strip()


def read_yaml(file: str, content: bytes) -> list[Sheet]:
    """The tables of a YAML file: a mapping of table names to lists of rows."""
    refuse_large(file, content, MAX_YAML_BYTES)
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidError(f"{file}:{_line_of(error)}: not YAML: {_first_line(error)}") from None
    except RecursionError:
        raise InvalidError(f"{file}: nested too deep: a table is a list of flat rows") from None
    if not isinstance(root, yaml.MappingNode):
        raise InvalidError(
            f"{file}:1: expected table names (regions, shops, advisors, customers) with a list below each"
        )
    return [_yaml_sheet(file, name, rows) for name, rows in _pairs(file, root)]


def _line_of(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1


def _first_line(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _pairs(file: str, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidError(f"{file}:{line}: a name must be plain text")
        if key.value in seen:
            raise InvalidError(f'{file}:{line}: "{key.value}" is there twice')
        seen.add(key.value)
        yield key.value, value


def _yaml_sheet(file: str, name: str, node: yaml.Node) -> Sheet:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.SequenceNode):
        raise InvalidError(f"{file}:{line}: {name}: expected a list of rows")
    if len(node.value) > MAX_ROWS:
        raise InvalidError(f"{file}:{line}: {name}: more than {MAX_ROWS:,} rows: split the file")
    rows = tuple(_yaml_row(file, name, row) for row in node.value)
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Sheet(name, file, tuple(columns), rows)


def _yaml_row(file: str, name: str, node: yaml.Node) -> Row:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise InvalidError(f"{file}:{line}: {name}: expected a row of `column: value`")
    cells = {column: _yaml_cell(file, column, value) for column, value in _pairs(file, node)}
    return Row(line, cells)


def _yaml_cell(file: str, column: str, node: yaml.Node) -> str:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return LIST_SEPARATOR.join(_yaml_cell(file, column, item) for item in node.value)
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidError(f"{file}:{line}: {column}: expected text or a list of texts")
    return "" if node.tag.endswith(":null") else _cell(file, line, column, node.value)
