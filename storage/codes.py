"""The codes (QR) of advisors: their scenes, and which of them still wait for a platform to make the code."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, exists, select, update

from domain.calls import OPEN
from domain.ids import AccountId, AdvisorId, BrandId, ShopId
from domain.people import Advisor
from domain.scene import SceneKind
from storage.people import read_advisor, select_advisor
from storage.tables.people import advisors, scenes
from storage.tables.queue import outbox

_OPEN = [state.value for state in OPEN]


@dataclass(frozen=True, slots=True)
class AdvisorScene:
    """What an advisor's code in one account stands for."""

    state: str
    label: str
    account: AccountId
    advisor: AdvisorId
    shop: ShopId


def stream(state: str) -> str:
    """The outbox stream of everything about one code."""
    return f"scene:{state}"


def advisors_with_codes(tx: Connection, brand: BrandId, who: Collection[str]) -> list[Advisor]:
    """The active advisors among these (by their own codes): the ones who have codes in shops."""
    mine = and_(advisors.c.brand == brand, advisors.c.code.in_(list(who)), advisors.c.active)
    return [read_advisor(row) for row in tx.execute(select_advisor().where(mine).order_by(advisors.c.code))]


def scenes_of(tx: Connection, brand: BrandId, who: Collection[AdvisorId]) -> dict[tuple[AccountId, AdvisorId], str]:
    """The states of these advisors' codes, by account and advisor."""
    mine = and_(scenes.c.brand == brand, scenes.c.kind == SceneKind.ADVISOR.value, scenes.c.advisor_id.in_(list(who)))
    rows = tx.execute(select(scenes.c.account, scenes.c.advisor_id, scenes.c.state).where(mine))
    return {(AccountId(row.account), AdvisorId(row.advisor_id)): row.state for row in rows}


def add_scenes(tx: Connection, brand: BrandId, made: Sequence[AdvisorScene], now: int) -> None:
    """Keep new scenes; their codes are still to be made."""
    rows: list[dict[str, Any]] = [
        {
            "brand": brand,
            "state": item.state,
            "kind": SceneKind.ADVISOR.value,
            "label": item.label,
            "account": item.account,
            "advisor_id": item.advisor,
            "shop_id": item.shop,
            "created_at": now,
        }
        for item in made
    ]
    if rows:
        tx.execute(scenes.insert(), rows)


def relabel_scene(tx: Connection, brand: BrandId, changed: AdvisorScene) -> None:
    """The advisor moved or has another name; the printed code stays what it is."""
    mine = and_(scenes.c.brand == brand, scenes.c.state == changed.state)
    tx.execute(update(scenes).where(mine).values(label=changed.label, shop_id=changed.shop))


def waiting_codes(tx: Connection, brand: BrandId, states: Collection[str]) -> set[str]:
    """Those of `states` that have no code yet and nothing on its way to make one."""
    on_its_way = exists().where(
        outbox.c.brand == scenes.c.brand, outbox.c.stream == "scene:" + scenes.c.state, outbox.c.state.in_(_OPEN)
    )
    statement = select(scenes.c.state).where(
        scenes.c.brand == brand, scenes.c.state.in_(list(states)), scenes.c.ticket == "", ~on_its_way
    )
    return set(tx.execute(statement).scalars())


@dataclass(frozen=True, slots=True)
class Label:
    """A code and what is printed beside it; `ticket` is empty until the platform has made it."""

    state: str
    label: str
    ticket: str


def labels(tx: Connection, brand: BrandId) -> Sequence[Label]:
    """Every code of a brand."""
    rows = tx.execute(select(scenes).where(scenes.c.brand == brand).order_by(scenes.c.label, scenes.c.state))
    return [Label(row.state, row.label, row.ticket) for row in rows]
