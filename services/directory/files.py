"""From a file to its tables, and from tables to pages small enough for one unit of work."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from domain.errors import InvalidError
from services.directory.cells import TABLES, table_name
from services.directory.sheets import Row, Sheet, read_csv, read_yaml
from services.directory.workbook import read_xlsx

PAGE_ROWS = 100
PAGE_CHARACTERS = 100_000
"""Keeps a page under the API's limit of a body, whatever its characters."""

_READERS = {".csv": read_csv, ".yaml": read_yaml, ".yml": read_yaml, ".xlsx": read_xlsx}


def read_file(path: Path, table: str | None = None) -> list[Sheet]:
    """The tables of a YAML, CSV or XLSX file; `table` names the only table of a file that is called otherwise.

    Raises InvalidError, with file and line, for what cannot be read.
    """
    reader = _READERS.get(path.suffix.casefold())
    if reader is None:
        raise InvalidError(f"{path.name}: cannot be imported; there are {', '.join(_READERS)}")
    sheets = reader(path)
    if table is None:
        return sheets
    if len(sheets) != 1:
        raise InvalidError(f"{path.name}: has {len(sheets)} tables, so all of them cannot be {table}")
    return [replace(sheets[0], name=table)]


def paged(sheets: Sequence[Sheet]) -> Iterator[Sheet]:
    """The rows of all sheets in pages, places before the people in them, so that each page finds what it names."""
    order = list(TABLES)
    for sheet in sorted(sheets, key=lambda sheet: order.index(table_name(sheet.name))):
        page: list[Row] = []
        size = 0
        for row in sheet.rows:
            characters = sum(map(len, row.cells.values()))
            if page and (len(page) == PAGE_ROWS or size + characters > PAGE_CHARACTERS):
                yield replace(sheet, rows=tuple(page))
                page, size = [], 0
            page.append(row)
            size += characters
        if page:
            yield replace(sheet, rows=tuple(page))
