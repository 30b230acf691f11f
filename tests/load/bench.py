"""Durable throughput as ratios to a bare aiohttp server and client, in one interleaved run: `python -m tests.load.bench`.

What is measured and why: docs/operations/performance.md. No figure fails the run; an answer that is missing or wrong does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.configuration import free_port
from tests.load import loops, report
from tests.load.children import ChildError, child
from tests.load.inbound import BurstError, inbound, prepare
from tests.load.rounds import Between, Measure, Series, Summary, bare_summary

Burst = Callable[[], Awaitable[Measure]]
FOLDER = Path(__file__).parent.parent.parent / "build"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds; callbacks in a burst, those that go the whole way, and pushes; customers."""

    rounds: int
    callbacks: int
    whole_way: int
    pushes: int
    customers: int


FULL = Plan(rounds=9, callbacks=3000, whole_way=200, pushes=2000, customers=2000)
QUICK = Plan(rounds=3, callbacks=600, whole_way=60, pushes=300, customers=300)


async def interleave(rounds: int, bare: Burst, others: Mapping[str, Burst]) -> list[Series]:
    """Bursts in turn, a bare one between any two. The first of each is for warming up and counts nowhere."""
    series = [Series(name) for name in others]
    for burst in (bare, *others.values()):
        await burst()
    before = await bare()
    for _ in range(rounds):
        for one, burst in zip(series, others.values(), strict=True):
            measured = await burst()
            after = await bare()
            one.taken.append(Between(before, measured, after))
            before = after
    return series


async def measure(folder: Path, plan: Plan) -> list[Summary]:
    """The whole run."""
    async with AsyncExitStack() as stack:
        port = free_port()
        platform = await stack.enter_async_context(child(folder, "platform", "tests.load.platform", str(port)))
        await platform.listens(port)
        url = f"http://127.0.0.1:{port}"
        return [*await _callbacks(folder, plan, url), *await _pushes(folder, plan, url)]


async def _callbacks(folder: Path, plan: Plan, url: str) -> list[Summary]:
    async with inbound(folder, plan.callbacks, plan.whole_way, plan.customers, url) as bursts:
        others = {"accept": bursts.accept, "whole way": bursts.whole_way, "wechatpy, not durable": bursts.wechatpy}
        series = await interleave(plan.rounds, bursts.bare, others)
    return [bare_summary("bare server", series), *(one.summary() for one in series)]


async def _pushes(folder: Path, plan: Plan, url: str) -> list[Summary]:
    config, _, _ = await prepare(folder / "push", plan.customers, url)
    async with child(folder, "pusher", "tests.load.pusher", str(config), url) as pusher:

        async def burst(what: str) -> Measure:
            made = await pusher.ask(what=what, count=plan.pushes, people=plan.customers)
            return Measure(made["rate"], made["cpu_s"] / plan.pushes)

        series = await interleave(plan.rounds, lambda: burst("bare"), {"push": lambda: burst("ours")})
    return [bare_summary("bare client", series), *(one.summary() for one in series)]


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a size for CI: under a minute, and rougher")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the databases are made; its disk is measured"
    )
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Measure and print; 1 when a part of the run broke."""
    options = arguments(given)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as made:
        folder = Path(made)
        about = report.machine(folder)
        try:
            summaries = loops.run(measure(folder, QUICK if options.quick else FULL))
        except (BurstError, ChildError) as error:
            print(f"{error}\n{_last_words(folder)}", file=sys.stderr)
            return 1
    report.show(about, summaries)
    if options.json:
        options.json.write_text(
            json.dumps(report.as_json(about, summaries), ensure_ascii=False, indent=2) + "\n", "utf-8"
        )
    return 0


def _last_words(folder: Path) -> str:
    """The ends of the logs, which go with the folder."""
    return "\n".join(f"{path.name}: {path.read_text('utf-8', 'replace')[-2000:]}" for path in folder.glob("*.log"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
