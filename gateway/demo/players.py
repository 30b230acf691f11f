"""The people of the demo on the platforms' side: followers, personas, posters, and the first words that open reply windows."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

import aiohttp
from orjson import dumps

from gateway.demo.house import APP_ID, House, Keys
from storage.errors import Unavailable

_AT_ONCE = 20
_JSON = {"Content-Type": "application/json"}
_SUCCESS = 0
_PERSONA_EXISTS = 65406


class Players:
    """Acts through the emulator's control face, and sets personas up through the platform's own API."""

    def __init__(self, house: House, keys: Keys, session: aiohttp.ClientSession) -> None:
        self._house = house
        self._keys = keys
        self._session = session

    async def follow(self, customers: Mapping[str, str]) -> None:
        """Make followers of these openids; the values are the names on their phones. Those who are there already stay."""
        made = ({"openid": openid, "label": name, "following": True} for openid, name in customers.items())
        await _each(self._play("/play/customers", one, fine=(409,)) for one in made)

    async def add_personas(self, personas: Mapping[str, str]) -> None:
        """Make the advisors' persona accounts (客服账号), so that customers see their names."""
        token = await self._token()
        for account, name in personas.items():
            body = {"kf_account": account, "nickname": name}
            answer = await self._call(f"/customservice/kfaccount/add?access_token={token}", body)
            if answer.get("errcode") not in (_SUCCESS, _PERSONA_EXISTS):
                raise Unavailable(f"the emulator refused the persona {account}: {answer}", retryable=False)

    async def _token(self) -> str:
        # The stable token of the gateway itself, not a second one that would end it.
        credentials = {"grant_type": "client_credential", "appid": APP_ID, "secret": self._keys.app_secret}
        answer = await self._call("/cgi-bin/stable_token", credentials)
        if "access_token" not in answer:
            raise Unavailable(f"the emulator gave no token: {answer}", retryable=False)
        return str(answer["access_token"])

    async def label_posters(self, labels: Mapping[str, str]) -> None:
        """Print what each code stands for beside it."""
        await _each(self._play("/play/posters", {"scene": scene, "label": label}) for scene, label in labels.items())

    async def say(self, words: Mapping[str, str]) -> None:
        """Each of these customers writes, through the platform's callback, and has been heard when this returns."""
        await _each(self._play(f"/play/customers/{who}/type?wait=1", {"text": text}) for who, text in words.items())

    async def _play(self, path: str, body: Mapping[str, Any], fine: Sequence[int] = ()) -> None:
        async with self._session.post(self._house.emulator_url + path, data=dumps(body), headers=_JSON) as response:
            if not response.ok and response.status not in fine:
                raise Unavailable(f"the emulator refused {path}: {await response.text()}", retryable=False)

    async def _call(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._session.post(
            f"{self._house.emulator_url}/wechat{path}", data=dumps(body), headers=_JSON
        ) as response:
            if not response.ok:
                raise Unavailable(
                    f"the emulator answered {response.status} to {path.partition('?')[0]}", retryable=False
                )
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer


async def _each(deeds: Iterable[Awaitable[None]]) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(deed: Awaitable[None]) -> None:
        async with turns:
            await deed

    async with asyncio.TaskGroup() as group:
        for deed in deeds:
            group.create_task(one(deed))
