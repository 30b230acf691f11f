"""Pushes: a page of a run becomes messages and outbox rows; a stopped run's rows are held, released, cancelled, expired in pages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, select, update

from domain.calls import OPEN, Lane, Outbound, OutboxState, Persona
from domain.conversation import Step
from domain.ids import AccountId, AdvisorId, BrandId, ConversationId, CustomerId, MessageId, OutboxId, new_id
from domain.messages import Content, encode
from storage.campaigns import Run
from storage.dialect import insert
from storage.outbox import Promise, enqueue, push_stream
from storage.tables.queue import outbox
from storage.tables.talk import conversations, messages

PAUSED = "campaign_paused"
"""Why a row is held while its campaign is paused."""

CANCELLED = "campaign_cancelled"
EXPIRED = "expired"

_UNCALLED = [state.value for state in OPEN if state is not OutboxState.CALLING]


@dataclass(frozen=True, slots=True)
class Push:
    """One person's message of a run, under her advisor's face. `stored`: its content as `messages` keeps it, made outside the unit."""

    outbox_id: OutboxId
    customer_id: CustomerId
    external_id: str
    advisor_id: AdvisorId
    persona: Persona
    content: Content
    stored: str


def stored(content: Content) -> str:
    """A content as `messages` keeps it."""
    return json.dumps(encode(content), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Place:
    conversation_id: ConversationId
    seq: int


def queue(
    tx: Connection, run: Run, account: AccountId, page: Sequence[Push], why: Step, *, expires_at: int, now: int
) -> None:
    """Keep the messages of a page in their conversations and promise to send them until `expires_at`; `why` is kept with each."""
    if not page:
        return
    places = _take_numbers(tx, run.brand, account, page, now)
    decision = json.dumps({"recipient": "", "steps": [asdict(why)]}, ensure_ascii=False)
    rows, promises = [], []
    for push in page:
        place = places[push.external_id]
        message_id = MessageId(new_id(now))
        rows.append(_message(run.brand, message_id, place, push, decision, now))
        promises.append(_promise(run, account, push, place, message_id, expires_at))
    tx.execute(messages.insert(), rows)
    enqueue(tx, promises, now)


def _message(
    brand: BrandId, message_id: MessageId, place: _Place, push: Push, decision: str, now: int
) -> dict[str, Any]:
    return {
        "brand": brand,
        "id": message_id,
        "conversation_id": place.conversation_id,
        "seq": place.seq,
        "direction": "out",
        "author": "campaign",
        "advisor_id": push.advisor_id,
        "content": push.stored,
        "decision": decision,
        "occurred_at": now,
        "created_at": now,
    }


def _promise(
    run: Run, account: AccountId, push: Push, place: _Place, message_id: MessageId, expires_at: int
) -> Promise:
    return Promise(
        brand=run.brand,
        id=push.outbox_id,
        account=account,
        stream=push_stream(place.conversation_id),
        n=run.due_at,
        lane=Lane.PUSH,
        recipient=push.external_id,
        call=Outbound(push.external_id, push.content, push.persona),
        due_by=expires_at,
        expires_at=expires_at,
        conversation_id=place.conversation_id,
        customer_id=push.customer_id,
        advisor_id=push.advisor_id,
        message_id=message_id,
        run_id=run.id,
    )


def _take_numbers(
    tx: Connection, brand: BrandId, account: AccountId, page: Sequence[Push], now: int
) -> Mapping[str, _Place]:
    """The conversation of each push with its next number, which is then taken; conversations that never were begin now."""
    external_ids = [push.external_id for push in page]
    places = _places(tx, brand, account, external_ids)
    strangers = [push for push in page if push.external_id not in places]
    if strangers:
        _begin_conversations(tx, brand, account, strangers, now)
        places = _places(tx, brand, account, external_ids)
    mine = and_(conversations.c.brand == brand, conversations.c.id.in_([p.conversation_id for p in places.values()]))
    tx.execute(update(conversations).where(mine).values(next_seq=conversations.c.next_seq + 1))
    return places


def _places(tx: Connection, brand: BrandId, account: AccountId, external_ids: Sequence[str]) -> Mapping[str, _Place]:
    mine = and_(
        conversations.c.brand == brand,
        conversations.c.account == account,
        conversations.c.external_id.in_(external_ids),
    )
    columns = (conversations.c.external_id, conversations.c.id, conversations.c.next_seq)
    # Locked in one order by everybody, so that two runs with the same people cannot wait for each other.
    rows = tx.execute(select(*columns).where(mine).order_by(conversations.c.id).with_for_update())
    return {row.external_id: _Place(ConversationId(row.id), row.next_seq) for row in rows}


def _begin_conversations(
    tx: Connection, brand: BrandId, account: AccountId, strangers: Sequence[Push], now: int
) -> None:
    rows = [
        {
            "brand": brand,
            "id": new_id(now),
            "account": account,
            "external_id": push.external_id,
            "customer_id": push.customer_id,
            "created_at": now,
        }
        for push in strangers
    ]
    tx.execute(insert(tx, conversations).on_conflict_do_nothing(), rows)


def hold(tx: Connection, run: Run, limit: int) -> int:
    """Hold rows of a paused campaign's run that are not called yet; returns how many, at most `limit`."""
    waiting = [state for state in _UNCALLED if state != OutboxState.HELD.value]
    return _turn(tx, run, [outbox.c.state.in_(waiting)], limit, state=OutboxState.HELD.value, reason=PAUSED)


def release(tx: Connection, run: Run, limit: int) -> int:
    """Queue rows again that were held by the pause; returns how many, at most `limit`."""
    held = [outbox.c.state == OutboxState.HELD.value, outbox.c.reason == PAUSED]
    return _turn(tx, run, held, limit, state=OutboxState.QUEUED.value, reason="")


def cancel(tx: Connection, run: Run, now: int, limit: int) -> int:
    """Cancel rows of a cancelled campaign's run that are not called yet; returns how many, at most `limit`."""
    return _turn(tx, run, [], limit, state=OutboxState.CANCELLED.value, reason=CANCELLED, done_at=now)


def expire(tx: Connection, run: Run, now: int, limit: int) -> int:
    """Expire rows whose time is over, also held ones that no worker looks at; returns how many, at most `limit`."""
    over = [outbox.c.expires_at <= now]
    return _turn(tx, run, over, limit, state=OutboxState.EXPIRED.value, reason=EXPIRED, done_at=now)


def _turn(tx: Connection, run: Run, which: Sequence[Any], limit: int, **values: Any) -> int:
    uncalled = and_(_of(run), outbox.c.state.in_(_UNCALLED), *which)
    page = select(outbox.c.id).where(uncalled).limit(limit)
    # The state is asked again where it is changed: a row that a worker called meanwhile stays as it is.
    statement = update(outbox).where(outbox.c.brand == run.brand, outbox.c.id.in_(page), uncalled).values(values)
    return tx.execute(statement).rowcount


def any_open(tx: Connection, run: Run) -> bool:
    """Whether any row of the run may still be sent, or is being sent."""
    still = exists().where(_of(run), outbox.c.state.in_([state.value for state in OPEN]))
    return bool(tx.execute(select(still)).scalar_one())


def _of(run: Run) -> Any:
    return and_(outbox.c.brand == run.brand, outbox.c.run_id == run.id)
