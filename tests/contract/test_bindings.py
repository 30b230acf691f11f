"""A consent card that nobody answers ends by itself after seven days."""

from __future__ import annotations

from sqlalchemy import select

from domain.binding import PENDING_EXPIRES_MS
from domain.messages import Kind
from scheduler import bindings as job
from scheduler.clock import Shift
from storage.engine import Database
from storage.tables.people import bindings
from tests.clock import FakeClock
from tests.stage import WORLD, Stage


async def test_a_pending_binding_expires_and_a_late_yes_binds_nobody(db: Database, clock: FakeClock) -> None:
    stage = await Stage(db, clock).set_up()
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    shift = Shift(db, WORLD, lambda: None, lambda: False)
    clock.advance(PENDING_EXPIRES_MS - 1000)
    await job.run(shift)
    assert await states(db) == ["pending_consent"]
    clock.advance(2000)
    await job.run(shift)
    assert await states(db) == ["released"]
    await stage.writes("anna", "同意")
    assert await states(db) == ["released"]


async def states(db: Database) -> list[str]:
    return await db.read(lambda tx: list(tx.execute(select(bindings.c.state)).scalars()))
