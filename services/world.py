"""What every use case knows of the installation: its brands, accounts and the platforms' rules. Comes from config.yaml alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.ids import AccountId, BrandId
from domain.people import Account, Brand, Side
from domain.platforms import RULES
from domain.quota import PlatformRules


@dataclass(frozen=True, slots=True)
class World:
    """Brands and accounts by id, platform rules by channel kind."""

    brands: Mapping[BrandId, Brand]
    accounts: Mapping[AccountId, Account]
    rules: Mapping[str, PlatformRules] = field(default_factory=lambda: RULES)

    def rules_of(self, account: AccountId) -> PlatformRules:
        """The platform rules of an account. Raises LookupError for one that is no longer configured."""
        if account not in self.accounts:
            raise LookupError(f"account {account} is not in config.yaml any more: add it again, or move its people")
        return self.rules[self.accounts[account].kind]

    def accounts_of(self, brand: BrandId, side: Side) -> list[Account]:
        """The accounts of a brand on one side, in the order of the configuration."""
        return [account for account in self.accounts.values() if account.brand == brand and account.side is side]
