"""The command `demo`: from a fresh folder to a working product with a sample brand, emulated platforms included."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import aiohttp
import click

from gateway.app import Gateway
from gateway.cli.serve import stop_signals
from gateway.cli.shell import told_in_one_line
from gateway.config import load
from gateway.demo.brand import SampleBrand, codes_of, conversations_begun, make_token
from gateway.demo.child import emulator, end_orphan
from gateway.demo.house import House, Keys, free_ports, load_keys, save_keys, write_files, write_private
from gateway.demo.players import Players
from gateway.telemetry import set_up_logs
from storage.clock import host_clock
from storage.errors import Unavailable
from storage.lock import NodeLock
from storage.places import prepare_directory

T = TypeVar("T")

_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.1

_PUSH = """\
# advisor-gateway campaign schedule {file} --config {config}
# The same file twice is the same campaign: change its name to send it again.
name: 春茶到店
template: new-arrival
audience: all_bound
at: now
expires: 2h
"""


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, resolve_path=True), default="var/demo", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Callbacks and the API.")
@click.option(
    "--emulator-port",
    type=click.IntRange(1, 65535),
    default=8090,
    show_default=True,
    help="The platforms, and the stage.",
)
@told_in_one_line
async def demo(data_dir: Path, port: int, emulator_port: int) -> None:
    """Run the product with a sample brand and emulated platforms. A second start keeps its data; Ctrl-C ends it."""
    prepare_directory(data_dir, min_free_mb=50)
    async with AsyncExitStack() as stack:
        lock = NodeLock.take(data_dir)
        stack.callback(lock.release)
        await end_orphan(data_dir)
        house = House(data_dir, free_ports(port, emulator_port))
        _tell_moved("port", port, house.ports.public)
        _tell_moved("emulator port", emulator_port, house.ports.emulator)
        keys, brand = load_keys(data_dir), SampleBrand()
        write_files(house, keys, brand.members)
        log = stack.enter_context((data_dir / "gateway.log").open("a", encoding="utf-8"))
        set_up_logs(stream=log)
        await stack.enter_async_context(emulator(house))
        await _run(house, keys, brand)
    click.echo(f"The demo has ended; its data stays in {data_dir}")


def _tell_moved(what: str, wanted: int, found: int) -> None:
    if wanted != found:
        click.echo(f"{what} {wanted} is taken: using {found}")


async def _run(house: House, keys: Keys, brand: SampleBrand) -> None:
    """The gateway until it is told to stop, and the setting-up beside it."""
    stop, hurry = stop_signals()
    gateway = Gateway(load(house.config_file))
    running = asyncio.create_task(gateway.run_until_stopped(stop, hurry))
    setting_up = asyncio.create_task(_set_up(house, keys, brand, gateway))
    try:
        await asyncio.wait({running, setting_up}, return_when=asyncio.FIRST_COMPLETED)
        if setting_up.done():
            setting_up.result()
            _print_ready(house, load_keys(house.folder))
        await running
    finally:
        setting_up.cancel()
        stop.set()
        await asyncio.wait({running, setting_up})


async def _set_up(house: House, keys: Keys, brand: SampleBrand, gateway: Gateway) -> None:
    await _until_ready(house)
    now = host_clock()
    token = await gateway.db.write(lambda tx: make_token(tx, keys.api_token, now))
    if token != keys.api_token:
        save_keys(house.folder, replace(keys, api_token=token))
    if house.ready_file.exists():
        return
    async with aiohttp.ClientSession() as session:
        players = Players(house, keys, session)
        for text, step in _steps(brand, gateway, players):
            click.echo(f"  {text}")
            await step()
    push = house.folder / "push.yaml"
    write_private(push, _PUSH.format(file=push, config=house.config_file))
    write_private(house.ready_file, "set up\n")


Step = Callable[[], Awaitable[None]]


def _steps(brand: SampleBrand, gateway: Gateway, players: Players) -> list[tuple[str, Step]]:
    return [
        ("12 persona accounts on the official account", lambda: players.add_personas(brand.personas)),
        ("300 followers of the official account", lambda: players.follow(brand.followers)),
        ("4 shops, 12 advisors, 300 customers, 3 templates", lambda: _import(brand, gateway)),
        ("a code for each advisor", lambda: _print_posters(gateway, players)),
        ("first messages of 24 customers", lambda: _let_speak(brand, gateway, players)),
    ]


async def _import(brand: SampleBrand, gateway: Gateway) -> None:
    await brand.bring_in(gateway.db, gateway.world, host_clock())
    gateway.wake()


async def _print_posters(gateway: Gateway, players: Players) -> None:
    labels = await _in_time(lambda: gateway.db.read(codes_of), "the platform did not make the codes in time")
    await players.label_posters(labels)


async def _in_time(look: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    """What `look` gives, as soon as it is not None. Raises Unavailable when that takes too long."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                found = await look()
                if found is not None:
                    return found
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        raise Unavailable(f"{otherwise}: see gateway.log", retryable=False) from None


async def _let_speak(brand: SampleBrand, gateway: Gateway, players: Players) -> None:
    wanted = len(brand.first_words)

    async def all_have() -> bool | None:
        return await gateway.db.read(conversations_begun) >= wanted or None

    if not await all_have():
        await players.say(brand.first_words)
        await _in_time(all_have, "the first messages were not worked off in time")


async def _until_ready(house: House) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{house.internal_url}/readyz") as response:
                    if response.ok:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(_LOOK_EVERY_S)


def _print_ready(house: House, keys: Keys) -> None:
    config = f"--config {house.config_file}"
    program = _program()
    click.echo(
        f"""
林间茶 is open. Everything runs on this machine; Ctrl-C ends it, the data stays.

  Stage (phones and work app)  {house.emulator_url}/
  API                          {house.public_url}/api/v1/openapi.json
  Health                       {house.internal_url}/readyz   {house.internal_url}/metrics
  API token (admin)            {keys.api_token}

  Send a push in another terminal:
    {program} campaign schedule {house.folder / "push.yaml"} {config}
    {program} campaign status --watch ID {config}
  See how it is:
    {program} check {config}

  Logs: {house.folder / "gateway.log"}, {house.folder / "emulator.log"}
"""
    )


def _program() -> str:
    """How this program is called from here: by its name where the shell finds it, else by its path."""
    beside = Path(sys.executable).with_name("advisor-gateway")
    if shutil.which("advisor-gateway") or not beside.exists():
        return "advisor-gateway"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
