"""Calling the official account's api: customer-service messages, codes, files.

https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage
"""

from collections.abc import Collection
from typing import assert_never

from domain.calls import SECOND, Call, Command, CommandName, Outbound
from domain.messages import Card
from domain.people import Account
from gateway.channels import files
from gateway.channels.calls import Api, Request, Wire
from gateway.channels.contract import Accepted, MediaFile
from gateway.channels.deps import Deps
from gateway.channels.errors import Refused, Retry, SendError
from gateway.channels.tokens import Credentials, Fetched, read_token
from gateway.channels.uploads import media_of, with_media
from gateway.channels.wechat import render
from gateway.channels.wechat.codes import CODES, MENU_UNSUPPORTED
from gateway.channels.wechat.settings import WechatSettings
from storage.tokens import TokenKey

SEND = "/cgi-bin/message/custom/send"
MAKE_CODE = "/cgi-bin/qrcode/create"

# The platform makes a new token five minutes before the old one ends; we ask within that time.
_MARGIN_MS = 240 * SECOND
_KINDS = {
    "image/jpeg": "image",
    "image/png": "image",
    "image/gif": "image",
    "audio/amr": "voice",
    "audio/mpeg": "voice",
    "video/mp4": "video",
}
_LONGEST_SCENE = 64


class Client:
    """The api of one official account."""

    def __init__(self, account: Account, settings: WechatSettings, deps: Deps) -> None:
        self._account = account
        self._settings = settings
        self._media = deps.media
        self._clock = deps.clock
        self._wire = Wire(deps.session, settings.api_base, CODES, deps.clock)
        key = TokenKey(account.brand, account.id, f"access:{settings.app_id}")
        self._credentials = Credentials(deps.tokens, key, self._fetch_token)
        self._api = Api(self._wire, CODES, self._credentials)

    async def send(self, call: Call) -> Accepted:
        """See Channel.send."""
        match call:
            case Outbound():
                return await with_media(
                    self._media, self._account, call.content, self._upload, CODES, lambda media: self._say(call, media)
                )
            case Command(CommandName.MAKE_CODE, params):
                return await self._make_code(params.get("scene", ""))
            case Command(name):
                raise Refused("command_unsupported", f"an official account cannot {name}", alarm=True)
            case other:
                assert_never(other)

    def apis(self, call: Call) -> Collection[str]:
        """The api paths a call uses, as blocks name them."""
        if isinstance(call, Command):
            return (MAKE_CODE,)
        return (SEND,) if media_of(call.content) is None else (SEND, files.UPLOAD)

    async def fetch(self, origin: str) -> MediaFile:
        """See FetchesMedia.fetch."""
        return await files.fetch(self._api, origin)

    async def check(self) -> str:
        """See Channel.check."""
        await self._credentials.wake()
        answer = await self._api.ask(Request("/cgi-bin/getcallbackip", repeatable=True, proof="ip_list"))
        addresses = answer.get("ip_list")
        count = len(addresses) if isinstance(addresses, list) else 0
        return f"official account {self._settings.app_id}: credentials accepted, {count} callback addresses"

    async def _say(self, outbound: Outbound, media_id: str) -> Accepted:
        try:
            await self._api.ask(Request(SEND, render.body(outbound, media_id)))
        except SendError as error:
            if error.code != MENU_UNSUPPORTED or not isinstance(outbound.content, Card):
                raise
        else:
            return Accepted()
        # This account cannot show message menus: the same in plain text.
        await self._api.ask(Request(SEND, render.as_text(outbound, outbound.content)))
        return Accepted()

    async def _make_code(self, scene: str) -> Accepted:
        """https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.md"""
        if not 0 < len(scene) <= _LONGEST_SCENE:
            raise Refused("scene_invalid", f"a scene has 1 to {_LONGEST_SCENE} characters", alarm=True)
        wanted = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": scene}}}
        answer = await self._api.ask(Request(MAKE_CODE, wanted, repeatable=True, proof="ticket"))
        ticket, url = answer.get("ticket"), answer.get("url")
        if not isinstance(ticket, str) or not isinstance(url, str):
            raise Retry("answer_unreadable", f"{MAKE_CODE} answered without ticket and url")
        return Accepted(values={"ticket": ticket, "url": url})

    async def _upload(self, file: MediaFile) -> tuple[str, int]:
        return await files.upload(self._api, _KINDS, file, self._clock)

    async def _fetch_token(self) -> Fetched:
        """https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken"""
        # The normal mode of stable_token kills no token that is in use elsewhere; the older api does.
        wanted = {
            "grant_type": "client_credential",
            "appid": self._settings.app_id,
            "secret": self._settings.secret.get_secret_value(),
        }
        request = Request("/cgi-bin/stable_token", wanted, repeatable=True, proof="access_token")
        return read_token(await self._wire.ask(request), margin_ms=_MARGIN_MS)
