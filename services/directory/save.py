"""Saving checked rows, each under the id its code or reference already has. Doing it again changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from domain.binding import BindingState
from domain.calls import DUE_MS, EXPIRES_MS, Command, CommandName, Lane
from domain.consent import Answer
from domain.ids import AccountId, AdvisorId, BrandId, CustomerId, OutboxId, new_id
from domain.people import Side
from domain.scene import new_state
from services.directory.check import Known
from services.directory.rows import AdvisorRow, ConsentProof, CustomerRow, Rows
from services.world import World
from storage import codes, directory
from storage.outbox import Promise, enqueue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Importer:
    """Who imports into which brand, when; `actor` is for the history."""

    tx: Connection
    world: World
    brand: BrandId
    actor: str
    now: int


def save_places(work: Importer, rows: Rows) -> None:
    """Save regions and shops."""
    regions = [
        {"brand": work.brand, "id": new_id(work.now), "code": row.code, "name": row.name} for row in rows.regions
    ]
    directory.put_regions(work.tx, regions)
    known = directory.regions_by_code(work.tx, work.brand, {row.region for row in rows.shops})
    shops = [
        {
            "brand": work.brand,
            "id": new_id(work.now),
            "code": row.code,
            "name": row.name,
            "region_id": known[row.region],
        }
        for row in rows.shops
    ]
    directory.put_shops(work.tx, shops)


def save_advisors(work: Importer, rows: Sequence[AdvisorRow], known: Known) -> None:
    """Save advisors, and see to it that each active one has his code in every customers' account."""
    shops = directory.shops_by_code(work.tx, work.brand, {row.shop for row in rows})
    values = []
    for row in rows:
        before = known.advisors.get(row.code)
        values.append(
            {
                "brand": work.brand,
                "id": before.id if before else new_id(work.now),
                "code": row.code,
                "name": row.name,
                "shop_id": shops[row.shop],
                "active": _kept(row.active, before.active if before else True),
                "work_account": row.work_account,
                "work_id": row.work_id,
                "persona": _kept(row.persona, before.persona if before else ""),
                "own_id": _kept(row.own_id, before.own_id if before else ""),
            }
        )
    directory.put_advisors(work.tx, values)
    _save_codes(work, {row.code for row in rows})


def _kept(given: T | None, before: T) -> T:
    return before if given is None else given


def _save_codes(work: Importer, who: Collection[str]) -> None:
    advisors = codes.advisors_with_codes(work.tx, work.brand, who)
    known = codes.scenes_of(work.tx, work.brand, {item.id for item in advisors})
    fresh: list[codes.AdvisorScene] = []
    account_of: dict[str, AccountId] = {}
    for account in work.world.accounts_of(work.brand, Side.CUSTOMER):
        for advisor in advisors:
            state = known.get((account.id, advisor.id))
            label = f"{advisor.name} · {advisor.shop.name}"
            scene = codes.AdvisorScene(state or new_state(), label, account.id, advisor.id, advisor.shop.id)
            account_of[scene.state] = account.id
            if state is None:
                fresh.append(scene)
            else:
                codes.relabel_scene(work.tx, work.brand, scene)
    codes.add_scenes(work.tx, work.brand, fresh, work.now)
    waiting = codes.waiting_codes(work.tx, work.brand, account_of)
    wanted = [_make_code(work, state, account) for state, account in account_of.items() if state in waiting]
    enqueue(work.tx, wanted, work.now)


def _make_code(work: Importer, state: str, account: AccountId) -> Promise:
    return Promise(
        brand=work.brand,
        id=OutboxId(new_id(work.now)),
        account=account,
        stream=codes.stream(state),
        n=work.now,
        lane=Lane.COMMAND,
        recipient="",
        call=Command(CommandName.MAKE_CODE, {"scene": state}),
        due_by=work.now + DUE_MS[Lane.COMMAND],
        expires_at=work.now + EXPIRES_MS[Lane.COMMAND],
        reports=True,
    )


def save_customers(work: Importer, rows: Sequence[CustomerRow], known: Known) -> None:
    """Save customers with their identities and tags, and bind those whose consent the rows prove."""
    ids = {row.reference: _customer_id(work, row, known) for row in rows}
    directory.put_customers(work.tx, [_customer(work, row, ids[row.reference], known) for row in rows])
    directory.add_identities(work.tx, [_identity(work, row, ids[row.reference]) for row in rows if row.openid])
    tags = {ids[row.reference]: row.tags for row in rows if row.tags is not None}
    directory.set_tags(work.tx, work.brand, tags)
    owned = [row for row in rows if row.advisor]
    guides = directory.advisors_by_code(work.tx, work.brand, {row.advisor for row in owned})
    meetings = [directory.Meeting(guides[row.advisor].id, ids[row.reference], row.remark) for row in owned]
    directory.put_relations(work.tx, work.brand, meetings)
    _bind(work, owned, ids, guides, known)


def _customer_id(work: Importer, row: CustomerRow, known: Known) -> CustomerId:
    before = known.customer(row)
    return before.id if before else CustomerId(new_id(work.now))


def _customer(work: Importer, row: CustomerRow, customer: CustomerId, known: Known) -> directory.Values:
    before = known.customer(row)
    return {
        "brand": work.brand,
        "id": customer,
        "reference": row.reference,
        "profile_name": _kept(row.profile_name, before.profile_name if before else ""),
        "version": 0,
        "created_at": work.now,
    }


def _identity(work: Importer, row: CustomerRow, customer: CustomerId) -> directory.Values:
    return {
        "brand": work.brand,
        "account": row.account,
        "external_id": row.openid,
        "customer_id": customer,
        "followed_at": work.now,
    }


def _bind(
    work: Importer,
    rows: Sequence[CustomerRow],
    ids: Mapping[str, CustomerId],
    guides: Mapping[str, directory.KnownAdvisor],
    known: Known,
) -> None:
    bindings: list[directory.Values] = []
    receipts: list[directory.Values] = []
    for row in rows:
        customer = ids[row.reference]
        if row.consent and customer not in known.bound_to and not _has_receipt(known, customer, row.consent):
            binding = new_id(work.now)
            bindings.append(_binding(work, binding, customer, guides[row.advisor].id, row.consent))
            receipts.append(_receipt(work, binding, customer, row.account, row.consent))
    directory.add_bindings(work.tx, work.brand, bindings, receipts, work.now)


def _has_receipt(known: Known, customer: CustomerId, proof: ConsentProof) -> bool:
    # This very consent was used before: if that binding has ended meanwhile, the same old consent does not revive it.
    return any(
        item.answer is Answer.YES and item.policy_version == proof.version and item.at == proof.at
        for item in known.consents.get(customer, ())
    )


def _binding(
    work: Importer, binding: str, customer: CustomerId, advisor: AdvisorId, proof: ConsentProof
) -> directory.Values:
    return {
        "brand": work.brand,
        "id": binding,
        "customer_id": customer,
        "advisor_id": advisor,
        "state": BindingState.BOUND.value,
        "policy_version": proof.version,
        "created_at": work.now,
        "bound_at": work.now,
        "reason": "import",
        "actor": work.actor,
    }


def _receipt(work: Importer, binding: str, customer: CustomerId, account: str, proof: ConsentProof) -> directory.Values:
    return {
        "brand": work.brand,
        "id": new_id(work.now),
        "customer_id": customer,
        "binding_id": binding,
        "answer": Answer.YES.value,
        "policy_version": proof.version,
        # The words she saw were shown elsewhere; only their version is known here.
        "text_hash": "",
        "account": account,
        "scene": "import",
        "at": proof.at,
    }
