"""Files to import: what can be read is read whatever program wrote it, what cannot is refused by file and line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidError
from services import directory
from services.directory.sheets import guard, unguard
from tests.workbooks import workbook

FILE_PROBLEMS = [
    ("customers.csv", b"", "customers.csv:1: empty: the first line must name the columns"),
    ("customers.csv", b"reference\nM1\0\n", "customers.csv:2: holds a NUL character"),
    ("customers.csv", b'reference\n"M1\nM2\n', "customers.csv:2: unexpected end of data"),
    ("customers.csv", b"reference,reference\nM1,M2\n", 'customers.csv:1: the column "reference" is there twice'),
    ("customers.csv", b"reference\nM1,extra\n", "customers.csv:2: more cells than the heading has columns"),
    (
        "customers.csv",
        "reference,备注\nM1,".encode() + b"\xff\xfe" + "好好好好\n".encode(),
        "customers.csv:2: not UTF-8",
    ),
    ("customers.csv", b"reference\n" + b"M" * 5000 + b"\n", "customers.csv:2: reference: 5,000 characters"),
    ("customers.csv", ",".join(f"c{n}" for n in range(70)).encode() + b"\n1\n", "customers.csv:1: 70 columns"),
    ("customers.yaml", b"- a\n", "customers.yaml:1: write table names"),
    ("customers.yaml", b"customers: [[1]]\n", "customers.yaml:1: customers: a list, but a row"),
    ("customers.yaml", b"customers: [\n", "customers.yaml:2: this is not YAML"),
    ("customers.yaml", b"a: &x [1]\nb: *x\n", "customers.yaml:2: "),
    ("customers.txt", b"reference\n", "customers.txt: cannot be imported"),
    ("customers.xlsx", b"reference\n", "customers.xlsx: not an XLSX file"),
]


@pytest.mark.parametrize(("name", "content", "expected"), FILE_PROBLEMS, ids=[case[2] for case in FILE_PROBLEMS])
def test_unreadable_files_say_why(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidError) as refused:
        directory.read_file(path)
    assert refused.value.message.startswith(expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheet_programs_are_understood(tmp_path: Path, encoding: str, separator: str) -> None:
    path = tmp_path / "顾客.csv"
    text = separator.join(["会员号", "会员姓名"]) + "\r\n" + separator.join(["M1", "周女士"]) + "\r\n"
    path.write_bytes(text.encode(encoding))
    (sheet,) = directory.read_file(path)
    assert [row.cells for row in sheet.rows] == [{"会员号": "M1", "会员姓名": "周女士"}]


def repacked(content: bytes, **parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item, old.read(item))
        for name, part in parts.items():
            new.writestr(name.replace("__", "/"), part)
    return buffer.getvalue()


def good() -> bytes:
    return workbook(customers=[["reference"], ["M1"]])


HOSTILE: list[tuple[Callable[[], bytes], str]] = [
    (lambda: repacked(good(), xl__bomb=b" " * (257 * 1024 * 1024)), "brand.xlsx: unpacks to"),
    (lambda: repacked(good(), **{"xl__vbaProject.bin": b"x"}), "brand.xlsx: holds macros"),
    (lambda: repacked(good(), xl__externalLinks__link=b"<x/>"), "brand.xlsx: holds links"),
    (
        lambda: repacked(good(), **{"xl__evil.xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}),
        "brand.xlsx: xl/evil.xml declares a document type",
    ),
    (lambda: good()[:2000], "brand.xlsx: not an XLSX file, or damaged"),
    (
        lambda: workbook(customers=[["reference"], [6222021234567890123]]),
        "brand.xlsx[customers]:2: 6222021234567889920 has more digits than a spreadsheet keeps",
    ),
]


@pytest.mark.parametrize(("build", "expected"), HOSTILE, ids=[case[1] for case in HOSTILE])
async def test_hostile_workbooks_are_refused(tmp_path: Path, build: Callable[[], bytes], expected: str) -> None:
    path = tmp_path / "brand.xlsx"
    path.write_bytes(build())
    with pytest.raises(InvalidError) as refused:
        directory.read_file(path)
    assert refused.value.message.startswith(expected)


def test_a_page_fits_into_a_body_of_the_api(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    tags = ";".join("签" * 60 for _ in range(50))
    path.write_text("reference,tags\n" + "".join(f"M{n},{tags}\n" for n in range(100)), encoding="utf-8")
    pages = list(directory.paged(directory.read_file(path)))
    assert sum(len(page.rows) for page in pages) == 100
    assert max(sum(len(cell.encode()) for row in page.rows for cell in row.cells.values()) for page in pages) < 500_000


@given(st.text())
def test_what_is_exported_comes_back_as_it_was(text: str) -> None:
    assert unguard(guard(text)) == text


@pytest.mark.parametrize(
    "cell", ['=HYPERLINK("http://x","点我")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1"]
)
def test_formulas_are_defused(cell: str) -> None:
    assert guard(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["周女士", "", "'quoted", "3-1", "a=b"])
def test_plain_cells_stay_as_they_are(cell: str) -> None:
    assert guard(cell) == cell
