"""Advisors and customers: who is behind an id, a work account or a platform identity."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, and_, select, update

from domain.ids import AccountId, AdvisorId, BrandId, CustomerId, ShopId, new_id
from domain.people import Advisor, Customer, Shop
from storage.dialect import insert
from storage.errors import Conflict
from storage.tables.people import advisors, customers, identities, shops


def select_advisor(*more: Any) -> Select[Any]:
    """A select of advisors with their shops, for `read_advisor`; `more` are further columns."""
    of_shop = and_(shops.c.brand == advisors.c.brand, shops.c.id == advisors.c.shop_id)
    columns = (
        advisors.c.id.label("advisor_id"),
        advisors.c.code.label("advisor_code"),
        advisors.c.name.label("advisor_name"),
        advisors.c.active.label("advisor_active"),
        advisors.c.work_account,
        advisors.c.work_id,
        advisors.c.persona,
        advisors.c.own_id,
        shops.c.id.label("shop_id"),
        shops.c.code.label("shop_code"),
        shops.c.name.label("shop_name"),
    )
    return select(*columns, *more).select_from(advisors.join(shops, of_shop))


def read_advisor(row: Row[Any]) -> Advisor:
    """The advisor in a row of `select_advisor`."""
    return Advisor(
        id=AdvisorId(row.advisor_id),
        code=row.advisor_code,
        name=row.advisor_name,
        shop=Shop(ShopId(row.shop_id), row.shop_code, row.shop_name),
        active=bool(row.advisor_active),
        work_account=AccountId(row.work_account) if row.work_account else None,
        work_id=row.work_id,
        persona=row.persona,
        own_id=row.own_id,
    )


def at_work(who: FromClause) -> ColumnElement[bool]:
    """Which rows of `advisors`, or of an alias of it, are of advisors whom messages reach; see Advisor.at_work."""
    return and_(who.c.active, who.c.work_account.is_not(None))


def advisor(tx: Connection, brand: BrandId, advisor_id: AdvisorId) -> Advisor | None:
    """The advisor of that id."""
    row = tx.execute(select_advisor().where(advisors.c.brand == brand, advisors.c.id == advisor_id)).first()
    return read_advisor(row) if row else None


def advisor_at_work(tx: Connection, brand: BrandId, account: AccountId, work_id: str) -> Advisor | None:
    """Who writes from this work app under that member id (compared without case)."""
    mine = and_(advisors.c.brand == brand, advisors.c.work_account == account, advisors.c.work_id == work_id.casefold())
    row = tx.execute(select_advisor().where(mine)).first()
    return read_advisor(row) if row else None


def advisors_on_queue(tx: Connection, brand: BrandId, limit: int) -> Sequence[Advisor]:
    """The advisors of a brand who can be reached at work, for the brand queue."""
    reachable = and_(advisors.c.brand == brand, at_work(advisors))
    rows = tx.execute(select_advisor().where(reachable).order_by(advisors.c.code).limit(limit))
    return [read_advisor(row) for row in rows]


def customer_behind(tx: Connection, brand: BrandId, account: AccountId, external_id: str) -> Customer | None:
    """The customer behind a platform identity."""
    known = and_(customers.c.brand == identities.c.brand, customers.c.id == identities.c.customer_id)
    row = tx.execute(
        _customer()
        .join(identities, known)
        .where(identities.c.brand == brand, identities.c.account == account, identities.c.external_id == external_id)
    ).first()
    return _read_customer(row) if row else None


def customer(tx: Connection, brand: BrandId, customer_id: CustomerId) -> Customer | None:
    """The customer of that id."""
    row = tx.execute(_customer().where(customers.c.brand == brand, customers.c.id == customer_id)).first()
    return _read_customer(row) if row else None


def _customer() -> Select[Any]:
    return select(customers.c.id, customers.c.version, customers.c.profile_name, customers.c.opted_out_at).select_from(
        customers
    )


def _read_customer(row: Row[Any]) -> Customer:
    return Customer(CustomerId(row.id), row.version, row.profile_name, opted_out=row.opted_out_at is not None)


def new_customer(now: int) -> Customer:
    """A customer nobody has seen before; `add_customer` makes her lasting."""
    return Customer(CustomerId(new_id(now)), version=0, is_new=True)


def add_customer(tx: Connection, brand: BrandId, who: Customer, account: AccountId, external_id: str, now: int) -> None:
    """Keep a new customer with her first identity. Raises Conflict when somebody else met her meanwhile."""
    identity = {
        "brand": brand,
        "account": account,
        "external_id": external_id,
        "customer_id": who.id,
        "followed_at": now,
    }
    added = tx.execute(insert(tx, identities).values(identity).on_conflict_do_nothing())
    if added.rowcount != 1:
        raise Conflict("somebody else met this customer first")
    tx.execute(customers.insert().values(brand=brand, id=who.id, version=0, created_at=now))


def lock_customer(tx: Connection, brand: BrandId, who: Customer) -> None:
    """Hold the customer for this transaction. Raises Conflict when her ownership changed since `who` was read."""
    statement = select(customers.c.version).where(customers.c.brand == brand, customers.c.id == who.id)
    version = tx.execute(statement.with_for_update()).scalar_one_or_none()
    if version != who.version:
        raise Conflict("the customer's ownership changed meanwhile")


def lock_row(tx: Connection, brand: BrandId, customer_id: CustomerId) -> None:
    """Hold the customer's row until the transaction ends: nobody changes her ownership meanwhile."""
    statement = select(customers.c.version).where(customers.c.brand == brand, customers.c.id == customer_id)
    tx.execute(statement.with_for_update()).scalar_one()


def touch_customer(tx: Connection, brand: BrandId, customer_id: CustomerId) -> None:
    """Count a change of ownership: whoever decided on the old state must decide again."""
    mine = and_(customers.c.brand == brand, customers.c.id == customer_id)
    tx.execute(update(customers).where(mine).values(version=customers.c.version + 1))


def set_opted_out(tx: Connection, brand: BrandId, customer_id: CustomerId, at: int | None) -> None:
    """Record that she refuses pushes since `at`, or wants them again (None)."""
    mine = and_(customers.c.brand == brand, customers.c.id == customer_id)
    tx.execute(update(customers).where(mine).values(opted_out_at=at))


def set_following(
    tx: Connection, brand: BrandId, account: AccountId, external_id: str, now: int, *, follows: bool
) -> None:
    """Record that she follows the account, or left it."""
    mine = and_(identities.c.brand == brand, identities.c.account == account, identities.c.external_id == external_id)
    changed = {"followed_at": now, "unfollowed_at": None} if follows else {"unfollowed_at": now}
    tx.execute(update(identities).where(mine).values(changed))
