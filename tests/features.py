"""`make features`: each feature and scenario with the tests that prove it. Fails when a named test is missing, was skipped or did not pass.

docs/features.toml holds one table for each row: `title`, and either `tests` (the proof) or `planned` (what is still to come).
"""

from __future__ import annotations

import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATURES = Path(__file__).parent.parent / "docs" / "features.toml"


@dataclass(frozen=True, slots=True)
class Row:
    """One feature or scenario."""

    id: str
    title: str
    tests: Sequence[str]
    planned: str


def read_rows(path: Path) -> list[Row]:
    """The rows of features.toml, in its order. Raises ValueError for a row that neither is proven nor says what is to come."""
    rows = []
    for row_id, values in tomllib.loads(path.read_text("utf-8")).items():
        row = Row(row_id, values["title"], values.get("tests", ()), values.get("planned", ""))
        if not row.tests and not row.planned:
            raise ValueError(f"{path.name}: {row_id}: either `tests` or `planned` is needed")
        rows.append(row)
    return rows


def read_outcomes(report: Path) -> Mapping[str, set[str]]:
    """Test id without parameters -> how its cases ended (passed, failed, skipped)."""
    outcomes: dict[str, set[str]] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - our own pytest wrote it
        module = case.attrib["classname"].replace(".", "/") + ".py"
        name = case.attrib["name"].partition("[")[0]
        outcomes.setdefault(f"{module}::{name}", set()).add(_outcome(case))
    return outcomes


def _outcome(case: ET.Element) -> str:
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if case.find(tag) is not None:
            return outcome
    return "passed"


def problems(rows: Sequence[Row], outcomes: Mapping[str, set[str]]) -> list[str]:
    """What is wrong with the proofs, a line each."""
    found = []
    for row in rows:
        for test in row.tests:
            ended = outcomes.get(test)
            if ended is None:
                found.append(f"{row.id}: {test} did not run")
            elif ended != {"passed"}:
                found.append(f"{row.id}: {test}: {', '.join(sorted(ended))}")
    return found


def table(rows: Sequence[Row]) -> str:
    """The rows as lines for people."""
    lines = [f"{row.id:>4}  {row.title:<72} {_proof(row)}" for row in rows]
    proven = sum(bool(row.tests) for row in rows)
    return "\n".join([*lines, f"{proven} of {len(rows)} rows are proven by tests that ran"])


def _proof(row: Row) -> str:
    partly = f" · to come: {row.planned}" if row.planned else ""
    return f"{len(row.tests)} tests{partly}" if row.tests else f"to come: {row.planned}"


def main(arguments: Sequence[Any]) -> int:
    """Exit code 1 when a proof is missing."""
    rows = read_rows(FEATURES)
    found = problems(rows, read_outcomes(Path(arguments[0])))
    print(table(rows))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
