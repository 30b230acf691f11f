"""Write the next step of the schema: `python -m storage.migrations "what changes"`.

The step is what separates the tables from the newest schema. Read it before it is kept: a renamed column looks like
one dropped and one added, and only a person knows better.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sqlalchemy import create_engine

from storage.migrate import new_step, upgrade
from storage.tables import metadata


def main(arguments: list[str]) -> int:
    """Exit code 0 and the new file's name, or 2 and how to call it."""
    if len(arguments) != 1 or not arguments[0].strip():
        sys.stderr.write('usage: python -m storage.migrations "what changes"\n')
        return 2
    with tempfile.TemporaryDirectory() as directory:
        engine = create_engine(f"sqlite:///{Path(directory) / 'schema.db'}")
        with engine.begin() as connection:
            upgrade(connection)
            made = new_step(connection, metadata, arguments[0].strip())
        engine.dispose()
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
