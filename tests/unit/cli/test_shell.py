"""Errors in one line, exit codes, times."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from console.api.errors import UnavailableError
from domain.errors import ConflictError, InvalidError, NotFoundError
from gateway.cli.shell import Shell, at, command
from gateway.config import ConfigError
from storage.errors import Locked, Unavailable


def saying(error: Exception) -> click.Command:
    @click.command()
    @command
    async def broken(shell: Shell) -> None:
        raise error

    return broken


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InvalidError("no shop", field="audience.shop"), 2, "audience.shop: no shop"),
        (InvalidError("a.csv:1: x\na.csv:2: y", field="x"), 2, "a.csv:1: x\na.csv:2: y"),
        (NotFoundError("there is none"), 2, "there is none"),
        (ConflictError("it is paused"), 2, "it is paused"),
        (ConfigError(["config.yaml:1: a", "config.yaml:2: b"]), 2, "config.yaml:1: a\nconfig.yaml:2: b"),
        (Locked("held by 7"), 1, "held by 7"),
        (Unavailable("the disk is full"), 1, "the disk is full"),
        (UnavailableError("the node broke off"), 1, "the node broke off"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line_and_by_the_exit_code(error: Exception, code: int, text: str) -> None:
    done = CliRunner().invoke(saying(error))
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", text + "\n")


def test_errors_are_json_where_facts_are() -> None:
    done = CliRunner().invoke(saying(InvalidError("no shop", field="shop")), ["--json"])
    assert json.loads(done.stdout) == {"error": {"code": "invalid", "message": "no shop", "field": "shop"}}


def test_nobody_sees_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = CliRunner().invoke(saying(ZeroDivisionError("secret detail")))
    (log,) = tmp_path.iterdir()
    assert done.exit_code == 1
    assert done.stderr == f"an unexpected error (ZeroDivisionError), which is our fault; the log is {log}\n"
    assert "secret detail" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0


def test_times_are_the_brand_s() -> None:
    assert at(1_796_090_400_000, "Asia/Shanghai") == "2026-12-01 10:00:00"
    assert at(None, "Asia/Shanghai") == "-"


@pytest.mark.parametrize(
    ("arrange", "found"),
    [
        (lambda monkeypatch, folder: monkeypatch.setenv("ADVISOR_CONFIG", str(folder / "named.yaml")), "named.yaml"),
        (lambda monkeypatch, folder: monkeypatch.delenv("ADVISOR_CONFIG", raising=False), "config.yaml"),
    ],
)
def test_the_configuration_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrange: Callable[..., None], found: str
) -> None:
    for name in ("named.yaml", "config.yaml", "option.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    arrange(monkeypatch, tmp_path)
    assert Shell(None, "", as_json=False).found_file().name == found
    assert Shell(tmp_path / "option.yaml", "", as_json=False).found_file().name == "option.yaml"
