"""Calling WeCom's api for one app: messages to members, cards, files.

https://developer.work.weixin.qq.com/document/path/90236
"""

from collections.abc import Collection, Mapping
from typing import Any, assert_never

from domain.calls import Call, Command, CommandName, Outbound
from domain.people import Account
from gateway.channels import files
from gateway.channels.calls import Api, Request, Wire
from gateway.channels.contract import Accepted, MediaFile
from gateway.channels.deps import Deps
from gateway.channels.errors import Refused
from gateway.channels.tokens import Credentials, Fetched, read_token
from gateway.channels.uploads import media_of, with_media
from gateway.channels.wecom import render
from gateway.channels.wecom.codes import CODES
from gateway.channels.wecom.settings import WecomSettings
from storage.tokens import TokenKey

SEND = "/cgi-bin/message/send"
UPDATE_CARD = "/cgi-bin/message/update_template_card"

_KINDS = {
    "image/jpeg": "image",
    "image/png": "image",
    "audio/amr": "voice",
    "video/mp4": "video",
}


class Client:
    """The api of one app."""

    def __init__(self, account: Account, settings: WecomSettings, deps: Deps) -> None:
        self._account = account
        self._settings = settings
        self._media = deps.media
        self._clock = deps.clock
        self._wire = Wire(deps.session, settings.api_base, CODES, deps.clock)
        # A corp has one token for each app.
        key = TokenKey(account.brand, account.id, f"access:{settings.corp_id}/{settings.agent_id}")
        self._credentials = Credentials(deps.tokens, key, self._fetch_token)
        self._api = Api(self._wire, CODES, self._credentials)

    async def send(self, call: Call) -> Accepted:
        """See Channel.send."""
        match call:
            case Outbound():
                return await with_media(
                    self._media, self._account, call.content, self._upload, CODES, lambda media: self._say(call, media)
                )
            case Command(CommandName.MARK_PRESSED, params):
                return await self._mark_pressed(params)
            case Command(name):
                raise Refused("command_unsupported", f"a WeCom app cannot {name}", alarm=True)
            case other:
                assert_never(other)

    def apis(self, call: Call) -> Collection[str]:
        """The api paths a call uses, as blocks name them."""
        if isinstance(call, Command):
            return (UPDATE_CARD,)
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
        name = f"{self._settings.corp_id}/{self._settings.agent_id}"
        return f"WeCom app {name}: credentials accepted, {count} callback addresses"

    async def _say(self, outbound: Outbound, media_id: str) -> Accepted:
        message = render.body(outbound, self._settings.agent_id, media_id)
        answer = await self._api.ask(Request(SEND, message))
        # errcode is 0 although the one receiver may be among those it could not reach, in lower case.
        if _names(answer, "invaliduser", outbound.to):
            raise Refused("invalid_member", f"{SEND} does not know the member, or the app does not cover him")
        if _names(answer, "unlicenseduser", outbound.to):
            raise Refused("licence_missing", f"{SEND} wants a licence for the member", alarm=True)
        response_code = answer.get("response_code")
        values = {"response_code": response_code} if isinstance(response_code, str) else {}
        return Accepted(str(answer.get("msgid", "")), values)

    async def _mark_pressed(self, params: Mapping[str, str]) -> Accepted:
        """https://developer.work.weixin.qq.com/document/path/94888"""
        update = {
            "userids": [params.get("to", "")],
            "agentid": self._settings.agent_id,
            "response_code": params.get("response_code", ""),
            "button": {"replace_name": render.button_text(params.get("text", ""))},
        }
        # The code works once, so asking twice changes nothing the second time.
        await self._api.ask(Request(UPDATE_CARD, update, repeatable=True))
        return Accepted()

    async def _upload(self, file: MediaFile) -> tuple[str, int]:
        return await files.upload(self._api, _KINDS, file, self._clock)

    async def _fetch_token(self) -> Fetched:
        """https://developer.work.weixin.qq.com/document/path/91039"""
        # The same token comes back until its very end, so there is nothing to gain by asking earlier.
        query = {"corpid": self._settings.corp_id, "corpsecret": self._settings.secret.get_secret_value()}
        request = Request("/cgi-bin/gettoken", query=query, repeatable=True, proof="access_token")
        return read_token(await self._wire.ask(request))


def _names(answer: Mapping[str, Any], field: str, member: str) -> bool:
    listed = answer.get(field)
    return isinstance(listed, str) and member.casefold() in listed.casefold().split("|")
