"""Audiences: from a rule for people to the customers it means, a page at a time, and what is known of each of them.

A push goes to customers alone who have an advisor, follow the account and have not opted out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import Connection, Select, and_, case, exists, func, select

from domain.binding import ACTIVE
from domain.campaign import Audience, AudienceKind
from domain.ids import AccountId, AdvisorId, BrandId, CustomerId
from domain.people import Advisor
from storage.leases import one_of
from storage.people import read_advisor, select_advisor
from storage.tables.people import advisors, bindings, customer_tags, customers, identities, shops


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a rule is applied to: the customers of one brand in one of its accounts."""

    brand: BrandId
    account: AccountId
    audience: Audience


@dataclass(frozen=True, slots=True)
class Reach:
    """How many customers a rule means: those who can be reached, and those who cannot."""

    reachable: int
    opted_out: int
    not_following: int


@dataclass(frozen=True, slots=True)
class Member:
    """A customer of an audience, with the advisor she is bound to."""

    customer_id: CustomerId
    advisor_id: AdvisorId


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as a push needs her. `advisor`: the one she is bound to; `external_id`: empty when she does not follow the account.

    `name` is the profile she authorised, never her advisor's remark: that is his own note.
    """

    customer_id: CustomerId
    name: str
    opted_out: bool
    external_id: str
    advisor: Advisor | None


def reach(tx: Connection, target: Target) -> Reach:
    """How many customers the rule means now."""
    opted_out = customers.c.opted_out_at.is_not(None)
    kind = case((opted_out, "opted_out"), (_follows(target), "reachable"), else_="not_following").label("kind")
    meant = _meant(target, kind).subquery()
    rows = tx.execute(select(meant.c.kind, func.count()).group_by(meant.c.kind))
    found: dict[str, int] = dict(rows.all())
    return Reach(found.get("reachable", 0), found.get("opted_out", 0), found.get("not_following", 0))


def page(tx: Connection, target: Target, after: str, limit: int) -> Sequence[Member]:
    """The next customers of the audience behind the id `after`, in the order of their ids."""
    statement = (
        _meant(target, customers.c.id, bindings.c.advisor_id)
        .where(customers.c.id > after, customers.c.opted_out_at.is_(None), _follows(target))
        .order_by(customers.c.id)
        .limit(limit)
    )
    return [Member(CustomerId(row.id), AdvisorId(row.advisor_id)) for row in tx.execute(statement)]


def _meant(target: Target, *columns: Any) -> Select[Any]:
    """The bound customers that the rule means, opted out or not."""
    bound = and_(
        bindings.c.brand == customers.c.brand,
        bindings.c.customer_id == customers.c.id,
        one_of(bindings.c.state, ACTIVE),
    )
    guide = and_(advisors.c.brand == bindings.c.brand, advisors.c.id == bindings.c.advisor_id)
    statement = select(*columns).select_from(customers.join(bindings, bound).join(advisors, guide))
    return statement.where(customers.c.brand == target.brand, *_rule(target))


def _rule(target: Target) -> Sequence[Any]:
    value = target.audience.value
    match target.audience.kind:
        case AudienceKind.ALL_BOUND:
            return []
        case AudienceKind.SHOP:
            shop = select(shops.c.id).where(shops.c.brand == target.brand, shops.c.code == value)
            return [advisors.c.shop_id == shop.scalar_subquery()]
        case AudienceKind.TAG:
            of_her = and_(customer_tags.c.brand == customers.c.brand, customer_tags.c.customer_id == customers.c.id)
            return [exists().where(of_her, customer_tags.c.tag == value)]
        case AudienceKind.ADVISOR:
            return [advisors.c.code == value]
        case kind:
            assert_never(kind)


def _follows(target: Target) -> Any:
    return exists().where(_hers(), identities.c.account == target.account, identities.c.unfollowed_at.is_(None))


def _hers() -> Any:
    return and_(identities.c.brand == customers.c.brand, identities.c.customer_id == customers.c.id)


def people(
    tx: Connection, brand: BrandId, account: AccountId, who: Sequence[CustomerId]
) -> Mapping[CustomerId, Person]:
    """What is known now of these customers; at most a page of them."""
    guides = _advisors_of(tx, brand, who)
    # One person may have several identities in an account: the one she followed with last, so that nobody is written to twice.
    latest = (
        select(identities.c.external_id)
        .where(_hers(), identities.c.account == account, identities.c.unfollowed_at.is_(None))
        .order_by(func.coalesce(identities.c.followed_at, 0).desc(), identities.c.external_id)
        .limit(1)
        .correlate(customers)
        .scalar_subquery()
        .label("external_id")
    )
    columns = (customers.c.id, customers.c.profile_name, customers.c.opted_out_at, latest)
    rows = tx.execute(select(*columns).where(customers.c.brand == brand, customers.c.id.in_(who)))
    return {CustomerId(row.id): _person(row, guides) for row in rows}


def _person(row: Any, guides: Mapping[CustomerId, Advisor]) -> Person:
    customer_id = CustomerId(row.id)
    is_out = row.opted_out_at is not None
    return Person(customer_id, row.profile_name, is_out, row.external_id or "", guides.get(customer_id))


def _advisors_of(tx: Connection, brand: BrandId, who: Sequence[CustomerId]) -> Mapping[CustomerId, Advisor]:
    of_advisor = and_(bindings.c.brand == advisors.c.brand, bindings.c.advisor_id == advisors.c.id)
    statement = (
        select_advisor(bindings.c.customer_id)
        .join(bindings, of_advisor)
        .where(bindings.c.brand == brand, bindings.c.customer_id.in_(who), one_of(bindings.c.state, ACTIVE))
    )
    return {CustomerId(row.customer_id): read_advisor(row) for row in tx.execute(statement)}


@dataclass(frozen=True, slots=True)
class Named:
    """Something an audience may name: the code to write, and what people call it."""

    code: str
    name: str


def named(tx: Connection, brand: BrandId, kind: AudienceKind, limit: int) -> Sequence[Named]:
    """What an audience of this kind may name, for suggestions; nothing for one that names nothing."""
    match kind:
        case AudienceKind.ALL_BOUND:
            return []
        case AudienceKind.SHOP:
            statement = select(shops.c.code, shops.c.name).where(shops.c.brand == brand).order_by(shops.c.code)
        case AudienceKind.ADVISOR:
            statement = (
                select(advisors.c.code, advisors.c.name).where(advisors.c.brand == brand).order_by(advisors.c.code)
            )
        case AudienceKind.TAG:
            tag = customer_tags.c.tag
            statement = (
                select(tag.label("code"), tag.label("name"))
                .where(customer_tags.c.brand == brand)
                .distinct()
                .order_by(tag)
            )
        case _:
            assert_never(kind)
    return [Named(row.code, row.name) for row in tx.execute(statement.limit(limit))]


def exists_named(tx: Connection, brand: BrandId, audience: Audience) -> bool:
    """Whether what the audience names exists."""
    match audience.kind:
        case AudienceKind.ALL_BOUND:
            return True
        case AudienceKind.SHOP:
            found = and_(shops.c.brand == brand, shops.c.code == audience.value)
        case AudienceKind.ADVISOR:
            found = and_(advisors.c.brand == brand, advisors.c.code == audience.value)
        case AudienceKind.TAG:
            found = and_(customer_tags.c.brand == brand, customer_tags.c.tag == audience.value)
        case kind:
            assert_never(kind)
    return bool(tx.execute(select(exists().where(found))).scalar_one())
