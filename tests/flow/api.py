"""The API of a small brand, served on a port of its own, and a caller of each role."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web

from console.app import routes
from domain.access import Role
from domain.ids import AccountId, BrandId
from domain.people import Brand
from services import access_tokens
from services.ports import Finding
from services.world import World
from storage.engine import Database
from tests.clock import FakeClock
from tests.stage import BRAND, OA, WORK, Stage

OTHER = Brand(BrandId("other"), "别家", "Asia/Shanghai")
BOTH = World({BRAND.id: BRAND, OTHER.id: OTHER}, {OA.id: OA, WORK.id: WORK})


class Answering:
    """A platform that always knows the account."""

    async def check(self, account: AccountId) -> Finding:
        return Finding(account, ok=True, text=f"{account} answers")


@dataclass
class Api:
    """The API of a small brand, and a caller of each role."""

    session: ClientSession
    base: str
    stage: Stage
    secrets: dict[str, str]
    woken: list[int] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "admin", **headers: str
    ) -> tuple[int, Any]:
        """One request as the bearer of the token of `role`; `_` in header names is a dash."""
        given = {"Authorization": f"Bearer {self.secrets[role]}"} if role else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content: dict[str, Any] = (
            {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        )
        async with self.session.request(method, self.base + path, headers=given, **content) as response:
            return response.status, await response.json()


@asynccontextmanager
async def serving(db: Database, clock: FakeClock) -> AsyncIterator[Api]:
    """The API, as long as the context is open."""
    stage = await Stage(db, clock).set_up()
    secrets = {}
    for brand, role in ((BRAND, Role.ADMIN), (BRAND, Role.MARKETER), (BRAND, Role.VIEWER), (OTHER, Role.ADMIN)):
        name = role.value if brand is BRAND else "other"
        issued = await db.write(
            lambda tx, brand=brand, role=role: access_tokens.issue(
                tx, brand.id, role.value, role, None, "test", clock()
            )  # type: ignore[misc]
        )
        secrets[name] = issued.secret
    woken: list[int] = []
    application = web.Application()
    application.add_routes(routes(db, BOTH, clock, lambda: woken.append(clock()), Answering()))
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as session:
        yield Api(session, f"http://127.0.0.1:{port}/api/v1", stage, secrets, woken)
    await runner.cleanup()


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and code of a refusal; asserts its shape."""
    status, body = answer
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"code", "message", "field"}
    return status, body["error"]["code"]
