"""For whoever runs the gateway: its state, API tokens, imports of the directory."""

from typing import Annotated, Literal

from pydantic import Field

from console.api.models import Millis, Name
from console.api.operation import Asked, Desk, Model, Nothing, example, operation
from domain.access import Right, Role
from domain.ids import AccountId
from services import access_tokens, checkup, directory
from services.checkup import Level, Point
from services.directory.sheets import MAX_COLUMNS, Row, Sheet
from storage.access import ApiToken


class CheckQuery(Model):
    """How far to look."""

    accounts: Annotated[bool, Field(description="Also try every account against its platform.")] = False


class PointOut(Model):
    """One thing that was looked at."""

    what: str
    level: Literal["ok", "warning", "problem"]
    text: str


class CheckOut(Model):
    """What is well and what is not."""

    model_config = example(
        {"ok": True, "points": [{"what": "inbox", "level": "ok", "text": "0 events wait, none is parked"}]}
    )

    ok: bool
    points: list[PointOut]


@operation("GET", "/check", Right.READ)
async def check_gateway(desk: Desk, asked: Asked[CheckQuery, Nothing]) -> CheckOut:
    """What is well and what is not, and how to mend it."""
    brand, now = asked.caller.brand, desk.clock()
    points = await desk.db.read(lambda tx: [*checkup.look(tx, desk.world, brand), checkup.compare_clocks(tx, now)])
    if asked.query.accounts and desk.accounts is not None:
        for account in desk.world.accounts.values():
            if account.brand == brand:
                points.append(await _try(desk, account.id))
    return CheckOut(
        ok=all(point.level is not Level.PROBLEM for point in points), points=[_point(one) for one in points]
    )


async def _try(desk: Desk, account: AccountId) -> Point:
    if desk.accounts is None:
        return Point(f"account {account}", Level.WARNING, "this process cannot reach platforms")
    finding = await desk.accounts.check(account)
    return Point(f"account {account}", Level.OK if finding.ok else Level.PROBLEM, finding.text)


def _point(point: Point) -> PointOut:
    return PointOut(what=point.what, level=point.level.value, text=point.text)


class TokenIn(Model):
    """A token to be made."""

    model_config = example({"name": "crm", "role": "marketer", "expires_at": None})

    name: Name
    role: Literal["admin", "marketer", "viewer"]
    expires_at: Millis | None = None


class TokenOut(Model):
    """A token without the token."""

    model_config = example(
        {"name": "crm", "role": "marketer", "created_at": 1795000000000, "expires_at": None, "revoked_at": None}
    )

    name: str
    role: str
    created_at: Millis
    expires_at: Millis | None
    revoked_at: Millis | None


class IssuedOut(Model):
    """A new token. `secret` is shown now and never again."""

    model_config = example(
        {
            "token": {
                "name": "crm",
                "role": "marketer",
                "created_at": 1795000000000,
                "expires_at": None,
                "revoked_at": None,
            },
            "secret": "agw_" + "x" * 43,
        }
    )

    token: TokenOut
    secret: str


class TokensOut(Model):
    """Every token of the brand, the newest first."""

    model_config = example({"items": []})

    items: list[TokenOut]


@operation("POST", "/tokens", Right.MANAGE, status=201)
async def create_token(desk: Desk, asked: Asked[Nothing, TokenIn]) -> IssuedOut:
    """Make an API token of this brand."""
    body, caller, now = asked.body, asked.caller, desk.clock()
    issued = await desk.db.write(
        lambda tx: access_tokens.issue(tx, caller.brand, body.name, Role(body.role), body.expires_at, caller.name, now)
    )
    return IssuedOut(token=_token(issued.token), secret=issued.secret)


@operation("GET", "/tokens", Right.MANAGE)
async def list_tokens(desk: Desk, asked: Asked[Nothing, Nothing]) -> TokensOut:
    """The API tokens of this brand; the tokens themselves are kept nowhere."""
    found = await desk.db.read(lambda tx: access_tokens.tokens(tx, asked.caller.brand))
    return TokensOut(items=[_token(token) for token in found])


@operation("DELETE", "/tokens/{name}", Right.MANAGE)
async def revoke_token(desk: Desk, asked: Asked[Nothing, Nothing]) -> TokensOut:
    """End an API token at once; answers with the tokens of the brand."""
    caller, now = asked.caller, desk.clock()
    await desk.db.write(lambda tx: access_tokens.revoke(tx, caller.brand, asked.path["name"], caller.name, now))
    return await list_tokens.run(desk, Asked(caller, Nothing(), Nothing()))


def _token(token: ApiToken) -> TokenOut:
    return TokenOut(
        name=token.name,
        role=token.role.value,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )


class RowIn(Model):
    """One row: its cells by column, and its line for the report."""

    line: Annotated[int, Field(ge=1)]
    cells: Annotated[dict[str, str], Field(max_length=MAX_COLUMNS)]


class SheetIn(Model):
    """Rows of one table: regions, shops, advisors or customers. `where` names their origin in the report."""

    model_config = example(
        {
            "table": "customers",
            "where": "customers.csv",
            "rows": [{"line": 2, "cells": {"reference": "M000123", "profile_name": "周女士", "tags": "春茶;会员日"}}],
        }
    )

    table: Name
    where: Name
    rows: Annotated[list[RowIn], Field(min_length=1, max_length=directory.PAGE_ROWS)]


class ProblemOut(Model):
    """Why nothing was saved."""

    where: str
    line: int
    field: str
    text: str


class ImportOut(Model):
    """How many rows were saved; with any problem it is none."""

    model_config = example({"saved": 1, "problems": []})

    saved: int
    problems: list[ProblemOut]


@operation("POST", "/import", Right.MANAGE)
async def import_rows(desk: Desk, asked: Asked[Nothing, SheetIn]) -> ImportOut:
    """Save rows of the directory, all or none. The same rows again change nothing."""
    body, caller, now = asked.body, asked.caller, desk.clock()
    columns = tuple(dict.fromkeys(column for row in body.rows for column in row.cells))
    sheet = Sheet(body.table, body.where, columns, tuple(Row(row.line, row.cells) for row in body.rows))
    saved = await desk.db.write(lambda tx: directory.save(tx, desk.world, caller.brand, [sheet], caller.name, now))
    desk.wake()
    problems = [
        ProblemOut(where=one.place.where, line=one.place.line, field=one.field, text=one.text) for one in saved.problems
    ]
    return ImportOut(saved=0 if problems else len(body.rows), problems=problems)
