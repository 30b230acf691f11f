"""Bringing a database to the schema of this program, in process, on a connection that is handed in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from storage.errors import Refused

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "alembic_version"


def upgrade(connection: Connection) -> list[str]:
    """Apply every step that is missing, inside the caller's transaction; returns notes for the operator.

    A database ahead of this program is left alone: steps are made so that one version older still works.
    """
    config = _config(connection)
    if _is_ahead(connection):
        return [_ahead(connection)]
    _take_turns(connection)
    command.upgrade(config, "head")
    return []


def require_current(connection: Connection) -> list[str]:
    """Like `upgrade`, but changes nothing. Raises Refused when steps are missing."""
    have, need = current(connection), head()
    if have == need:
        return []
    if _is_ahead(connection):
        return [_ahead(connection)]
    raise Refused(f"the database has schema {have or 'none'}, this program needs {need}: run `advisor-gateway migrate`")


def current(connection: Connection) -> str | None:
    """The step the database is at; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest step this program knows; None when there is none yet."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def differences(connection: Connection, metadata: MetaData) -> Sequence[Any]:
    """What alembic would still change to turn the database into `metadata`; empty when they agree."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": default_differs}
    )
    found: Sequence[Any] = compare_metadata(context, metadata)
    return found


def new_step(connection: Connection, metadata: MetaData, message: str) -> Path:
    """Write the step from the newest schema (which `connection` must have) to `metadata`; returns its file."""
    config = _config(connection)
    config.attributes["metadata"] = metadata
    number = sum(1 for _ in ScriptDirectory.from_config(config).walk_revisions()) + 1
    made = command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
    if made is None or isinstance(made, list):
        raise Refused(f"alembic wrote no step for {message!r}")
    return Path(made.path)


def default_differs(
    _context: object, _column: object, _wanted: object, have: str | None, _default: object, want: str | None
) -> bool:
    """Alembic's question about a column's default; its own answer takes an empty text for a change on SQLite."""
    return _plain_default(have) != _plain_default(want)


def _plain_default(rendered: str | None) -> str | None:
    """A default without what an engine adds to it: parentheses, PostgreSQL's cast, quotes."""
    return None if rendered is None else rendered.strip("()").partition("::")[0].strip("'")


def _is_ahead(connection: Connection) -> bool:
    have = current(connection)
    known = {step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()}
    return have is not None and have not in known


def _ahead(connection: Connection) -> str:
    return f"the database has schema {current(connection)}, which is newer than this program: update the program soon"


def _take_turns(connection: Connection) -> None:
    """Let one node migrate at a time. SQLite needs nothing: its transaction holds the file."""
    if connection.dialect.name != "postgresql":
        return
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} "
        f"(version_num VARCHAR(32) NOT NULL, CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"LOCK TABLE {VERSION_TABLE} IN ACCESS EXCLUSIVE MODE")


def _config(connection: Connection | None = None) -> Config:
    config = Config(stdout=io.StringIO())
    # A percent sign starts an interpolation in alembic's configuration.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes |= {"connection": connection, "compare_server_default": default_differs}
    return config
