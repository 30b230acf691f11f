"""An official account as a channel: every part behind the one contract."""

from collections.abc import Collection

from domain.calls import Call
from domain.messages import Inbound
from domain.people import Account, Side
from gateway.channels.contract import Accepted, Handshake, MediaFile, RawRequest, RawResponse, Verified
from gateway.channels.deps import Deps
from gateway.channels.wechat.client import Client
from gateway.channels.wechat.parse import parse
from gateway.channels.wechat.settings import WechatSettings
from gateway.channels.wechat.verify import Door


class WechatChannel:
    """See Channel and FetchesMedia."""

    def __init__(self, account: Account, settings: WechatSettings, deps: Deps) -> None:
        self.account = account
        self.side: Side = account.side
        self._original_id = settings.original_id
        self._door = Door(settings)
        self._client = Client(account, settings, deps)

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        """See Channel.verify."""
        return self._door.verify(request, now)

    def parse(self, verified: Verified, now: int) -> list[Inbound]:
        """See Channel.parse."""
        return parse(self.account.id, self._original_id, verified.payload, now)

    def acknowledge(self, verified: Verified) -> RawResponse:
        """See Channel.acknowledge. The bare word needs no encryption in any mode."""
        del verified
        return RawResponse(b"success")

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
