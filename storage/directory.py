"""The directory of a brand as imports see it: regions, shops, advisors and customers by their own codes, many at a time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, and_, func, select, tuple_, update

from domain.binding import ACTIVE, BindingState
from domain.codes import code_of
from domain.consent import Answer
from domain.ids import AdvisorId, BrandId, CustomerId, RegionId, ShopId
from storage.dialect import insert
from storage.tables.people import (
    advisors,
    bindings,
    consents,
    customer_tags,
    customers,
    identities,
    regions,
    relations,
    shops,
)

_CHUNK = 500
_ACTIVE = [state.value for state in ACTIVE]


def _chunks(values: Collection[Any]) -> Iterable[list[Any]]:
    """Values in lists short enough for one statement's parameters."""
    listed = list(values)
    return (listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK))


def regions_by_code(tx: Connection, brand: BrandId, codes: Collection[str]) -> dict[str, RegionId]:
    """The regions of these codes, as far as there are any."""
    return {code: RegionId(found) for code, found in _ids_by_code(tx, regions, brand, codes)}


def shops_by_code(tx: Connection, brand: BrandId, codes: Collection[str]) -> dict[str, ShopId]:
    """The shops of these codes, as far as there are any."""
    return {code: ShopId(found) for code, found in _ids_by_code(tx, shops, brand, codes)}


def _ids_by_code(tx: Connection, table: Table, brand: BrandId, codes: Collection[str]) -> Iterable[tuple[str, str]]:
    for some in _chunks(codes):
        found = tx.execute(select(table.c.code, table.c.id).where(table.c.brand == brand, table.c.code.in_(some)))
        yield from ((row.code, row.id) for row in found)


def every_code(tx: Connection, brand: BrandId, table: str) -> list[str]:
    """All codes of `regions`, `shops` or `advisors`: for suggestions only."""
    chosen = {"regions": regions, "shops": shops, "advisors": advisors}[table]
    return list(tx.execute(select(chosen.c.code).where(chosen.c.brand == brand).order_by(chosen.c.code)).scalars())


@dataclass(frozen=True, slots=True)
class KnownAdvisor:
    """An advisor as he is stored."""

    id: AdvisorId
    code: str
    work_account: str
    work_id: str
    persona: str
    own_id: str
    active: bool


def advisors_by_code(tx: Connection, brand: BrandId, codes: Collection[str]) -> dict[str, KnownAdvisor]:
    """The advisors of these codes, as far as there are any."""
    found: dict[str, KnownAdvisor] = {}
    for some in _chunks(codes):
        rows = tx.execute(select(advisors).where(advisors.c.brand == brand, advisors.c.code.in_(some)))
        found |= {row.code: _known_advisor(row) for row in rows}
    return found


def _known_advisor(row: Any) -> KnownAdvisor:
    return KnownAdvisor(
        AdvisorId(row.id), row.code, row.work_account or "", row.work_id, row.persona, row.own_id, bool(row.active)
    )


def codes_by_work_id(
    tx: Connection, brand: BrandId, work_ids: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Whose these (work account, work id) are: the advisors' codes."""
    place = tuple_(advisors.c.work_account, advisors.c.work_id)
    found: dict[tuple[str, str], str] = {}
    for some in _chunks(work_ids):
        rows = tx.execute(select(advisors).where(advisors.c.brand == brand, place.in_(some)))
        found |= {(row.work_account, row.work_id): row.code for row in rows}
    return found


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """A customer as she is stored; `reference` is None while she is only known from a platform."""

    id: CustomerId
    reference: str | None
    profile_name: str


def customers_by_reference(tx: Connection, brand: BrandId, references: Collection[str]) -> dict[str, KnownCustomer]:
    """The customers of these references, as far as there are any."""
    found: dict[str, KnownCustomer] = {}
    for some in _chunks(references):
        rows = tx.execute(select(customers).where(customers.c.brand == brand, customers.c.reference.in_(some)))
        found |= {row.reference: _known_customer(row) for row in rows}
    return found


def customers_by_identity(
    tx: Connection, brand: BrandId, who: Collection[tuple[str, str]]
) -> dict[tuple[str, str], KnownCustomer]:
    """Who is behind these (account, platform id), as far as anybody is."""
    place = tuple_(identities.c.account, identities.c.external_id)
    same = and_(customers.c.brand == identities.c.brand, customers.c.id == identities.c.customer_id)
    columns = (customers.c.id, customers.c.reference, customers.c.profile_name)
    found: dict[tuple[str, str], KnownCustomer] = {}
    for some in _chunks(who):
        statement = select(identities.c.account, identities.c.external_id, *columns).join(customers, same)
        rows = tx.execute(statement.where(identities.c.brand == brand, place.in_(some)))
        found |= {(row.account, row.external_id): _known_customer(row) for row in rows}
    return found


def _known_customer(row: Any) -> KnownCustomer:
    return KnownCustomer(CustomerId(row.id), row.reference, row.profile_name)


def active_advisors(tx: Connection, brand: BrandId, who: Collection[CustomerId]) -> dict[CustomerId, str]:
    """The code of the advisor each of these customers is bound to, where she is."""
    same = and_(advisors.c.brand == bindings.c.brand, advisors.c.id == bindings.c.advisor_id)
    found: dict[CustomerId, str] = {}
    for some in _chunks(who):
        statement = select(bindings.c.customer_id, advisors.c.code).join(advisors, same)
        mine = and_(bindings.c.brand == brand, bindings.c.customer_id.in_(some), bindings.c.state.in_(_ACTIVE))
        found |= {CustomerId(row.customer_id): row.code for row in tx.execute(statement.where(mine))}
    return found


@dataclass(frozen=True, slots=True)
class KnownConsent:
    """An answer a customer gave."""

    answer: Answer
    policy_version: str
    at: int


def consents_of(tx: Connection, brand: BrandId, who: Collection[CustomerId]) -> dict[CustomerId, list[KnownConsent]]:
    """Every answer these customers gave, in the order of time."""
    found: dict[CustomerId, list[KnownConsent]] = {}
    for some in _chunks(who):
        statement = select(consents).where(consents.c.brand == brand, consents.c.customer_id.in_(some))
        for row in tx.execute(statement.order_by(consents.c.at, consents.c.id)):
            consent = KnownConsent(Answer(row.answer), row.policy_version, row.at)
            found.setdefault(CustomerId(row.customer_id), []).append(consent)
    return found


Values = Mapping[str, Any]


def put_regions(tx: Connection, rows: Sequence[Values]) -> None:
    """Add regions, or rename those whose code is known."""
    _put(tx, regions, rows, ("name",))


def put_shops(tx: Connection, rows: Sequence[Values]) -> None:
    """Add shops, or change those whose code is known."""
    _put(tx, shops, rows, ("name", "region_id"))


def put_advisors(tx: Connection, rows: Sequence[Values]) -> None:
    """Add advisors, or change those whose code is known."""
    _put(tx, advisors, rows, ("name", "shop_id", "active", "work_account", "work_id", "persona", "own_id"))


def _put(tx: Connection, table: Table, rows: Sequence[Values], changing: Sequence[str]) -> None:
    if rows:
        statement = insert(tx, table)
        changed = {column: statement.excluded[column] for column in changing}
        tx.execute(statement.on_conflict_do_update(index_elements=["brand", "code"], set_=changed), rows)


def put_customers(tx: Connection, rows: Sequence[Values]) -> None:
    """Add customers, or give those whose id is known their reference and name."""
    if rows:
        statement = insert(tx, customers)
        changed = {column: statement.excluded[column] for column in ("reference", "profile_name")}
        tx.execute(statement.on_conflict_do_update(index_elements=["brand", "id"], set_=changed), rows)


def add_identities(tx: Connection, rows: Sequence[Values]) -> None:
    """Add platform identities; a known one stays as it is."""
    if rows:
        tx.execute(insert(tx, identities).on_conflict_do_nothing(), rows)


def set_tags(tx: Connection, brand: BrandId, tags: Mapping[CustomerId, Collection[str]]) -> None:
    """Give each customer exactly these tags."""
    for some in _chunks(tags):
        tx.execute(customer_tags.delete().where(customer_tags.c.brand == brand, customer_tags.c.customer_id.in_(some)))
    rows = [{"brand": brand, "customer_id": who, "tag": tag} for who, mine in tags.items() for tag in mine]
    if rows:
        tx.execute(customer_tags.insert(), rows)


@dataclass(frozen=True, slots=True)
class Meeting:
    """An advisor and a customer of his; a remark of None leaves his own as it is."""

    advisor: AdvisorId
    customer: CustomerId
    remark: str | None


def put_relations(tx: Connection, brand: BrandId, meetings: Sequence[Meeting]) -> None:
    """Give each customer a code with her advisor where she has none, and set the remarks."""
    known = _known_relations(tx, brand, {item.customer for item in meetings})
    fresh: dict[AdvisorId, list[Meeting]] = {}
    for item in meetings:
        if (item.advisor, item.customer) not in known:
            fresh.setdefault(item.advisor, []).append(item)
    for advisor, items in fresh.items():
        _meet(tx, brand, advisor, items)
    for item in meetings:
        if (item.advisor, item.customer) in known and item.remark is not None:
            _remark(tx, brand, item)


def _known_relations(tx: Connection, brand: BrandId, who: Collection[CustomerId]) -> set[tuple[AdvisorId, CustomerId]]:
    found: set[tuple[AdvisorId, CustomerId]] = set()
    for some in _chunks(who):
        rows = tx.execute(select(relations).where(relations.c.brand == brand, relations.c.customer_id.in_(some)))
        found |= {(AdvisorId(row.advisor_id), CustomerId(row.customer_id)) for row in rows}
    return found


def _meet(tx: Connection, brand: BrandId, advisor: AdvisorId, items: Sequence[Meeting]) -> None:
    taken = (
        update(advisors)
        .where(advisors.c.brand == brand, advisors.c.id == advisor)
        .values(next_code=advisors.c.next_code + len(items))
        .returning(advisors.c.next_code)
    )
    first = tx.execute(taken).scalar_one() - len(items)
    rows = [
        {
            "brand": brand,
            "advisor_id": advisor,
            "customer_id": item.customer,
            "code": code_of(first + number),
            "remark": item.remark or "",
        }
        for number, item in enumerate(items)
    ]
    tx.execute(relations.insert(), rows)


def _remark(tx: Connection, brand: BrandId, item: Meeting) -> None:
    mine = and_(
        relations.c.brand == brand,
        relations.c.advisor_id == item.advisor,
        relations.c.customer_id == item.customer,
    )
    tx.execute(update(relations).where(mine).values(remark=item.remark))


def add_bindings(tx: Connection, brand: BrandId, rows: Sequence[Values], receipts: Sequence[Values], now: int) -> None:
    """Bind customers whose consent is proven; each binding comes with its receipt. Raises Conflict when one is bound meanwhile."""
    if not rows:
        return
    who = [row["customer_id"] for row in rows]
    mine = and_(customers.c.brand == brand, customers.c.id.in_(who))
    tx.execute(update(customers).where(mine).values(version=customers.c.version + 1))
    waiting = and_(bindings.c.brand == brand, bindings.c.customer_id.in_(who))
    pending = bindings.c.state == BindingState.PENDING_CONSENT.value
    ended = {"state": BindingState.RELEASED.value, "released_at": now, "actor": "system", "reason": "bound_elsewhere"}
    tx.execute(update(bindings).where(waiting, pending).values(ended))
    tx.execute(bindings.insert(), rows)
    tx.execute(consents.insert(), receipts)


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many there are in a brand; advisors count while they are active."""

    shops: int
    advisors: int
    customers: int
    bound: int


def count_people(tx: Connection, brand: BrandId) -> Headcount:
    """The size of a brand."""

    def count(table: Table, *which: Any) -> int:
        return tx.execute(select(func.count()).select_from(table).where(table.c.brand == brand, *which)).scalar_one()

    return Headcount(
        count(shops),
        count(advisors, advisors.c.active),
        count(customers),
        count(bindings, bindings.c.state.in_(_ACTIVE)),
    )
