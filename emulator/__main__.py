"""`python -m emulator --world FILE --data-dir DIR`: run the platforms until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import importlib
import importlib.util
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from emulator import app, world


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code: 0 stopped, 2 the world file, the directory or the port cannot be used."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        played = world.load(options.world)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(played, options))
    except (world.WorldError, OSError) as error:
        sys.stderr.write(f"emulator: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    parser.add_argument("--world", type=Path, required=True, help="YAML file of accounts, corps and members")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the ledger and the state are kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on, 0 for any free one")
    return parser


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The quicker loop of the optional extra `speed`, when it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory


async def _serve(played: world.World, options: argparse.Namespace) -> None:
    runner = web.AppRunner(app.build(played, options.data_dir), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"emulator: listening on http://{host}:{port}\n")
        sys.stdout.flush()
        await _until_told_to_stop()
    finally:
        await runner.cleanup()


async def _until_told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
