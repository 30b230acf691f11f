"""Codes in shops: what a scanned state stands for, and the code a platform made of it."""

from sqlalchemy import Connection, and_, select, update

from domain.ids import AdvisorId, BrandId, ShopId
from domain.people import Shop
from domain.scene import Scene, SceneKind
from storage.people import advisor
from storage.tables.people import scenes, shops


def scene(tx: Connection, brand: BrandId, state: str) -> Scene | None:
    """The scene behind a scanned state; None when this brand never made it."""
    row = tx.execute(select(scenes).where(scenes.c.brand == brand, scenes.c.state == state)).first()
    if row is None:
        return None
    guide = advisor(tx, brand, AdvisorId(row.advisor_id)) if row.advisor_id else None
    place = guide.shop if guide else _shop(tx, brand, row.shop_id)
    return Scene(row.state, SceneKind(row.kind), row.label, guide, place)


def _shop(tx: Connection, brand: BrandId, shop_id: str | None) -> Shop | None:
    if shop_id is None:
        return None
    row = tx.execute(select(shops).where(shops.c.brand == brand, shops.c.id == shop_id)).first()
    return Shop(ShopId(row.id), row.code, row.name) if row else None


def save_code(tx: Connection, brand: BrandId, state: str, ticket: str, url: str) -> None:
    """Keep the code that a platform made of a scene."""
    mine = and_(scenes.c.brand == brand, scenes.c.state == state)
    tx.execute(update(scenes).where(mine).values(ticket=ticket, url=url))
