"""A WeCom app as a channel: every part behind the one contract."""

from collections.abc import Collection

from domain.calls import Call
from domain.messages import Inbound
from domain.people import Account, Side
from gateway.channels.contract import Accepted, Handshake, MediaFile, RawRequest, RawResponse, Verified
from gateway.channels.deps import Deps
from gateway.channels.wecom.client import Client
from gateway.channels.wecom.parse import parse
from gateway.channels.wecom.settings import WecomSettings
from gateway.channels.wecom.verify import Door


class WecomChannel:
    """See Channel and FetchesMedia."""

    def __init__(self, account: Account, settings: WecomSettings, deps: Deps) -> None:
        self.account = account
        self.side: Side = account.side
        self._settings = settings
        self._door = Door(settings)
        self._client = Client(account, settings, deps)

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        """See Channel.verify."""
        return self._door.verify(request, now)

    def parse(self, verified: Verified, now: int) -> list[Inbound]:
        """See Channel.parse."""
        return parse(self.account.id, self._settings, verified.payload, now)

    def acknowledge(self, verified: Verified) -> RawResponse:
        """See Channel.acknowledge. An empty body says: nothing to answer."""
        del verified
        return RawResponse(b"")

    async def send(self, call: Call) -> Accepted:
        """See Channel.send."""
        return await self._client.send(call)

    def apis(self, call: Call) -> Collection[str]:
        """The api paths a call uses, as `Retry.block` names them."""
        return self._client.apis(call)

    async def fetch(self, origin: str) -> MediaFile:
        """See FetchesMedia.fetch."""
        return await self._client.fetch(origin)

    async def check(self) -> str:
        """See Channel.check."""
        return await self._client.check()
