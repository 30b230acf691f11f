"""Interleaved bursts and what they are worth: every burst of ours stands between two bare ones, and only the ratio counts.

A machine that is shared, throttled or busy changes its speed from second to second; the bare bursts before and after say by how
much. Where those two differ too much the speed did not hold, and the burst between them is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

HELD = 1.25
"""How far apart the bare bursts around another may be, as a ratio, for the machine's speed to have held."""

ENOUGH = 3
"""Where fewer bursts than this held, all of them are counted, and the report says how few did."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One burst: `rate` a second, CPU seconds for each piece of work, latency percentiles in ms (0: none taken)."""

    rate: float
    cpu: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Between:
    """A burst, and the bare ones before and after it."""

    before: Measure
    burst: Measure
    after: Measure

    @property
    def held(self) -> bool:
        """Whether the machine ran at one speed meanwhile."""
        slow, fast = sorted((self.before.rate, self.after.rate))
        return fast <= HELD * slow

    @property
    def ratio(self) -> float:
        """Its rate over the bare one."""
        return self.burst.rate / ((self.before.rate + self.after.rate) / 2)

    @property
    def cpu_ratio(self) -> float:
        """Its CPU time over the bare one; 0 where the system does not tell."""
        bare = (self.before.cpu + self.after.cpu) / 2
        return self.burst.cpu / bare if bare else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of one kind of burst. The speed held in `held` of `bursts`; `lowest` and `highest` are of the counted ratios."""

    name: str
    ratio: float
    lowest: float
    highest: float
    cpu_ratio: float
    rate: float
    p50_ms: float
    p99_ms: float
    held: int
    bursts: int


@dataclass(slots=True)
class Series:
    """All bursts of one kind, in their order."""

    name: str
    taken: list[Between] = field(default_factory=list)

    def summary(self) -> Summary:
        """The medians over the bursts during which the speed held, or over all of them when too few did."""
        held = [one for one in self.taken if one.held]
        counted = held if len(held) >= ENOUGH else self.taken
        ratios = [one.ratio for one in counted]
        return Summary(
            name=self.name,
            ratio=median(ratios),
            lowest=min(ratios),
            highest=max(ratios),
            cpu_ratio=median(one.cpu_ratio for one in counted),
            rate=median(one.burst.rate for one in counted),
            p50_ms=median(one.burst.p50_ms for one in counted),
            p99_ms=median(one.burst.p99_ms for one in counted),
            held=len(held),
            bursts=len(self.taken),
        )


def bare_summary(name: str, series: Sequence[Series]) -> Summary:
    """The medians of the bare bursts around everything in `series`."""
    every = [one.after for each in series for one in each.taken]
    return Summary(
        name=name,
        ratio=1.0,
        lowest=1.0,
        highest=1.0,
        cpu_ratio=1.0,
        rate=median(one.rate for one in every),
        p50_ms=median(one.p50_ms for one in every),
        p99_ms=median(one.p99_ms for one in every),
        held=len(every),
        bursts=len(every),
    )
