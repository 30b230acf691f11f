"""The command `import`: regions, shops, advisors and customers from a file."""

import csv
from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from console.api.operating import ImportOut, ProblemOut, RowIn, SheetIn, import_rows
from domain.errors import InvalidError
from gateway.cli.office import Office, working
from gateway.cli.shell import Shell, command, screen
from services import directory
from services.directory.rows import Problem
from services.directory.sheets import Sheet, guard
from storage.clock import host_clock

_SHOWN = 20


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "table",
    type=click.Choice(["regions", "shops", "advisors", "customers"]),
    help="What the rows are, where the file has another name.",
)
@click.option("--dry-run", is_flag=True, help="Only check the file.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the problems into this CSV file.")
@command
async def import_file(shell: Shell, file: Path, table: str | None, dry_run: bool, report: Path | None) -> None:
    """Import regions, shops, advisors and customers from FILE (YAML, CSV or XLSX).

    A file with one problem saves nothing. The same file again changes nothing, and completes an import that broke off.
    """
    sheets = directory.read_file(file, table)
    async with working(shell) as office:
        brand, now = office.caller.brand, host_clock()
        problems = await office.db.read(lambda tx: directory.check(tx, office.world, brand, sheets, now))
        if problems:
            raise _refusal(shell, problems, report)
        saved = 0 if dry_run else await _save(office, sheets, quiet=shell.as_json)
    rows = sum(len(sheet.rows) for sheet in sheets)
    done = f"{rows} rows are in order; nothing was saved." if dry_run else f"{saved} rows saved."
    shell.show(ImportOut(saved=saved, problems=[]), done)


def _refusal(shell: Shell, problems: Sequence[Problem], report: Path | None) -> Exception:
    if report is not None:
        _write_report(report, problems)
    if shell.as_json:
        listed = [_out(problem) for problem in problems]
        shell.show(ImportOut(saved=0, problems=listed))
        return click.exceptions.Exit(2)
    lines = [str(problem) for problem in problems[:_SHOWN]]
    more = f" (the first {_SHOWN} are shown)" if len(problems) > _SHOWN else ""
    lines.append(f"{len(problems)} problems{more}; nothing was saved")
    return InvalidError("\n".join(lines))


def _out(problem: Problem) -> ProblemOut:
    return ProblemOut(where=problem.place.where, line=problem.place.line, field=problem.field, text=problem.text)


def _write_report(report: Path, problems: Sequence[Problem]) -> None:
    try:
        # The mark at the beginning tells spreadsheet programs that it is UTF-8.
        with report.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "line", "column", "problem"))
            for one in problems:
                cells = (one.place.where, str(one.place.line), one.field, one.text)
                writer.writerow([guard(cell) for cell in cells])
    except OSError as error:
        raise InvalidError(f"{report}: cannot be written ({error.strerror})") from error


async def _save(office: Office, sheets: Sequence[Sheet], *, quiet: bool) -> int:
    saved = 0
    console = screen()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("saving", total=sum(len(sheet.rows) for sheet in sheets))
        for page in directory.paged(sheets):
            rows = [RowIn(line=row.line, cells=dict(row.cells)) for row in page.rows]
            answer = await office.ask(import_rows, body=SheetIn(table=page.name, where=page.where, rows=rows))
            if answer.problems:
                first = answer.problems[0]
                raise InvalidError(
                    f"{first.where}:{first.line}: {first.field}: {first.text}: the data changed during the import; "
                    f"{saved} rows are saved, run the import again"
                )
            saved += answer.saved
            progress.advance(task, answer.saved)
    return saved
