"""One campaign that cannot go on must not stop the others: it is told to its marketer, and tried again with the next tick."""

import logging
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from domain.errors import ProblemError
from domain.ids import BrandId, CampaignId
from scheduler.clock import Shift
from services.alarms import raise_alarm
from storage.engine import now
from storage.errors import StorageError, Violation

log = logging.getLogger(__name__)

STUCK = "campaign_stuck"

T = TypeVar("T")


async def guarded(shift: Shift, brand: BrandId, campaign_id: CampaignId, work: Awaitable[T]) -> T | None:
    """The result of `work`; None when this campaign cannot go on. Raises StorageError when storage cannot answer anybody."""
    try:
        return await work
    except StorageError as error:
        if not isinstance(error, Violation):
            raise
        log.exception("campaign %s of brand %s broke a rule of the schema", campaign_id, brand)
    except ProblemError as error:
        log.warning("campaign %s of brand %s cannot go on: %s", campaign_id, brand, error)
        await shift.db.write(partial(_tell, brand, campaign_id, error.message))
        return None
    except Exception:
        log.exception("campaign %s of brand %s cannot go on", campaign_id, brand)
    await shift.db.write(partial(_tell, brand, campaign_id, "an error inside the gateway: see its log"))
    return None


def _tell(brand: BrandId, campaign_id: CampaignId, what: str, tx: Connection) -> None:
    text = f"活动暂时无法继续：{what} / The campaign cannot go on: {what}"
    raise_alarm(tx, brand, STUCK, campaign_id, text, "critical", now(tx))
