"""Files of rows: YAML, CSV and XLSX read into tables whose rows know the line they came from.

Everything is text here, as it was written: `0012` stays `0012`. What the text means is decided in services/directory.py.
Files come from people, so each reader has caps, and every refusal is an InvalidError that names file and line.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import InvalidError
from services import yaml_file
from services.yaml_file import Value

MAX_BYTES = 32 * 1024 * 1024
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


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises InvalidError when it cannot be read or is too large."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidError(f"{path.name}: {size:,} bytes, at most {MAX_BYTES:,} are read: split it")
        return path.read_bytes()
    except OSError as error:
        raise InvalidError(f"{path}: cannot be read ({error.strerror}); check the name") from error


def read_csv(path: Path) -> list[Sheet]:
    """The one table of a CSV file, named by the file. UTF-8, UTF-16 with a mark, or GB18030; comma, semicolon or tab."""
    text = _decode(path.name, read_bytes(path))
    return [table(path.stem, path.name, _csv_lines(path.name, text))]


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


def read_yaml(path: Path) -> list[Sheet]:
    """The tables of a YAML file: names of tables, each with a list of rows."""
    document, _ = yaml_file.read_yaml(path)
    if document.fields is None:
        raise InvalidError(
            f"{path.name}:{document.line}: write table names such as `shops:`, each with a list of rows below"
        )
    return [_yaml_sheet(path.name, name, value) for name, value in document.fields.items()]


def _yaml_sheet(file: str, name: str, value: Value) -> Sheet:
    if value.items is None:
        raise InvalidError(f"{file}:{value.line}: {name}: {value.what}, but a list of rows is expected")
    rows = tuple(_yaml_row(file, name, row) for row in value.items)
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    return Sheet(name, file, tuple(columns), rows)


def _yaml_row(file: str, name: str, value: Value) -> Row:
    if value.fields is None:
        raise InvalidError(f"{file}:{value.line}: {name}: {value.what}, but a row of `column: value` is expected")
    return Row(value.line, {column: _yaml_cell(file, column, cell) for column, cell in value.fields.items()})


def _yaml_cell(file: str, column: str, value: Value) -> str:
    if value.items is not None:
        return LIST_SEPARATOR.join(_yaml_cell(file, column, item) for item in value.items)
    if value.text is None:
        raise InvalidError(f"{file}:{value.line}: {column}: {value.what}, but a text or a list of texts is expected")
    return _cell(file, value.line, column, value.text)
