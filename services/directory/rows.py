"""The rows of an import: regions, shops, advisors and customers, each knowing the line it came from."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in what was handed in."""

    where: str
    line: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why nothing was saved. `field` is empty for a problem of the whole row or table."""

    place: Place
    field: str
    text: str

    def __str__(self) -> str:
        parts = (f"{self.place.where}:{self.place.line}", self.field, self.text)
        return ": ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region as a file has it."""

    place: Place
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A shop as a file has it; `region` is a code."""

    place: Place
    code: str
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class AdvisorRow:
    """An advisor as a file has it; `shop` is a code. None leaves what is known as it is."""

    place: Place
    code: str
    name: str
    shop: str
    work_id: str
    work_account: str
    persona: str | None
    own_id: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class ConsentProof:
    """When a customer agreed, to which version of the words."""

    version: str
    at: int


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer as a file has her; `advisor` is a code. None leaves what is known as it is."""

    place: Place
    reference: str
    profile_name: str | None
    tags: tuple[str, ...] | None
    remark: str | None
    advisor: str
    consent: ConsentProof | None
    openid: str
    account: str


@dataclass(slots=True)
class Rows:
    """All rows of an import, and what is wrong with them so far."""

    regions: list[RegionRow] = field(default_factory=list)
    shops: list[ShopRow] = field(default_factory=list)
    advisors: list[AdvisorRow] = field(default_factory=list)
    customers: list[CustomerRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
