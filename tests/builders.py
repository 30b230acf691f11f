"""Sample people for tests, put straight into the tables: shops, advisors, customers who follow an account and are bound.

build = Builder()
lan = build.advisor(build.shop("jingan", "静安店"), "lan", "小兰")
wang = build.customer(lan, "王女士", tags=("VIP",))
await db.write(build.insert)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

from domain.ids import AccountId, AdvisorId, BrandId, CustomerId, RegionId, ShopId
from domain.people import Account, Brand, Side
from services.world import World
from storage.tables.people import advisors, bindings, brands, customer_tags, customers, identities, regions, shops
from tests.clock import START

BRAND = BrandId("linjian")
OA = AccountId("oa")
WORK = AccountId("work")


def world(*more: Account, timezone: str = "Asia/Shanghai", language: str = "zh-CN") -> World:
    """One brand with an official account for customers and a WeCom app for advisors, and `more` accounts."""
    brand = Brand(BRAND, "林间茶", timezone, language)
    accounts = (Account(OA, BRAND, "wechat", Side.CUSTOMER), Account(WORK, BRAND, "wecom", Side.ADVISOR), *more)
    return World({BRAND: brand}, {account.id: account for account in accounts})


class Builder:
    """Collects rows; `insert` writes those that are new since the last time. Ids sort in the order of making."""

    def __init__(self, brand: BrandId = BRAND, name: str = "林间茶") -> None:
        self.brand = brand
        self._made = 0
        self._rows: list[tuple[Table, dict[str, Any]]] = []
        self._add(brands, name=name, timezone="Asia/Shanghai", language="zh-CN")
        self._region = RegionId(self._id())
        self._add(regions, id=self._region, code="east", name="华东")

    def insert(self, tx: Connection) -> None:
        """Write what was collected."""
        by_table: dict[Table, list[dict[str, Any]]] = {}
        for table, row in self._rows:
            by_table.setdefault(table, []).append(row)
        for table, rows in by_table.items():
            tx.execute(table.insert(), rows)
        self._rows.clear()

    def shop(self, code: str, name: str = "静安店") -> ShopId:
        """A shop."""
        shop = ShopId(self._id())
        self._add(shops, id=shop, code=code, name=name, region_id=self._region)
        return shop

    def advisor(
        self, shop: ShopId, code: str, name: str = "小兰", *, active: bool = True, persona: str = ""
    ) -> AdvisorId:
        """An advisor of a shop, reachable at work under his code."""
        advisor = AdvisorId(self._id())
        work = {"work_account": WORK, "work_id": code.casefold()}
        self._add(advisors, id=advisor, code=code, name=name, shop_id=shop, active=active, persona=persona, **work)
        return advisor

    def customer(
        self,
        advisor: AdvisorId | None = None,
        name: str = "",
        *,
        tags: Sequence[str] = (),
        follows: bool = True,
        opted_out: bool = False,
        account: AccountId = OA,
    ) -> CustomerId:
        """A customer, known in `account` as `external_id(customer)`, and bound to `advisor` where one is given."""
        customer = CustomerId(self._id())
        opted_out_at = START if opted_out else None
        self._add(customers, id=customer, profile_name=name, opted_out_at=opted_out_at, version=0, created_at=START)
        self.identity(customer, external_id(customer), account=account, follows=follows)
        if advisor:
            self.binding(customer, advisor)
        for tag in tags:
            self._add(customer_tags, tag=tag, customer_id=customer)
        return customer

    def identity(
        self,
        customer: CustomerId,
        external: str,
        *,
        account: AccountId = OA,
        follows: bool = True,
        followed_at: int = START,
    ) -> None:
        """One more id of a customer in an account."""
        unfollowed_at = None if follows else START
        times = {"followed_at": followed_at, "unfollowed_at": unfollowed_at}
        self._add(identities, account=account, external_id=external, customer_id=customer, **times)

    def binding(self, customer: CustomerId, advisor: AdvisorId, state: str = "bound") -> None:
        """A binding."""
        self._add(
            bindings,
            id=self._id(),
            customer_id=customer,
            advisor_id=advisor,
            state=state,
            created_at=START,
            bound_at=START,
        )

    def _add(self, table: Table, **values: Any) -> None:
        self._rows.append((table, {"brand": self.brand, **values}))

    def _id(self) -> str:
        self._made += 1
        return f"{self._made:032x}"


def external_id(customer: CustomerId) -> str:
    """The id under which a built customer is known on her platform."""
    return f"o{customer[-12:]}"
