"""What the cells of an import mean. Whatever cannot be read becomes a problem with its line; reading goes on."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.directory.rows import AdvisorRow, ConsentProof, CustomerRow, Place, Problem, RegionRow, Rows, ShopRow
from services.directory.sheets import Row, Sheet

MAX_NAME = 64
MAX_TAGS = 50
_CODE = re.compile(r"\w[\w.-]{0,63}\Z")
_PLATFORM_ID = re.compile(r"[A-Za-z0-9_@.-]{1,64}\Z")
_MOMENT = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?\s*(Z|[+-]\d{2}:\d{2})?\Z",
    re.ASCII,
)
_TAG_SEPARATORS = re.compile(r"[;；、,，|]")
_YES = frozenset({"yes", "y", "true", "1", "是", "在职"})
_NO = frozenset({"no", "n", "false", "0", "否", "离职"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, with the headings people also use for it."""

    name: str
    also: tuple[str, ...] = ()
    required: bool = False


_CODE_COLUMN = Column("code", ("编码", "编号", "代码"), required=True)
_NAME_COLUMN = Column("name", ("名称", "姓名"), required=True)

TABLES: Mapping[str, tuple[Column, ...]] = {
    "regions": (_CODE_COLUMN, _NAME_COLUMN),
    "shops": (_CODE_COLUMN, _NAME_COLUMN, Column("region", ("大区", "区域"), required=True)),
    "advisors": (
        Column("code", ("工号", "编码", "编号"), required=True),
        _NAME_COLUMN,
        Column("shop", ("门店", "所属门店"), required=True),
        Column("work_id", ("企业微信账号", "工作账号"), required=True),
        Column("work_account", ("工作应用",)),
        Column("persona", ("客服账号",)),
        Column("own_id", ("本人OpenID",)),
        Column("active", ("在职", "状态")),
    ),
    "customers": (
        Column("reference", ("会员号", "顾客编号"), required=True),
        Column("profile_name", ("会员姓名", "昵称")),
        Column("tags", ("标签",)),
        Column("remark", ("备注",)),
        Column("advisor", ("导购", "专属顾问")),
        Column("consent_version", ("授权版本",)),
        Column("consent_at", ("授权时间",)),
        Column("openid", ("OpenID",)),
        Column("account", ("公众号",)),
    ),
}
"""The tables of an import in the order they are saved, with their columns."""

_TABLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "regions": ("大区", "区域"),
    "shops": ("门店",),
    "advisors": ("导购", "专属顾问"),
    "customers": ("顾客", "会员"),
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an empty cell means: the brand's only account on either side, its time zone. `now` bounds consents."""

    customer_account: str
    work_account: str
    timezone: str
    now: int


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "lan"?` where something known is near, else nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{found[0]}"?' if found else ""


def read_rows(sheets: Sequence[Sheet], defaults: Defaults) -> Rows:
    """Every row of every sheet, as far as its cells can be read alone; what cannot is in `problems`."""
    rows = Rows()
    for sheet in sheets:
        name = table_name(sheet.name)
        if not name:
            rows.problems.append(_no_table(sheet))
            continue
        headings = _headings(name, sheet, rows)
        for row in sheet.rows if headings is not None else ():
            _add(name, rows, _Cells(Place(sheet.where, row.line), row, headings or {}, rows.problems), defaults)
    return rows


def table_name(written: str) -> str:
    """The table that a sheet's or file's name means; empty when it means none."""
    wanted = written.strip().casefold()
    return next((name for name, also in _TABLE_NAMES.items() if wanted == name or wanted in also), "")


def _no_table(sheet: Sheet) -> Problem:
    line = sheet.rows[0].line if sheet.rows else 1
    text = f'"{sheet.name}" is no table; the tables are {", ".join(TABLES)}{nearest(sheet.name.casefold(), TABLES)}'
    return Problem(Place(sheet.where, line), "", text)


def _headings(name: str, sheet: Sheet, rows: Rows) -> Mapping[str, str] | None:
    """The heading of each column that the sheet has, or None when a heading is unknown, double or missing."""
    spellings = {
        spelling.casefold(): column.name for column in TABLES[name] for spelling in (column.name, *column.also)
    }
    place = Place(sheet.where, sheet.rows[0].line if sheet.rows else 1)
    before = len(rows.problems)
    found: dict[str, str] = {}
    for heading in sheet.columns:
        column = spellings.get(heading.casefold())
        if column is None:
            text = f'{name} have no column "{heading}"{nearest(heading.casefold(), spellings)}'
            rows.problems.append(Problem(place, heading, text))
        elif column in found:
            rows.problems.append(Problem(place, heading, f'the same column as "{found[column]}"'))
        else:
            found[column] = heading
    missing = [column.name for column in TABLES[name] if column.required and column.name not in found]
    if sheet.rows:
        rows.problems.extend(Problem(place, column, f"{name} need this column") for column in missing)
    return found if len(rows.problems) == before else None


class _Cells:
    """The cells of one row; what is wrong with them goes to `problems`."""

    def __init__(self, place: Place, row: Row, headings: Mapping[str, str], problems: list[Problem]) -> None:
        self.place = place
        self._row = row
        self._headings = headings
        self._problems = problems

    def fail(self, column: str, text: str) -> None:
        self._problems.append(Problem(self.place, self._headings.get(column, column), text))

    def raw(self, column: str) -> str | None:
        """The text of a cell; None where the row has no such column."""
        heading = self._headings.get(column)
        return self._row.cells.get(heading) if heading else None

    def text(self, column: str, limit: int = MAX_NAME) -> str:
        value = self.raw(column) or ""
        if len(value) > limit:
            self.fail(column, f"{len(value)} characters, at most {limit}")
        if any(not char.isprintable() for char in value):
            self.fail(column, "holds a line break or an invisible character")
        return value

    def filled(self, column: str) -> str:
        value = self.text(column)
        if not value:
            self.fail(column, "is empty")
        return value

    def optional(self, column: str) -> str | None:
        return None if self.raw(column) is None else self.text(column)

    def code(self, column: str) -> str:
        value = self.filled(column)
        if value and not _CODE.match(value):
            self.fail(column, f'"{value}" is no code: letters, digits, dot, dash and underline, at most 64')
        return value

    def platform_id(self, column: str) -> str:
        value = self.text(column)
        if value and not _PLATFORM_ID.match(value):
            self.fail(column, f'"{value}" cannot be an id of a platform')
        return value

    def flag(self, column: str) -> bool | None:
        value = (self.raw(column) or "").casefold()
        if value and value not in _YES | _NO:
            self.fail(column, f'"{value}" is neither yes nor no')
        return value in _YES if value else None

    def tags(self, column: str) -> tuple[str, ...] | None:
        value = self.raw(column)
        if value is None:
            return None
        found = tuple(dict.fromkeys(tag.strip() for tag in _TAG_SEPARATORS.split(value) if tag.strip()))
        if len(found) > MAX_TAGS or any(len(tag) > MAX_NAME for tag in found):
            self.fail(column, f"at most {MAX_TAGS} tags of at most {MAX_NAME} characters")
        return found


def _add(name: str, rows: Rows, cells: _Cells, defaults: Defaults) -> None:
    match name:
        case "regions":
            rows.regions.append(RegionRow(cells.place, cells.code("code"), cells.filled("name")))
        case "shops":
            shop = ShopRow(cells.place, cells.code("code"), cells.filled("name"), cells.filled("region"))
            rows.shops.append(shop)
        case "advisors":
            rows.advisors.append(_advisor(cells, defaults))
        case "customers":
            rows.customers.append(_customer(cells, defaults))


def _advisor(cells: _Cells, defaults: Defaults) -> AdvisorRow:
    cells.filled("work_id")
    return AdvisorRow(
        place=cells.place,
        code=cells.code("code"),
        name=cells.filled("name"),
        shop=cells.filled("shop"),
        # WeCom compares member ids without case and answers them in lower case.
        work_id=cells.platform_id("work_id").casefold(),
        work_account=cells.text("work_account") or defaults.work_account,
        persona=cells.optional("persona"),
        own_id=cells.optional("own_id"),
        active=cells.flag("active"),
    )


def _customer(cells: _Cells, defaults: Defaults) -> CustomerRow:
    return CustomerRow(
        place=cells.place,
        reference=cells.code("reference"),
        profile_name=cells.optional("profile_name"),
        tags=cells.tags("tags"),
        remark=cells.optional("remark"),
        advisor=cells.text("advisor"),
        consent=_consent(cells, defaults),
        openid=cells.platform_id("openid"),
        account=cells.text("account") or defaults.customer_account,
    )


def _consent(cells: _Cells, defaults: Defaults) -> ConsentProof | None:
    version, written = cells.text("consent_version"), cells.text("consent_at")
    if not version and not written:
        return None
    if not version or not written:
        cells.fail("consent_at" if version else "consent_version", "a consent needs both its version and its time")
        return None
    at = _moment(written, defaults.timezone)
    if at is None:
        cells.fail("consent_at", f'"{written}" is no time: write 2026-11-01 or 2026-11-01 09:30')
        return None
    if at > defaults.now:
        cells.fail("consent_at", f'"{written}" is in the future')
    return ConsentProof(version, at)


def _moment(written: str, timezone: str) -> int | None:
    found = _MOMENT.match(written)
    if not found:
        return None
    *numbers, offset = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    zone = datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo if offset else ZoneInfo(timezone)
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
