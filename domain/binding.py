"""The binding (专属绑定): the exclusive advisor of a customer as a contract with a history.

pending_consent > bound > transfer_pending > released. Active are `bound` and `transfer_pending`: at most one active binding for each
(brand, customer) at any time. Several may be pending; they expire. Drawn in docs/states/binding.md.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.calls import DAY
from domain.ids import AdvisorId, BindingId
from domain.people import Advisor

PENDING_EXPIRES_MS = 7 * DAY


class BindingState(StrEnum):
    """States of a binding."""

    PENDING_CONSENT = "pending_consent"
    BOUND = "bound"
    TRANSFER_PENDING = "transfer_pending"
    RELEASED = "released"


ACTIVE = (BindingState.BOUND, BindingState.TRANSFER_PENDING)


@dataclass(frozen=True, slots=True)
class Binding:
    """The active binding of a customer."""

    id: BindingId
    advisor: Advisor
    state: BindingState


@dataclass(frozen=True, slots=True)
class PendingBinding:
    """A binding that waits for the customer's consent."""

    id: BindingId
    advisor_id: AdvisorId
    scene: str
    policy_version: str
    expires_at: int
