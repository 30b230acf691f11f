"""What the console serves: the API for tokens, and the same API for the operator of this machine."""

from collections.abc import Callable

from aiohttp import web

from console.api.errors import UnauthorizedError
from console.api.http import PREFIX, Door, bearer, document, routes_of
from console.api.openapi import describe
from console.api.operation import Desk
from console.api.operations import OPERATIONS
from domain.access import Caller, Role
from domain.errors import InvalidError
from domain.ids import BrandId
from services.ports import ChecksAccounts
from services.world import World
from storage.engine import Database

BRAND_HEADER = "Advisor-Brand"

Operator = Callable[[web.Request], str | None]
"""Who is at the other end of a local connection: a name for the audit, or None for a stranger."""


def routes(
    db: Database,
    world: World,
    clock: Callable[[], int],
    wake: Callable[[], None],
    accounts: ChecksAccounts | None = None,
) -> list[web.RouteDef]:
    """The routes of `/api/v1/` for bearers of API tokens."""
    desk = Desk(db, world, clock, wake, accounts)
    return [_description(), *routes_of(OPERATIONS, desk, bearer(desk))]


def local_routes(
    db: Database,
    world: World,
    clock: Callable[[], int],
    wake: Callable[[], None],
    operator: Operator,
    accounts: ChecksAccounts | None = None,
) -> list[web.RouteDef]:
    """The same routes for the operator of this machine, who may do everything; a header names the brand where there are several."""
    desk = Desk(db, world, clock, wake, accounts)
    return [_description(), *routes_of(OPERATIONS, desk, _local(world, operator))]


def _description() -> web.RouteDef:
    return web.get(f"{PREFIX}/openapi.json", document(describe(OPERATIONS, PREFIX)), allow_head=False)


def _local(world: World, operator: Operator) -> Door:
    async def let_in(request: web.Request) -> Caller:
        name = operator(request)
        if name is None:
            raise UnauthorizedError
        return Caller(chosen_brand(world, request.headers.get(BRAND_HEADER, "")), Role.ADMIN, name)

    return let_in


def chosen_brand(world: World, wanted: str) -> BrandId:
    """The brand that was asked for, or the only one. Raises InvalidError."""
    known = ", ".join(world.brands)
    if not wanted and len(world.brands) > 1:
        raise InvalidError(f"there are several brands, name one of them: {known}", field="brand")
    brand = BrandId(wanted) if wanted else next(iter(world.brands), BrandId(""))
    if brand not in world.brands:
        raise InvalidError(f'no brand "{wanted}"; the brands are: {known}', field="brand")
    return brand
