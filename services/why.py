"""`why`: who got a message, by which rule, when, and what became of it. Told as lines for people, and as data for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from domain.errors import NotFoundError
from domain.people import Brand
from services.world import World
from storage.explanations import MessageRecord, SendRecord, find

_AUTHORS = {
    "customer": "a customer wrote",
    "advisor": "an advisor answered",
    "system": "the brand said",
    "campaign": "a push",
}
_STATES = {
    "queued": "waits for its turn",
    "calling": "is being sent",
    "retry_at": "will be tried again",
    "waiting_window": "waits until the customer writes again",
    "held": "is held",
    "accepted": "was accepted by the platform",
    "delivered": "was delivered",
    "refused": "was refused",
    "unknown": "may or may not have arrived; never repeated by machine",
    "expired": "came too late and was not sent",
    "cancelled": "was cancelled",
    "dead": "failed for good",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one message. `record` is the data, `lines` the same for people."""

    record: MessageRecord
    lines: Sequence[str]

    def as_data(self) -> dict[str, Any]:
        """The explanation for programs."""
        return {**asdict(self.record), "lines": list(self.lines)}


def why(tx: Connection, world: World, wanted: str) -> Explanation:
    """Explain the message that `wanted` names: a message id, or the id of its inbox event or of one of its outbox rows.

    Raises NotFoundError when no brand of this installation has such a message.
    """
    for brand in world.brands.values():
        record = find(tx, brand.id, wanted)
        if record is not None:
            return Explanation(record, _lines(brand, record))
    raise NotFoundError(f"no message, inbox event or outbox row has the id {wanted!r}", field="id")


def _lines(brand: Brand, record: MessageRecord) -> list[str]:
    zone = ZoneInfo(brand.timezone)
    by = f" ({record.advisor_name})" if record.advisor_name else ""
    lines = [
        f"message {record.id}: {_AUTHORS[record.author]}{by}, number {record.seq} of conversation {record.conversation_id}",
        f"  written {_at(record.occurred_at, zone)}, kept {_at(record.created_at, zone)}",
    ]
    if record.inbox_id:
        lines.append(f"  came in as event {record.inbox_id} through account {record.account}")
    recipient = record.decision.get("recipient")
    lines.append(f"  recipient: {recipient or 'the customer of the conversation'}")
    for number, step in enumerate(record.decision.get("steps", ()), start=1):
        lines.append(f"    {number}. {step['rule']}: {step['fact']} -> {step['result']}")
    lines.extend(_send_line(send, zone) for send in record.sends)
    return lines


def _send_line(send: SendRecord, zone: ZoneInfo) -> str:
    reason = f" ({send.reason})" if send.reason else ""
    when = f" at {_at(send.done_at, zone)}" if send.done_at else ""
    return f"  send {send.id} to {send.recipient} through {send.account}: {_STATES[send.state]}{reason}{when}"


def _at(ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
