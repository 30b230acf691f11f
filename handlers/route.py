"""A route: when it matches, which facts it needs, what it does. Routes are tried in order; the first match wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.actions import Action
from domain.context import Context, Fact


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the routing. `matches` sees the event and its basics, `run` also the facts of `needs`."""

    name: str
    matches: Callable[[Context], bool]
    run: Callable[[Context], Sequence[Action]]
    needs: frozenset[Fact] = frozenset()


def choose(routes: Sequence[Route], context: Context) -> Route:
    """The first route that matches. Raises LookupError when none does: the last route must match everything."""
    for route in routes:
        if route.matches(context):
            return route
    raise LookupError("no route matched; the last route must match everything")
