"""The ledger and the journal: numbered, appended, durable before the answer, whole after a crash."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from emulator.database import Database, Row
from emulator.journal import Journal
from emulator.ledger import Ledger
from tests.emulator.stand import Stand


def entry(text: str) -> dict[str, Any]:
    return {"api": "x", "body": {"text": text}}


def texts(lines: list[dict[str, Any]]) -> list[str]:
    return [line["body"]["text"] for line in lines]


def test_lines_are_numbered_from_one_and_read_from_anywhere(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([entry("a"), entry("茶")])
    ledger.append([entry("c")])
    assert [line["n"] for line in ledger.read()] == [1, 2, 3]
    assert texts(ledger.read(since=1, limit=1)) == ["茶"]
    assert ledger.read(since=3) == ledger.read(limit=0) == ledger.read(since=99) == []
    ledger.close()


def test_an_earlier_file_is_continued(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.append([entry("a")])
    first.close()
    again = Ledger(tmp_path)
    again.append([entry("b")])
    assert [(line["n"], line["body"]["text"]) for line in again.read()] == [(1, "a"), (2, "b")]
    again.close()


def test_a_line_torn_by_a_crash_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([entry("a"), entry("b")])
    ledger.close()
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    torn = Ledger(tmp_path)
    torn.append([entry("c")])
    assert [(line["n"], line["body"]["text"]) for line in torn.read()] == [(1, "a"), (2, "c")]
    torn.close()


def test_what_could_not_be_written_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([entry("a")])

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            ledger.append([entry("lost")])
    ledger.append([entry("b")])
    assert [(line["n"], line["body"]["text"]) for line in ledger.read()] == [(1, "a"), (2, "b")]
    ledger.close()


def test_a_new_start_keeps_the_old_file_aside(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for text in ("a", "b"):
        ledger.append([entry(text)])
        ledger.start_anew()
    assert ledger.read() == []
    ledger.append([entry("c")])
    assert ledger.read()[0]["n"] == 1
    ledger.close()
    kept = [json.loads((tmp_path / f"ledger.{n}.jsonl").read_text())["body"]["text"] for n in (1, 2)]
    assert kept == ["a", "b"]


async def test_commit_returns_only_after_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, ledger = Database(tmp_path), Ledger(tmp_path)
    journal = Journal(database, ledger)
    order: list[str] = []
    real = os.fdatasync

    def slow(file: int) -> None:
        real(file)
        order.append("synced")

    monkeypatch.setattr(os, "fdatasync", slow)
    journal.line(entry("a"))
    journal.record("kind", "key", {"value": 1})
    journal.row(Row("message", 1, "thread", "", {"id": 1}))
    journal.afterwards(lambda: order.append("told"))
    await journal.commit()
    order.append("committed")
    assert order == ["synced", "told", "committed"]
    assert dict(database.records("kind")) == {"key": {"value": 1}}
    await journal.stop()
    database.close()
    ledger.close()


async def test_many_commits_share_few_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, ledger = Database(tmp_path), Ledger(tmp_path)
    journal = Journal(database, ledger)
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)

    async def one(n: int) -> None:
        journal.line(entry(str(n)))
        await journal.commit()

    await asyncio.gather(*(one(n) for n in range(200)))
    assert len(ledger.read()) == 200
    assert len(syncs) <= 3
    await journal.stop()
    database.close()
    ledger.close()


async def test_a_cancelled_caller_disturbs_no_other(tmp_path: Path) -> None:
    database, ledger = Database(tmp_path), Ledger(tmp_path)
    journal = Journal(database, ledger)
    journal.line(entry("a"))
    impatient, patient = asyncio.create_task(journal.commit()), asyncio.create_task(journal.commit())
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert impatient.cancelled()
    assert texts(ledger.read()) == ["a"]
    await journal.stop()
    database.close()
    ledger.close()


async def test_a_call_that_cannot_be_written_is_not_accepted(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    openid, token = await stand.customer(), await stand.token()

    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    body = {"touser": openid, "msgtype": "text", "text": {"content": "hello"}}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        answer = await stand.wechat("message/custom/send", body, access_token=token)
    assert answer["errcode"] == -1
    assert await stand.ledger("message/custom/send") == []
    assert await stand.thread(openid) == []
    assert (await stand.wechat("message/custom/send", body, access_token=token))["errcode"] == 0


async def test_the_ledger_is_read_in_pages(stand: Stand) -> None:
    await stand.notify("@all")
    lines = await stand.ledger()
    assert [line["n"] for line in lines] == [1, 2, 3, 4]
    page = (await stand.view("ledger", since="1", limit="2"))["lines"]
    assert [line["n"] for line in page] == [2, 3]
    file = stand.directory / "ledger.jsonl"
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines
