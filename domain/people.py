"""People and places: brand, region, shop, advisor, customer."""

from dataclasses import dataclass
from enum import StrEnum

from domain.ids import AccountId, AdvisorId, BrandId, CustomerId, ShopId


class Side(StrEnum):
    """Who writes through an account."""

    CUSTOMER = "customer"
    ADVISOR = "advisor"


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand: the owner of relations, history, consent and credit. `timezone` is an IANA name."""

    id: BrandId
    name: str
    timezone: str
    language: str = "zh-CN"


@dataclass(frozen=True, slots=True)
class Account:
    """One configured channel account. `kind` names the channel plug-in."""

    id: AccountId
    brand: BrandId
    kind: str
    side: Side


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop (门店)."""

    id: ShopId
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Advisor:
    """A shop guide (导购), the face of the brand for his customers.

    `work_account` and `work_id` are where he answers; `persona` is his persona account on the customers' platform, may be empty.
    `own_id` is his own id where customers write, as far as it is known: nobody becomes his own customer.
    """

    id: AdvisorId
    code: str
    name: str
    shop: Shop
    active: bool
    work_account: AccountId | None
    work_id: str
    persona: str = ""
    own_id: str = ""

    @property
    def at_work(self) -> bool:
        """Whether messages reach him: he works for the brand, and has a work app."""
        return self.active and self.work_account is not None


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer (顾客) of one brand. `profile_name` only where she authorised it. `version` grows with each change of ownership."""

    id: CustomerId
    version: int
    profile_name: str = ""
    opted_out: bool = False
    is_new: bool = False
