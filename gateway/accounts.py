"""The configured accounts as channels, and trying whether they work."""

from collections.abc import Mapping

from domain.ids import AccountId
from gateway.channels import KINDS
from gateway.channels.contract import Channel
from gateway.channels.deps import Deps
from gateway.channels.errors import SendError
from gateway.settings import Config
from services.ports import Finding
from services.world import World


def open_channels(config: Config, world: World, deps: Deps) -> dict[AccountId, Channel]:
    """Every account of the configuration as a channel."""
    return {
        AccountId(one.id): KINDS[one.channel](world.accounts[AccountId(one.id)], one, deps) for one in config.accounts
    }


class AccountChecks:
    """Tries the credentials of an account; see services/ports.py."""

    def __init__(self, channels: Mapping[AccountId, Channel]) -> None:
        self._channels = channels

    async def check(self, account: AccountId) -> Finding:
        """See ChecksAccounts.check."""
        channel = self._channels.get(account)
        if channel is None:
            return Finding(account, ok=False, text=f"there is no account {account} in config.yaml")
        try:
            return Finding(account, ok=True, text=await channel.check())
        except SendError as error:
            return Finding(account, ok=False, text=f"{error}; compare the account's keys with the platform's console")
