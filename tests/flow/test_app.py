"""A whole node, built from its configuration: starts in order, unwinds, drains, and tells the truth about its health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import select, update

from domain.ids import AccountId, BrandId
from domain.messages import Inbound, Kind
from domain.people import Account, Side
from gateway.app import CannotListenError, Gateway
from gateway.config import load
from gateway.runner import Taken
from gateway.settings import Config, Role
from storage import inbox
from storage.engine import Database
from storage.errors import Locked, Unavailable
from storage.outbox import enqueue
from storage.tables.queue import outbox
from tests.configuration import configuration, free_port, write_configuration
from tests.promising import promise

OA = Account(AccountId("oa"), BrandId("tea"), "wechat", Side.CUSTOMER)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    values = configuration(tmp_path, port=free_port(), internal_port=free_port(), emulator=NOWHERE)
    return load(write_configuration(tmp_path / "config.yaml", values), {})


@pytest.fixture
async def node(config: Config) -> AsyncIterator[Gateway]:
    node = Gateway(config)
    await node.start()
    yield node
    await node.stop(1)


async def look(node: Gateway, path: str) -> tuple[int, str]:
    """An answer of the internal listener."""
    url = f"http://127.0.0.1:{node.config.server.internal_port}{path}"
    async with ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


def event(number: int) -> Inbound:
    return Inbound(OA.id, Kind.UNPARSED, "", f"e{number}", "oa", 0)


async def test_a_node_is_alive_and_ready(node: Gateway) -> None:
    assert await look(node, "/healthz") == (200, "alive\n")
    assert await look(node, "/readyz") == (200, "ready\n")


async def test_the_figures_tell_of_queues_and_storage(node: Gateway) -> None:
    status, text = await look(node, "/metrics")
    assert status == 200
    assert "gateway_inbox_rows 0.0" in text
    assert 'gateway_alarms_open{severity="critical"} 0.0' in text
    assert 'gateway_storage{name="commits"}' in text


async def test_health_is_not_told_to_the_outside(node: Gateway) -> None:
    async with ClientSession() as session:
        for path in ("/metrics", "/healthz", "/readyz"):
            async with session.get(f"{node.config.public_url}{path}") as answer:
                assert answer.status == 404


async def test_a_node_that_could_not_keep_an_event_is_not_ready_for_a_while(
    node: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_db: Database, _received: object) -> list[bool]:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(node.intake, "_keep", full)
    with pytest.raises(Unavailable):
        await node.intake.accept(OA, [event(1)], "")
    assert await look(node, "/readyz") == (503, "events could not be stored a moment ago\n")
    assert (await look(node, "/healthz"))[0] == 200
    node.intake.failed_at -= 60_000
    assert (await look(node, "/readyz"))[0] == 200


async def test_a_node_whose_storage_is_gone_is_not_ready(node: Gateway) -> None:
    await node.db.close()
    status, text = await look(node, "/readyz")
    assert status == 503
    assert text.startswith("storage does not answer")


async def test_a_node_works_off_what_arrives(node: Gateway) -> None:
    assert await node.intake.accept(OA, [event(1), event(2), event(1)], "") == 2
    seen = node.db.commits
    async with asyncio.timeout(10):
        while (await node.db.read(inbox.backlog)).rows:
            seen = await node.db.committed_beyond(seen)


@pytest.mark.parametrize("which", ["port", "internal_port"])
async def test_a_taken_port_is_told_and_leaves_nothing_open(config: Config, which: str) -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", getattr(config.server, which))
    with pytest.raises(CannotListenError, match=f"server.{which}: cannot listen on 127.0.0.1"):
        await Gateway(config).start()
    server.close()
    await server.wait_closed()
    again = Gateway(config)
    await again.start()
    await again.stop(1)


async def test_a_second_node_on_the_same_data_is_refused(node: Gateway) -> None:
    with pytest.raises(Locked, match="is in use by process"):
        await Gateway(node.config).start()
    assert (await look(node, "/readyz"))[0] == 200


async def test_it_serves_until_it_is_told_to_stop(config: Config) -> None:
    node, stop = Gateway(config), asyncio.Event()
    serving = asyncio.create_task(node.run_until_stopped(stop))
    async with asyncio.timeout(10):
        await node.started.wait()
    stop.set()
    await serving
    assert node.health.draining
    with pytest.raises(Unavailable):
        await node.db.write(lambda tx: None)


async def test_being_told_to_stop_while_it_starts_is_enough(config: Config) -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(10):
        await Gateway(config).run_until_stopped(stop)


async def test_a_part_that_fails_stops_the_node(config: Config) -> None:
    node = Gateway(config)

    async def broken(_n: int) -> Taken[Any]:
        raise KeyError("a fault of ours")

    original = node._build

    def build() -> None:
        original()
        node.inbox.pump._take = broken

    node._build = build  # type: ignore[method-assign]
    async with asyncio.timeout(10):
        with pytest.raises(KeyError):
            await node.run_until_stopped(asyncio.Event())
    again = Gateway(config)
    await again.start()
    await again.stop(1)


async def test_while_draining_it_is_alive_and_not_ready_and_a_second_signal_ends_it(config: Config) -> None:
    node, stop, hurry = Gateway(config), asyncio.Event(), asyncio.Event()
    held, never = asyncio.Event(), asyncio.Event()

    async def hang(_item: object) -> None:
        held.set()
        await never.wait()

    original = node._build

    def build() -> None:
        original()
        node.inbox.pump._work = hang

    node._build = build  # type: ignore[method-assign]
    serving = asyncio.create_task(node.run_until_stopped(stop, hurry))
    async with asyncio.timeout(20):
        await node.started.wait()
        await node.intake.accept(OA, [event(1)], "")
        await held.wait()
        stop.set()
        await node.stopping.wait()
        assert (await look(node, "/healthz"))[0] == 200
        assert await look(node, "/readyz") == (503, "stopping\n")
        hurry.set()
        await serving


async def test_what_a_dead_node_was_calling_is_unknown_at_the_next_start(config: Config) -> None:
    before = Gateway(config, roles=["web"])
    await before.start()
    await before.db.write(lambda tx: enqueue(tx, [promise(brand=BrandId("tea"))], 0))
    await before.db.write(lambda tx: tx.execute(update(outbox).values(state="calling", leased_until=10**15)))
    await before.stop(1)
    after = Gateway(config, roles=["web"])
    await after.start()
    state = await after.db.read(lambda tx: tx.execute(select(outbox.c.state, outbox.c.reason)).one())
    await after.stop(1)
    assert tuple(state) == ("unknown", "node_lost")


@pytest.mark.parametrize(("roles", "works", "listens"), [(["web"], False, True), (["inbox"], True, False)])
async def test_a_node_does_what_its_roles_say(config: Config, roles: list[Role], works: bool, listens: bool) -> None:
    node = Gateway(config, roles)
    await node.start()
    names = set(node._crew._names.values())
    assert ("inbox" in names) is works
    assert not any(name.startswith("outbox") for name in names)
    async with ClientSession() as session:
        try:
            async with session.get(f"{node.config.public_url}/x"):
                answered = True
        except OSError:
            answered = False
    await node.stop(1)
    assert answered is listens


async def test_a_key_for_stored_tokens_is_made_once_and_kept_to_this_user(tmp_path: Path) -> None:
    values = configuration(tmp_path, port=free_port(), internal_port=free_port(), emulator=NOWHERE)
    del values["secrets_key"]
    config = load(write_configuration(tmp_path / "config.yaml", values), {})
    keys = set()
    for _ in range(2):
        node = Gateway(config, roles=["web"])
        await node.start()
        keys.add((tmp_path / "secrets.key").read_text())
        await node.stop(1)
    assert len(keys) == 1 and len(keys.pop()) == 64
    assert (tmp_path / "secrets.key").stat().st_mode & 0o077 == 0


async def test_stopping_twice_is_fine(config: Config) -> None:
    node = Gateway(config)
    await node.start()
    await node.stop(1)
    await node.stop(1)
