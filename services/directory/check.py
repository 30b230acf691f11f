"""What no row can tell alone: whether the codes it names exist, and whether it contradicts what is known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from domain.consent import Answer
from domain.ids import AccountId, BrandId, CustomerId
from domain.people import Side
from services.directory.cells import nearest
from services.directory.rows import AdvisorRow, CustomerRow, Place, Problem, Rows
from services.world import World
from storage import directory


@dataclass(frozen=True, slots=True)
class Known:
    """What storage knows of the people and places that an import names."""

    regions: Collection[str]
    shops: Collection[str]
    advisors: Mapping[str, directory.KnownAdvisor]
    work_ids: Mapping[tuple[str, str], str]
    by_reference: Mapping[str, directory.KnownCustomer]
    by_identity: Mapping[tuple[str, str], directory.KnownCustomer]
    bound_to: Mapping[CustomerId, str]
    consents: Mapping[CustomerId, Sequence[directory.KnownConsent]]

    def customer(self, row: CustomerRow) -> directory.KnownCustomer | None:
        """The customer a row is about: by its reference, else by its platform id."""
        return self.by_reference.get(row.reference) or self.by_identity.get((row.account, row.openid))


def look_up(tx: Connection, brand: BrandId, rows: Rows) -> Known:
    """Read everything about the people and places that `rows` name."""
    work_ids = {(row.work_account, row.work_id) for row in rows.advisors}
    named_advisors = {row.advisor for row in rows.customers if row.advisor} | {row.code for row in rows.advisors}
    by_reference = directory.customers_by_reference(tx, brand, {row.reference for row in rows.customers})
    openids = {(row.account, row.openid) for row in rows.customers if row.openid}
    by_identity = directory.customers_by_identity(tx, brand, openids)
    who = {item.id for item in (*by_reference.values(), *by_identity.values())}
    return Known(
        regions=directory.regions_by_code(tx, brand, {row.region for row in rows.shops}),
        shops=directory.shops_by_code(tx, brand, {row.shop for row in rows.advisors}),
        advisors=directory.advisors_by_code(tx, brand, named_advisors),
        work_ids=directory.codes_by_work_id(tx, brand, work_ids),
        by_reference=by_reference,
        by_identity=by_identity,
        bound_to=directory.active_advisors(tx, brand, who),
        consents=directory.consents_of(tx, brand, who),
    )


def check_rows(tx: Connection, world: World, brand: BrandId, rows: Rows, known: Known) -> None:
    """Add to `rows.problems` whatever stands against saving these rows."""
    checker = _Checker(tx, world, brand, rows, known)
    checker.twice("code", [(row.place, "", row.code) for row in rows.regions])
    checker.twice("code", [(row.place, "", row.code) for row in rows.shops])
    checker.twice("code", [(row.place, "", row.code) for row in rows.advisors])
    checker.twice("work_id", [(row.place, row.work_account, row.work_id) for row in rows.advisors])
    checker.twice("reference", [(row.place, "", row.reference) for row in rows.customers])
    checker.twice("openid", [(row.place, row.account, row.openid) for row in rows.customers])
    for shop in rows.shops:
        checker.exists(shop.place, "region", shop.region, known.regions, [row.code for row in rows.regions])
    for advisor in rows.advisors:
        checker.advisor(advisor)
    for customer in rows.customers:
        checker.customer(customer)


class _Checker:
    def __init__(self, tx: Connection, world: World, brand: BrandId, rows: Rows, known: Known) -> None:
        self._tx = tx
        self._world = world
        self._brand = brand
        self._rows = rows
        self._known = known
        self._advisors_here = {row.code: row for row in rows.advisors}
        self._suggestions: dict[str, list[str]] = {}

    def _fail(self, place: Place, field: str, text: str) -> None:
        self._rows.problems.append(Problem(place, field, text))

    def twice(self, field: str, values: Sequence[tuple[Place, str, str]]) -> None:
        """No two rows may have the same value in the same account."""
        first: dict[tuple[str, str], Place] = {}
        for place, account, value in values:
            if value and (account, value) in first:
                self._fail(place, field, f'"{value}" is also in line {first[account, value].line}')
            first.setdefault((account, value), place)

    def exists(self, place: Place, field: str, code: str, known: Collection[str], here: Collection[str]) -> None:
        """A region, shop or advisor of that code is known, or comes with this import."""
        if code and code not in known and code not in here:
            near = nearest(code, [*here, *self._every(f"{field}s")])
            self._fail(place, field, f'no {field} "{code}"{near}')

    def _every(self, table: str) -> list[str]:
        if table not in self._suggestions:
            self._suggestions[table] = directory.every_code(self._tx, self._brand, table)
        return self._suggestions[table]

    def _account(self, place: Place, field: str, account: str, side: Side) -> None:
        mine = [item.id for item in self._world.accounts_of(self._brand, side)]
        if account not in mine:
            choice = ", ".join(mine) or "none is configured"
            what = f'no account "{account}"' if account else "name one"
            self._fail(place, field, f"{what}: the accounts on the {side} side are: {choice}")

    def advisor(self, row: AdvisorRow) -> None:
        self.exists(row.place, "shop", row.shop, self._known.shops, [shop.code for shop in self._rows.shops])
        self._account(row.place, "work_account", row.work_account, Side.ADVISOR)
        owner = self._known.work_ids.get((row.work_account, row.work_id))
        if owner is not None and owner != row.code:
            self._fail(row.place, "work_id", f'"{row.work_id}" is the work id of advisor "{owner}"')

    def customer(self, row: CustomerRow) -> None:
        if row.openid:
            self._account(row.place, "account", row.account, Side.CUSTOMER)
            self._identity(row)
        if row.advisor:
            here = list(self._advisors_here)
            self.exists(row.place, "advisor", row.advisor, self._known.advisors, here)
            self._binding(row)
        elif row.consent:
            self._fail(row.place, "advisor", "is empty, but a consent is given: name the advisor she agreed to")
        elif row.remark:
            self._fail(row.place, "remark", "is an advisor's own name for her: name the advisor too")

    def _identity(self, row: CustomerRow) -> None:
        behind = self._known.by_identity.get((AccountId(row.account), row.openid))
        named = self._known.by_reference.get(row.reference)
        if behind is None or behind == named:
            return
        if behind.reference is not None:
            self._fail(row.place, "openid", f'belongs to customer "{behind.reference}"')
        elif named is not None:
            self._fail(
                row.place, "openid", f'belongs to somebody else than "{row.reference}"; an import never merges people'
            )

    def _binding(self, row: CustomerRow) -> None:
        if row.consent is None:
            text = "a binding needs her consent: fill consent_version and consent_at, or leave advisor empty"
            self._fail(row.place, "consent_at", text)
            return
        if not self._is_active(row.advisor):
            self._fail(row.place, "advisor", f'advisor "{row.advisor}" is not active')
        known = self._known.customer(row)
        if known is None:
            return
        owner = self._known.bound_to.get(known.id)
        if owner is not None and owner != row.advisor:
            self._fail(row.place, "advisor", f'she is bound to "{owner}"; a transfer is no import')
        refused = [item for item in self._known.consents.get(known.id, ()) if item.answer is Answer.NO]
        if owner is None and any(item.at >= row.consent.at for item in refused):
            self._fail(row.place, "consent_at", "she refused later than that; only she can bind herself again")

    def _is_active(self, code: str) -> bool:
        here = self._advisors_here.get(code)
        known = self._known.advisors.get(code)
        if here is not None and here.active is not None:
            return here.active
        return known.active if known is not None else True
