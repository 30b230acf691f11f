"""What every command shares: where the configuration is, how facts and errors are printed, and the exit codes.

0 done · 1 it could not be done, or something is wrong with the gateway · 2 what was typed or written is wrong
"""

import asyncio
import functools
import importlib
import importlib.util
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from console.api.errors import UnavailableError, body_of
from domain.errors import ProblemError
from gateway.config import ConfigError, load
from gateway.settings import Config
from storage.errors import StorageError

DEFAULT_FILE = Path("config.yaml")
VARIABLE = "ADVISOR_CONFIG"
LOG_NAME = "advisor-gateway.log"


@dataclass
class Shell:
    """One call of the command line. The configuration is read when it is first needed, and once."""

    config_file: Path | None
    brand: str
    as_json: bool

    @functools.cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigError."""
        return load(self.found_file())

    def found_file(self) -> Path:
        """--config, else ADVISOR_CONFIG, else ./config.yaml. Raises ConfigError."""
        named = self.config_file or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        path = named or DEFAULT_FILE
        if not path.is_file():
            how = "name one with --config FILE or ADVISOR_CONFIG, or try `advisor-gateway demo`"
            raise ConfigError([f"{path}: there is no such configuration file: {how}"])
        return path

    def show(self, result: BaseModel, *lines: str) -> None:
        """Print the facts of `result` as JSON where that was asked for, else `lines` for people."""
        click.echo(result.model_dump_json(indent=2) if self.as_json else "\n".join(lines))

    def show_table(
        self, result: BaseModel, columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str
    ) -> None:
        """Print the facts as JSON where that was asked for, else as a table; `nothing` says that it is empty."""
        if self.as_json:
            click.echo(result.model_dump_json(indent=2))
            return
        if not rows:
            click.echo(nothing)
            return
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        screen().print(table)


def screen() -> Console:
    """Where tables and bars go; wide where the output is no terminal, so that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)


def at(ms: int | None, timezone: str) -> str:
    """A time as people of the brand read it; a dash for none."""
    return "-" if ms is None else datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S")


Body = Callable[..., Coroutine[Any, Any, None]]


def command(body: Body) -> Callable[..., None]:
    """A command: `body` with a Shell as its first argument, the common options, and one line for whatever goes wrong."""

    @click.option("--config", "config_file", type=click.Path(path_type=Path), help="The configuration file.")
    @click.option("--brand", default="", help="The brand, where there are several.")
    @click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
    @functools.wraps(body)
    def run(config_file: Path | None, brand: str, as_json: bool, **values: Any) -> None:
        shell = Shell(config_file, brand, as_json)
        _run(lambda: body(shell, **values), as_json=as_json)

    return run


def told_in_one_line(body: Body) -> Callable[..., None]:
    """A command without the common options."""

    @functools.wraps(body)
    def run(**values: Any) -> None:
        _run(lambda: body(**values), as_json=False)

    return run


def _run(begin: Callable[[], Coroutine[Any, Any, None]], *, as_json: bool) -> None:
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(begin())
    except Exception as error:
        fail(error, as_json=as_json)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The quicker loop of the extra `speed`, where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory


def fail(error: Exception, *, as_json: bool) -> NoReturn:
    """Say what went wrong in one line (or one for each problem of a file) and end."""
    if isinstance(error, click.exceptions.Exit | click.ClickException | click.Abort):
        raise error
    code, text = _told(error)
    if as_json:
        problem = error if isinstance(error, ProblemError) else ProblemError(text)
        click.echo(json.dumps(body_of(problem), ensure_ascii=False, indent=2))
    click.echo(text, err=True)
    sys.exit(code)


def _told(error: Exception) -> tuple[int, str]:
    match error:
        case UnavailableError():
            return 1, error.message
        case ProblemError():
            return 2, f"{error.field}: {error.message}" if error.field and "\n" not in error.message else error.message
        case ConfigError():
            return 2, str(error)
        case StorageError():
            return 1, str(error)
        case _:
            return 1, f"an unexpected error ({type(error).__name__}), which is our fault; {_logged(error)}"


def _logged(error: Exception) -> str:
    path = Path(tempfile.gettempdir()) / f"{LOG_NAME}.{os.getuid()}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    except OSError as trouble:
        return f"it could not be logged either ({trouble.strerror})"
    return f"the log is {path}"
