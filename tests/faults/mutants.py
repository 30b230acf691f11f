"""Gateways broken on purpose, chosen by GATEWAY_MUTANT: a fault test that does not notice them proves nothing."""

import asyncio
from collections.abc import Sequence

from gateway.intake import Received, keep_durably
from storage.engine import Database

_late: set[asyncio.Task[Sequence[bool]]] = set()


async def ack_before_commit(db: Database, received: Sequence[Received]) -> Sequence[bool]:
    """Say yes first and write afterwards: what a gateway does that answers and then works in memory."""
    task = asyncio.create_task(keep_durably(db, received))
    _late.add(task)
    task.add_done_callback(_late.discard)
    return [True] * len(received)
