"""XLSX files as tables: one sheet, one table. Opened only after the archive was found harmless."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from domain.errors import InvalidError
from services.directory.sheets import MAX_COLUMNS, MAX_ROWS, Sheet, read_bytes, table

MAX_UNZIPPED = 256 * 1024 * 1024
MAX_PARTS = 500
_EXACT_DIGITS = 10**15
"""Spreadsheet programs keep 15 digits of a number; a longer card number has lost its tail before it reaches us."""

_REFUSED_PARTS = {"vbaProject.bin": "macros", "externalLinks/": "links to other workbooks"}
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_CHUNK = 1024 * 1024


def read_xlsx(path: Path) -> list[Sheet]:
    """The tables of a workbook. Raises InvalidError for anything that is no plain, reasonably sized workbook."""
    file, content = path.name, read_bytes(path)
    _inspect(file, content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        return [table(sheet.title, f"{file}[{sheet.title}]", _lines(f"{file}[{sheet.title}]", sheet)) for sheet in book]
    except InvalidError:
        raise
    except Exception as error:
        # openpyxl raises whatever it stumbles over: KeyError, ValueError, ParseError, BadZipFile ...
        raise InvalidError(
            f"{file}: not a workbook that can be read ({type(error).__name__}): save it as XLSX again"
        ) from error


def _inspect(file: str, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _inspect_parts(file, archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InvalidError(
            f"{file}: not an XLSX file, or damaged, or with a password: save it as plain XLSX"
        ) from error


def _inspect_parts(file: str, archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or size > MAX_UNZIPPED:
        raise InvalidError(f"{file}: unpacks to {size:,} bytes in {len(parts)} parts: too large to be a list of people")
    for part in parts:
        for name, what in _REFUSED_PARTS.items():
            if name in part.filename:
                raise InvalidError(f"{file}: holds {what}: save it as a plain XLSX without them")
        if _has_doctype(archive, part):
            raise InvalidError(f"{file}: {part.filename} declares a document type, which no spreadsheet program writes")


def _has_doctype(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    tail = b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            window = tail + chunk
            if any(mark in window for mark in _DOCTYPES):
                return True
            tail = window[-32:]
    return False


def _lines(where: str, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    # The sheet's own claim of its size may be anything; without it rows come as they are.
    sheet.reset_dimensions()
    for line, values in enumerate(sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS + 1), start=1):
        if line > 2 * MAX_ROWS:
            raise InvalidError(f"{where}:{line}: more than {MAX_ROWS:,} rows: delete the empty ones, or split the file")
        yield line, [_text(where, line, value) for value in values]


def _text(where: str, line: int, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(where, line, value)
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _number(where: str, line: int, value: float) -> str:
    if abs(value) >= _EXACT_DIGITS:
        raise InvalidError(
            f"{where}:{line}: {value:.0f} has more digits than a spreadsheet keeps: format the column as text"
        )
    return str(int(value)) if value == int(value) else repr(value)
