"""What an advisor has in hand: the conversation he pressed, and answers held until he picks the customer."""

import json
from dataclasses import asdict

from sqlalchemy import Connection, and_, select, update

from domain.conversation import FOCUS_MS, HELD_EXPIRES_MS, Focus, Held
from domain.ids import AdvisorId, BrandId, ConversationId, HeldId, new_id
from domain.messages import Content, decode, encode
from storage.dialect import insert
from storage.tables.talk import focuses, held_answers


def focus(tx: Connection, brand: BrandId, by: AdvisorId, now: int) -> Focus | None:
    """The conversation the advisor pressed, while it lasts."""
    mine = and_(focuses.c.brand == brand, focuses.c.advisor_id == by, focuses.c.until > now)
    row = tx.execute(select(focuses).where(mine)).first()
    return Focus(ConversationId(row.conversation_id), row.until) if row else None


def set_focus(tx: Connection, brand: BrandId, by: AdvisorId, conversation: ConversationId, now: int) -> None:
    """The advisor pressed a card of this conversation."""
    values = {"conversation_id": conversation, "until": now + FOCUS_MS}
    statement = insert(tx, focuses).values(brand=brand, advisor_id=by, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["brand", "advisor_id"], set_=values))


def end_focus(tx: Connection, brand: BrandId, by: AdvisorId, *, unless: ConversationId) -> None:
    """Another customer's message reached the advisor: what he types next may be for her, so the old focus ends."""
    other = and_(focuses.c.brand == brand, focuses.c.advisor_id == by, focuses.c.conversation_id != unless)
    tx.execute(focuses.delete().where(other))


def hold(tx: Connection, brand: BrandId, by: AdvisorId, held: Held, content: Content, now: int) -> HeldId:
    """Keep an answer until the advisor picks whom it is for."""
    held_id = HeldId(new_id(now))
    tx.execute(
        held_answers.insert().values(
            brand=brand,
            id=held_id,
            advisor_id=by,
            content=json.dumps(encode(content), ensure_ascii=False),
            because=held.because.value,
            decision=json.dumps({"steps": [asdict(step) for step in held.steps]}, ensure_ascii=False),
            created_at=now,
            expires_at=now + HELD_EXPIRES_MS,
            state="held",
        )
    )
    return held_id


def was_sent(tx: Connection, brand: BrandId, by: AdvisorId, held_id: HeldId) -> bool:
    """Whether this held answer of his was picked before."""
    mine = and_(held_answers.c.brand == brand, held_answers.c.id == held_id, held_answers.c.advisor_id == by)
    return tx.execute(select(held_answers.c.state).where(mine)).scalar_one_or_none() == "sent"


def take_held(tx: Connection, brand: BrandId, by: AdvisorId, held_id: HeldId, now: int) -> Content | None:
    """The held answer, once: None when it was sent already, is too old, or is not this advisor's."""
    mine = and_(held_answers.c.brand == brand, held_answers.c.id == held_id, held_answers.c.advisor_id == by)
    statement = (
        update(held_answers)
        .where(mine, held_answers.c.state == "held", held_answers.c.expires_at > now)
        .values(state="sent")
        .returning(held_answers.c.content)
    )
    row = tx.execute(statement).first()
    return decode(json.loads(row.content)) if row else None
