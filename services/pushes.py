"""One person's push: what she gets, under the face of the advisor she is bound to; or why she is skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.calls import Persona
from domain.ids import CustomerId, OutboxId, new_id
from domain.messages import Content
from domain.people import Advisor, Brand
from services.wording import Wording
from storage.audiences import Person
from storage.pushes import Push, stored
from templates.errors import UnsendableText
from templates.variables import Value


class SkipReason(StrEnum):
    """Why a recipient gets nothing, besides what may be missing for her text (`missing_value: customer.name`)."""

    OPTED_OUT = "opted_out"
    NOT_BOUND = "not_bound"
    ADVISOR_INACTIVE = "advisor_inactive"
    UNFOLLOWED = "unfollowed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Skip:
    """A recipient who gets nothing."""

    customer_id: CustomerId
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What a campaign says on one day. `values` stand in where a person has none of her own; `day` is `2026-12-01`."""

    brand: Brand
    wording: Wording
    values: Mapping[str, Value]
    day: str


SUPPLIED = frozenset({"customer.name", "advisor.name", "shop.name", "brand.name", "today"})
"""The variables that have a value without the marketer's doing; her name only where she authorised her profile."""


def write_push(letter: Letter, person: Person, now: int) -> Push | Skip:
    """Her push, or why she is skipped."""
    reason = _unreachable(person)
    if reason or person.advisor is None:
        return Skip(person.customer_id, reason or SkipReason.NOT_BOUND)
    try:
        content = write(letter, person.name, person.advisor)
    except UnsendableText as error:
        return Skip(person.customer_id, reason_of(error))
    return Push(
        outbox_id=OutboxId(new_id(now)),
        customer_id=person.customer_id,
        external_id=person.external_id,
        advisor_id=person.advisor.id,
        persona=Persona(person.advisor.name, person.advisor.persona),
        content=content,
        stored=stored(content),
    )


def _unreachable(person: Person) -> SkipReason | None:
    if person.opted_out:
        return SkipReason.OPTED_OUT
    if person.advisor is None:
        return SkipReason.NOT_BOUND
    if not person.advisor.active:
        return SkipReason.ADVISOR_INACTIVE
    return None if person.external_id else SkipReason.UNFOLLOWED


def write(letter: Letter, customer: str, advisor: Advisor) -> Content:
    """The text for a customer of that name. Raises UnsendableText."""
    known: dict[str, Value] = {
        "customer.name": customer,
        "advisor.name": advisor.name,
        "shop.name": advisor.shop.name,
        "brand.name": letter.brand.name,
        "today": letter.day,
    }
    own = {name: value for name, value in known.items() if value}
    return letter.wording.write({**letter.values, **own}, advisor)


def reason_of(error: UnsendableText) -> str:
    """The stable word for why a text cannot be written for somebody: `missing_value: customer.name`, `text_too_long`."""
    word = error.key.removeprefix("template.")
    return f"{word}: {error.variable}" if error.variable else word
