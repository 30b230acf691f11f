"""Every command on a real data directory, in processes of their own: while a node runs, and while none does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from domain.calls import decode_call
from domain.messages import Inbound, Kind, Text
from gateway.control import short_path
from services.decisions import MAYBE_TWICE
from storage.engine import Database
from storage.inbox import Arrival, accept
from storage.lock import NodeLock
from storage.tables.queue import inbox, outbox
from storage.tables.talk import messages
from tests.clock import FakeClock
from tests.configuration import configuration, free_port, write_configuration
from tests.stage import BRAND, OA, Stage

NOWHERE = "http://127.0.0.1:9"
ORG = """
regions: [{code: south, name: 华南}]
shops: [{code: tianhe, name: 天河店, region: south}]
advisors: [{code: he, name: 小荷, shop: tianhe, work_id: he}]
"""
CUSTOMERS = "reference,profile_name,advisor,consent_version,consent_at,openid\nM1,周女士,he,2025-01,2025-06-01,oM1\n"
BROKEN = "reference,advisor\nM2,hee\nM2,\n"
TEMPLATES = "- code: new\n  name: 新茶\n  kind: text\n  text: '{{ shop.name }}的新茶到了'\n"
PUSH = "name: 春茶\ntemplate: new\naudience: all_bound\nat: 2030-01-01 10:00\n"
BAD_PUSH = "name: 春茶\ntemplate: new\naudience:\n  shop: tianhi\nat: 2030-01-01 10:00\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory with a small brand in it, and what waits there for a person."""

    folder: Path
    config: Path
    unknown: str
    parked: str
    message: str

    @property
    def url(self) -> str:
        """The database."""
        return f"sqlite:///{self.folder / 'data' / 'gateway.db'}"

    async def run(self, calls: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Run commands in one process; what each said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.flow.cli_calls",
            env={**os.environ, "ADVISOR_CONFIG": str(self.config)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(json.dumps(calls).encode())
        assert process.returncode == 0, err.decode()
        results: list[dict[str, Any]] = json.loads(out)
        for result in results:
            assert "Traceback" not in result["out"] + result["err"], result
        return results


@pytest.fixture
async def place(tmp_path: Path, migrated_sqlite: Path, clock: FakeClock) -> Place:
    """A data directory nobody holds."""
    data = tmp_path / "data"
    data.mkdir()
    config = write_configuration(
        tmp_path / "config.yaml", configuration(data, port=free_port(), internal_port=free_port(), emulator=NOWHERE)
    )
    for name, content in (
        ("org.yaml", ORG),
        ("customers.csv", CUSTOMERS),
        ("broken.csv", BROKEN),
        ("templates.yaml", TEMPLATES),
        ("push.yaml", PUSH),
        ("bad_push.yaml", BAD_PUSH),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    (data / "gateway.db").write_bytes(migrated_sqlite.read_bytes())
    url = f"sqlite:///{data / 'gateway.db'}"
    async with await Database.open(url, data_dir=data, clock=clock, min_free_mb=1) as db:
        stage = await Stage(db, clock).set_up()
        await stage.bind("oAAA", 0)
        await stage.writes("oAAA", "在吗")
        await stage.answers(0, "在的")
        unknown, parked, message = await db.write(_break)
    return Place(tmp_path, config, unknown, parked, message)


def _break(tx: Connection) -> tuple[str, str, str]:
    """Make a send unknown and an event parked; their ids, and that of a customer's message."""
    answers = select(outbox.c.id).where(outbox.c.recipient == "oAAA").order_by(outbox.c.n.desc())
    unknown = str(tx.execute(answers).scalars().first())
    tx.execute(update(outbox).where(outbox.c.id == unknown).values(state="unknown", reason="connection_lost"))
    accept(tx, [(Arrival(BRAND.id, _event()), 1)])
    tx.execute(update(inbox).values(state="parked", attempts=5, error="boom"))
    parked = str(tx.execute(select(inbox.c.id)).scalar_one())
    message = str(tx.execute(select(messages.c.id).where(messages.c.author == "customer")).scalars().first())
    return unknown, parked, message


def _event() -> Inbound:
    return Inbound(OA.id, Kind.MESSAGE, "oAAA", "key1", "oa:oAAA", 1, Text("你好"))


@asynccontextmanager
async def node(place: Place) -> AsyncIterator[None]:
    """A node on this data directory, which works off nothing: what commands do stays to be seen."""
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(place.config), "--roles", "web"]
    with (place.folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        await _until_it_answers(place, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def _until_it_answers(place: Place, process: asyncio.subprocess.Process) -> None:
    with short_path(place.folder / "data") as address:
        for _ in range(3000):
            assert process.returncode is None, (place.folder / "serve.log").read_text(encoding="utf-8")
            try:
                _, writer = await asyncio.open_unix_connection(address)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
    raise AssertionError("the node does not answer at its control socket")


@pytest.fixture(params=["down", "up"])
async def anywhere(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Place]:
    """The place with no node, then with a node that holds it."""
    if request.param == "down":
        yield place
        return
    async with node(place):
        yield place


async def test_every_command_works_with_the_node_up_and_down(anywhere: Place) -> None:
    folder, unknown, parked = anywhere.folder, anywhere.unknown, anywhere.parked
    calls: list[tuple[list[str], int]] = [
        (["migrate"], 0),
        (["import", str(folder / "org.yaml")], 0),
        (["import", str(folder / "broken.csv"), "--as", "customers"], 2),
        (["import", str(folder / "customers.csv"), "--dry-run"], 0),
        (["import", str(folder / "customers.csv"), "--json"], 0),
        (["template", "save", str(folder / "templates.yaml")], 0),
        (["template", "list", "--json"], 0),
        (["campaign", "preview", str(folder / "push.yaml"), "--json"], 0),
        (["campaign", "schedule", str(folder / "bad_push.yaml")], 2),
        (["campaign", "schedule", str(folder / "push.yaml"), "--json"], 0),
        (["campaign", "schedule", str(folder / "push.yaml"), "--json"], 0),
        (["campaign", "list", "--json"], 0),
        (["campaign", "pause", "@id"], 0),
        (["campaign", "pause", "@id"], 2),
        (["campaign", "resume", "@id"], 0),
        (["campaign", "cancel", "@id"], 0),
        (["campaign", "status", "@id", "--watch", "--json"], 0),
        (["token", "create", "crm", "--role", "marketer", "--days", "30", "--json"], 0),
        (["token", "create", "crm"], 2),
        (["token", "revoke", "crm"], 0),
        (["token", "list", "--json"], 0),
        (["outbox", "--json"], 0),
        (["decide", unknown, "resend", "--json"], 0),
        (["decide", unknown, "give_up"], 2),
        (["inbox", "--json"], 0),
        (["redrive", "--json"], 0),
        (["redrive", "--json"], 0),
        (["alarms", "--json"], 0),
        (["why", anywhere.message], 0),
        (["why", "nothing"], 2),
        (["check", "--offline", "--deep", "--json"], 0),
        (["check", "--json"], 1),
    ]
    done = await anywhere.run([arguments for arguments, _ in calls])
    assert [(one["call"][:2], one["code"]) for one in done] == [
        (one["call"][:2], code) for one, (_, code) in zip(done, calls, strict=True)
    ], done
    facts = [one["facts"] for one in done]
    assert done[2]["err"].splitlines()[0] == 'broken.csv:2: advisor: no advisor "hee"; did you mean "he"?'
    assert facts[4] == {"saved": 1, "problems": []}
    assert [one["code"] for one in facts[6]["items"]] == ["new"]
    assert facts[7]["reachable"] == 2
    assert done[8]["err"].strip() == 'bad_push.yaml:4: audience.shop: no shop "tianhi"; did you mean "tianhe"?'
    assert facts[9]["campaign"]["id"] == facts[10]["campaign"]["id"]
    assert [one["id"] for one in facts[11]["items"]] == [facts[9]["campaign"]["id"]]
    assert facts[16]["campaign"]["state"] == "cancelled"
    assert facts[17]["secret"].startswith("agw_")
    assert facts[20]["items"][0]["revoked_at"] is not None
    assert [one["id"] for one in facts[21]["items"]] == [unknown]
    assert facts[22] == {"id": unknown, "state": "queued"}
    assert [one["id"] for one in facts[24]["items"]] == [parked]
    assert (facts[25], facts[26]) == ({"ids": [parked]}, {"ids": []})
    assert "bound advisor: 小兰" in done[28]["out"]
    assert facts[30]["ok"] is True
    levels = {point["what"]: point["level"] for point in facts[31]["points"]}
    assert (levels["account oa"], levels["account work"]) == ("problem", "problem")
    await _sees_what_was_done(anywhere)


async def _sees_what_was_done(place: Place) -> None:
    """The commands went into the database, not into some other place."""
    async with await Database.open_readonly(place.url) as db:
        call = await db.read(
            lambda tx: tx.execute(select(outbox.c.call).where(outbox.c.id == place.unknown)).scalar_one()
        )
        assert MAYBE_TWICE in json.dumps(json.loads(call), ensure_ascii=False)
        decode_call(json.loads(call))
        state = await db.read(
            lambda tx: tx.execute(select(inbox.c.state).where(inbox.c.id == place.parked)).scalar_one()
        )
        assert state == "queued"


async def _once(*arguments: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    """One true call of `python -m gateway`."""
    inherited = {name: value for name, value in os.environ.items() if name != "ADVISOR_CONFIG"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=cwd,
        env={**inherited, "PYTHONPATH": os.getcwd(), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_without_a_configuration_it_says_how_to_name_one(tmp_path: Path) -> None:
    assert await _once("check", cwd=tmp_path) == (
        2,
        "",
        "config.yaml: there is no such configuration file: "
        "name one with --config FILE or ADVISOR_CONFIG, or try `advisor-gateway demo`\n",
    )


async def test_a_broken_configuration_is_told_by_its_lines(place: Place) -> None:
    broken = place.folder / "broken.yaml"
    broken.write_text("storage:\n  url: sqlite:///x.db\nbrandz: []\n", encoding="utf-8")
    (result,) = await place.run([["check", "--config", str(broken)]])
    assert (result["code"], result["out"]) == (2, "")
    assert all(line.startswith("broken.yaml:") for line in result["err"].splitlines())
    assert "brandz" in result["err"]


async def test_a_holder_that_does_not_answer_is_named(place: Place) -> None:
    lock = NodeLock.take(place.folder / "data")
    (result,) = await place.run([["token", "create", "crm"]])
    lock.release()
    assert (result["code"], result["out"], len(result["err"].splitlines())) == (1, "", 1)
    assert f"process {os.getpid()}" in result["err"]
    assert "another command may be at work" in result["err"]


async def test_looking_needs_no_lock_and_changes_nothing(place: Place) -> None:
    lock = NodeLock.take(place.folder / "data")
    before = (place.folder / "data" / "gateway.db").read_bytes()
    calls = [["why", place.message], ["outbox"], ["inbox"], ["campaign", "list"], ["check", "--offline"]]
    done = await place.run([*calls, ["why", "nothing", "--json"]])
    lock.release()
    # The event that is parked here must be mended, says `check`.
    assert [one["code"] for one in done] == [0, 0, 0, 0, 1, 2]
    assert done[-1]["facts"]["error"]["code"] == "not_found"
    assert (place.folder / "data" / "gateway.db").read_bytes() == before


async def test_a_second_node_is_refused_in_one_line(place: Place) -> None:
    lock = NodeLock.take(place.folder / "data")
    code, out, err = await _once("serve", cwd=place.folder)
    lock.release()
    assert (code, out) == (1, "")
    assert f"is in use by process {os.getpid()}" in err.splitlines()[-1]
