"""From a file to its tables, and from tables to pages small enough for one unit of work."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from domain.errors import InvalidError
from services.directory.cells import TABLES, table_name
from services.directory.sheets import Sheet, read_csv, read_yaml
from services.directory.workbook import read_xlsx

PAGE_ROWS = 200

_READERS = {".csv": read_csv, ".yaml": read_yaml, ".yml": read_yaml, ".xlsx": read_xlsx}


def read_file(name: str, content: bytes, table: str | None = None) -> list[Sheet]:
    """The tables of a YAML, CSV or XLSX file; `table` names the only table of a file that is called otherwise.

    Raises InvalidError, with file and line, for what cannot be read.
    """
    file = PurePath(name).name
    reader = _READERS.get(PurePath(name).suffix.casefold())
    if reader is None:
        raise InvalidError(f"{file}: not a file that can be imported: {', '.join(_READERS)}")
    sheets = reader(file, content)
    if table is None:
        return sheets
    if len(sheets) != 1:
        raise InvalidError(f"{file}: has {len(sheets)} tables, so all of them cannot be {table}")
    return [replace(sheets[0], name=table)]


def paged(sheets: Sequence[Sheet]) -> Iterator[Sheet]:
    """The rows of all sheets in pages, places before the people in them, so that each page finds what it names."""
    order = list(TABLES)
    for sheet in sorted(sheets, key=lambda sheet: order.index(table_name(sheet.name))):
        for start in range(0, len(sheet.rows), PAGE_ROWS):
            yield replace(sheet, rows=sheet.rows[start : start + PAGE_ROWS])
