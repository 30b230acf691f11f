"""Questions that only the gateway can answer while a person waits. Implemented there, handed in by gateway/app.py."""

from dataclasses import dataclass
from typing import Protocol

from domain.ids import AccountId


@dataclass(frozen=True, slots=True)
class Finding:
    """What trying an account against its platform showed; `text` is a line for people, with the way to mend what is wrong."""

    account: AccountId
    ok: bool
    text: str


class ChecksAccounts(Protocol):
    """Tries the credentials of an account."""

    async def check(self, account: AccountId) -> Finding:
        """Ask the platform, within its time limit. Never raises for what the platform answers."""
