"""One thing the API can do: who may ask for it, the models it takes and gives, and the function that does it."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict

from domain.access import Caller, Right
from domain.errors import ForbiddenError
from services.ports import ChecksAccounts
from services.world import World
from storage.engine import Database


class Model(BaseModel):
    """What every body is: closed, so that a misspelt or smuggled field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(*examples: Mapping[str, Any]) -> ConfigDict:
    """The `model_config` of a body with examples; tests read each of them with the model itself."""
    return ConfigDict(json_schema_extra={"examples": [dict(one) for one in examples]})


class Nothing(Model):
    """No query parameters, or no body."""


Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
R_co = TypeVar("R_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Desk:
    """What operations work with. `wake` tells the workers of this process that something was queued."""

    db: Database
    world: World
    clock: Callable[[], int]
    wake: Callable[[], None]
    accounts: ChecksAccounts | None = None


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q, B]):
    """One request, let in and read."""

    caller: Caller
    query: Q
    body: B
    path: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None


class Run(Protocol[Q, B, R_co]):
    """The function behind an operation; its first docstring line is the summary people read."""

    __name__: str

    def __call__(self, desk: Desk, asked: Asked[Q, B], /) -> Awaitable[R_co]:
        """Do it. Raises what domain.errors and storage.errors hold."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, B, R_co]):
    """One entry of the API."""

    name: str
    method: str
    path: str
    right: Right
    status: int
    query: type[Q]
    body: type[B]
    result: type[R_co]
    run: Run[Q, B, R_co]
    keyed: bool

    async def answer(self, desk: Desk, asked: Asked[Q, B]) -> R_co:
        """Run the operation for a caller who may. Raises ForbiddenError for one who may not."""
        if not asked.caller.may(self.right):
            raise ForbiddenError(f"this needs more than the role {asked.caller.role}")
        return await self.run(desk, asked)

    @property
    def takes_body(self) -> bool:
        """Whether a request carries a body."""
        return self.body is not Nothing

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.run) or "").split("\n", 1)[0]


def operation(
    method: str, path: str, right: Right, *, status: int = 200, keyed: bool = False
) -> Callable[[Run[Q, B, R_co]], Operation[Q, B, R_co]]:
    """Make an operation of a function; its models are read from the annotations `Asked[Query, Body]` and the result.

    `keyed`: it heeds the header `Idempotency-Key`.
    """

    def decorate(run: Run[Q, B, R_co]) -> Operation[Q, B, R_co]:
        hints: dict[str, Any] = get_type_hints(run)
        query, body = get_args(hints["asked"])
        return Operation(run.__name__, method, path, right, status, query, body, hints["return"], run, keyed)

    return decorate


AnyOperation = Operation[Any, Any, Any]
