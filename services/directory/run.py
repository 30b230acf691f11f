"""Checking and saving an import: the two use cases of this package."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.ids import BrandId
from domain.people import Side
from services.directory.cells import Defaults, read_rows
from services.directory.check import Known, check_rows, look_up
from services.directory.rows import Problem, Rows
from services.directory.save import Importer, save_advisors, save_customers, save_places
from services.directory.sheets import Sheet
from services.world import World
from storage import audit


@dataclass(frozen=True, slots=True)
class Saved:
    """How many rows of each table an import saved; none when there were problems."""

    regions: int = 0
    shops: int = 0
    advisors: int = 0
    customers: int = 0
    problems: tuple[Problem, ...] = ()


def check(tx: Connection, world: World, brand: BrandId, sheets: Sequence[Sheet], now: int) -> list[Problem]:
    """Everything that stands against importing these sheets, in the order of their lines. Reads only."""
    rows, _ = _checked(tx, world, brand, sheets, now)
    return _sorted(rows.problems)


def save(tx: Connection, world: World, brand: BrandId, sheets: Sequence[Sheet], actor: str, now: int) -> Saved:
    """Check these sheets and save them; with any problem nothing is saved and the problems are returned."""
    rows, known = _checked(tx, world, brand, sheets, now)
    if rows.problems:
        return Saved(problems=tuple(_sorted(rows.problems)))
    work = Importer(tx, world, brand, actor, now)
    save_places(work, rows)
    save_advisors(work, rows.advisors, known)
    save_customers(work, rows.customers, known)
    saved = Saved(len(rows.regions), len(rows.shops), len(rows.advisors), len(rows.customers))
    for sheet in sheets:
        details = {"rows": len(sheet.rows), "first_line": sheet.rows[0].line if sheet.rows else 0}
        audit.record(tx, brand, actor, "import", sheet.where, details, now)
    return saved


def _checked(tx: Connection, world: World, brand: BrandId, sheets: Sequence[Sheet], now: int) -> tuple[Rows, Known]:
    rows = read_rows(sheets, _defaults(world, brand, now))
    known = look_up(tx, brand, rows)
    check_rows(tx, world, brand, rows, known)
    return rows, known


def _defaults(world: World, brand: BrandId, now: int) -> Defaults:
    return Defaults(
        _only(world, brand, Side.CUSTOMER), _only(world, brand, Side.ADVISOR), world.brands[brand].timezone, now
    )


def _only(world: World, brand: BrandId, side: Side) -> str:
    accounts = world.accounts_of(brand, side)
    return accounts[0].id if len(accounts) == 1 else ""


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (problem.place.where, problem.place.line))
