"""What waits for a person in the queues: outbox rows by state, inbox events nobody could handle, alarms; and the decisions over them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from console.api.models import Millis, Page, PageQuery, cut
from console.api.operation import Asked, Desk, Model, Nothing, example, operation
from domain.access import Right
from domain.calls import Command, OutboxState
from domain.ids import is_id
from domain.messages import encode
from services import decisions
from storage import alarms, inspection

_EXAMPLE_ID = "019a0f3e7c1d7000a1b2c3d4e5f60720"


class OutboxQuery(PageQuery):
    """Which outbox rows."""

    state: Annotated[
        Literal[
            "queued",
            "calling",
            "retry_at",
            "waiting_window",
            "held",
            "accepted",
            "delivered",
            "refused",
            "unknown",
            "expired",
            "cancelled",
            "dead",
        ],
        Field(description="`unknown` needs a person: it may have arrived."),
    ] = "unknown"


class OutboxOut(Model):
    """A promise to send. `what` is the content (a `type` and its fields), or the command to the platform."""

    id: str
    account: str
    lane: str
    recipient: str
    what: dict[str, Any]
    state: str
    reason: str
    attempts: int
    conversation_id: str | None
    customer_id: str | None
    advisor_id: str | None
    message_id: str | None
    run_id: str | None
    created_at: Millis
    called_at: Millis | None
    done_at: Millis | None


_OUTBOX_EXAMPLE = {
    "id": _EXAMPLE_ID,
    "account": "oa",
    "lane": "talk",
    "recipient": "oAbCdEfGhIjKlMnOpQrStUvWxYz1",
    "what": {"type": "text", "text": "有的，龙井刚到店"},
    "state": "unknown",
    "reason": "connection_lost",
    "attempts": 1,
    "conversation_id": "019a0f3e7c1d7000a1b2c3d4e5f60718",
    "customer_id": "019a0f3e7c1d7000a1b2c3d4e5f60717",
    "advisor_id": "019a0f3e7c1d7000a1b2c3d4e5f60716",
    "message_id": "019a0f3e7c1d7000a1b2c3d4e5f60719",
    "run_id": None,
    "created_at": 1795000000000,
    "called_at": 1795000000100,
    "done_at": 1795000010100,
}


class OutboxPage(Page[OutboxOut]):
    """Outbox rows, the oldest first."""

    model_config = example({"items": [_OUTBOX_EXAMPLE], "next": _EXAMPLE_ID})


class DecideIn(Model):
    """A person's decision over a row whose outcome is unknown. What is sent again says that it may be a repeat."""

    model_config = example({"decision": "resend"})

    decision: Literal["resend", "give_up"]


class DecidedOut(Model):
    """The row after the decision."""

    model_config = example({"id": _EXAMPLE_ID, "state": "queued"})

    id: str
    state: str


@operation("GET", "/outbox", Right.READ)
async def list_outbox(desk: Desk, asked: Asked[OutboxQuery, Nothing]) -> OutboxPage:
    """Outbox rows of one state; `unknown` ones wait for a decision."""
    query, state = asked.query, OutboxState(asked.query.state)
    found = await desk.db.read(
        lambda tx: inspection.outbox_rows(tx, asked.caller.brand, state, query.cursor, query.limit + 1)
    )
    items, following = cut(found, query.limit, _outbox, lambda row: row.id)
    return OutboxPage(items=items, next=following)


def _outbox(row: inspection.OutboxRow) -> OutboxOut:
    call = row.call
    what = {"command": call.name.value, **call.params} if isinstance(call, Command) else encode(call.content)
    return OutboxOut(
        id=row.id,
        account=row.account,
        lane=row.lane,
        recipient=row.recipient,
        what=what,
        state=row.state.value,
        reason=row.reason,
        attempts=row.attempts,
        conversation_id=row.conversation_id,
        customer_id=row.customer_id,
        advisor_id=row.advisor_id,
        message_id=row.message_id,
        run_id=row.run_id,
        created_at=row.created_at,
        called_at=row.called_at,
        done_at=row.done_at,
    )


@operation("POST", "/outbox/{id}/decide", Right.MANAGE)
async def decide_outbox(desk: Desk, asked: Asked[Nothing, DecideIn]) -> DecidedOut:
    """Send an unknown row again, marked as a possible repeat, or give it up. Only a person may; the audit keeps who."""
    brand, actor, wanted, now = asked.caller.brand, asked.caller.name, asked.path["id"], desk.clock()
    if asked.body.decision == "give_up":
        await desk.db.write(lambda tx: decisions.give_up(tx, brand, wanted, actor, now))
        return DecidedOut(id=wanted, state=OutboxState.DEAD.value)
    await desk.db.write(lambda tx: decisions.send_again(tx, desk.world, brand, wanted, actor, now))
    desk.wake()
    return DecidedOut(id=wanted, state=OutboxState.QUEUED.value)


class InboxQuery(PageQuery):
    """Which inbox events."""

    kind: Annotated[
        Literal["parked", "unparsed"],
        Field(description="`parked`: handling failed again and again. `unparsed`: nobody could read it."),
    ]


class InboxOut(Model):
    """An event that came in. `raw` is what it was read from."""

    id: str
    account: str
    kind: str
    state: str
    attempts: int
    error: str
    raw: str
    received_at: Millis


class InboxPage(Page[InboxOut]):
    """Inbox events, the oldest first."""

    model_config = example(
        {
            "items": [
                {
                    "id": _EXAMPLE_ID,
                    "account": "oa",
                    "kind": "unparsed",
                    "state": "done",
                    "attempts": 1,
                    "error": "",
                    "raw": "<xml><MsgType>shortvideo</MsgType></xml>",
                    "received_at": 1795000000000,
                }
            ],
            "next": None,
        }
    )


@operation("GET", "/inbox", Right.READ)
async def list_inbox(desk: Desk, asked: Asked[InboxQuery, Nothing]) -> InboxPage:
    """Events that wait for a person: parked after failures, or not readable."""
    query = asked.query
    rows = inspection.parked_rows if query.kind == "parked" else inspection.unparsed_rows
    found = await desk.db.read(lambda tx: rows(tx, asked.caller.brand, query.cursor, query.limit + 1))
    items, following = cut(found, query.limit, _inbox, lambda row: row.id)
    return InboxPage(items=items, next=following)


def _inbox(row: inspection.InboxRow) -> InboxOut:
    return InboxOut(
        id=row.id,
        account=row.account,
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        raw=row.raw,
        received_at=row.received_at,
    )


class RedriveIn(Model):
    """Which parked events to queue again: these, or (left out) the oldest 500."""

    model_config = example({"ids": [_EXAMPLE_ID]}, {})

    ids: Annotated[list[str], Field(min_length=1, max_length=500)] | None = None


class RedrivenOut(Model):
    """The events that were queued again."""

    model_config = example({"ids": [_EXAMPLE_ID]})

    ids: list[str]


@operation("POST", "/inbox/redrive", Right.MANAGE)
async def redrive_inbox(desk: Desk, asked: Asked[Nothing, RedriveIn]) -> RedrivenOut:
    """Queue parked events again. What is not parked any more is left alone."""
    brand, actor, now = asked.caller.brand, asked.caller.name, desk.clock()
    ids = [one for one in asked.body.ids if is_id(one)] if asked.body.ids is not None else None
    again = await desk.db.write(lambda tx: decisions.redrive(tx, brand, ids, actor, now))
    if again:
        desk.wake()
    return RedrivenOut(ids=again)


class AlarmOut(Model):
    """Something a person must know, counted while it lasts."""

    kind: str
    subject: str
    severity: str
    text: str
    count: int
    first_at: Millis
    last_at: Millis


class AlarmsOut(Model):
    """Everything that is wrong now, the newest first."""

    model_config = example(
        {
            "items": [
                {
                    "kind": "event_parked",
                    "subject": _EXAMPLE_ID,
                    "severity": "warning",
                    "text": "an event failed 5 times and was parked: see `advisor-gateway inbox`",
                    "count": 1,
                    "first_at": 1795000000000,
                    "last_at": 1795000000000,
                }
            ]
        }
    )

    items: list[AlarmOut]


@operation("GET", "/alarms", Right.READ)
async def list_alarms(desk: Desk, asked: Asked[Nothing, Nothing]) -> AlarmsOut:
    """What is wrong now."""
    found = await desk.db.read(lambda tx: alarms.open_alarms(tx, asked.caller.brand))
    return AlarmsOut(items=[_alarm(alarm) for alarm in found])


def _alarm(alarm: alarms.Alarm) -> AlarmOut:
    return AlarmOut(
        kind=alarm.kind,
        subject=alarm.subject,
        severity=alarm.severity,
        text=alarm.text,
        count=alarm.count,
        first_at=alarm.first_at,
        last_at=alarm.last_at,
    )
