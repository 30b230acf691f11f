"""Runs commands one after another in a process of its own and prints what each said: `python -m tests.flow.cli_calls < calls.json`.

A call is a list of arguments; `@id` in it stands for the id of the campaign or token that the last `--json` output told.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from click.testing import CliRunner

from gateway.cli.program import program


def main() -> None:
    """Read the calls, run them, print the results."""
    known, results = "", []
    for call in json.load(sys.stdin):
        arguments = [known if argument == "@id" else argument for argument in call]
        done = CliRunner().invoke(program, arguments, prog_name="advisor-gateway")
        facts = _facts(done.stdout)
        known = _id_in(facts) or known
        results.append(
            {"call": arguments, "code": done.exit_code, "out": done.stdout, "err": done.stderr, "facts": facts}
        )
    json.dump(results, sys.stdout, ensure_ascii=False)


def _facts(output: str) -> Any:
    try:
        return json.loads(output)
    except ValueError:
        return None


def _id_in(facts: Any) -> str:
    campaign = facts.get("campaign") if isinstance(facts, dict) else None
    return str(campaign["id"]) if isinstance(campaign, dict) else ""


if __name__ == "__main__":
    main()
