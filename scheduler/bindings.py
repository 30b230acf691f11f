"""Bindings that waited for a consent long enough come to their end."""

from scheduler.clock import Shift
from storage import bindings
from storage.engine import now


async def run(shift: Shift) -> None:
    """End the pending bindings whose seven days are over."""
    await shift.db.write(lambda tx: bindings.expire_pending(tx, now(tx)))
