"""Access tokens: one for each account, fetched once per expiry whatever the number of callers and nodes.

A caller that finds no usable token claims the row by compare-and-swap, calls the platform, stores what it got; the others
wait for the row. A token the platform refuses is dropped only if it is still the stored one.
"""

import asyncio
import base64
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from domain.calls import MINUTE, SECOND
from gateway.channels.books import Books
from gateway.channels.errors import Refused, Retry, SendError
from storage import tokens
from storage.engine import Database, now
from storage.tokens import TokenKey, TokenRow

CLAIM_MS = 15 * SECOND
"""How long one fetch may take before somebody else may try."""

QUIET_MS = 1 * MINUTE
"""After a refused token was replaced, the next refusal within this time fetches nothing: it would be refused again."""

REST_MS = (1 * MINUTE, 10 * MINUTE, 90 * MINUTE)
"""Rests after the first, second and every further refusal of our credentials: at most 20 fetches a day."""

_PAUSE_S = 0.2
_PAUSES = 40
_BREATH_MS = 2 * SECOND
_SHORTEST_MS = 1 * MINUTE
_LONGEST_MS = 120 * MINUTE
_VALUE = re.compile(r"[\x21-\x7e]{1,512}")
_LIFE = re.compile(r"-?[0-9]{1,12}")
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token as the platform gave it, and for how many ms we use it."""

    value: str = field(repr=False)
    life_ms: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token in use. `version` tells it from its predecessors."""

    value: str = field(repr=False)
    version: int
    until: int


Fetch = Callable[[], Awaitable[Fetched]]
"""Asks the platform for a token. Raises SendError."""


def read_token(answer: Mapping[str, Any], *, margin_ms: int = 0) -> Fetched:
    """The token of a platform's answer, to be replaced `margin_ms` before its end. Raises Retry when it is none.

    Lives from a minute to two hours are believed; anything else is brought into that range.
    """
    value, life = answer.get("access_token"), str(answer.get("expires_in"))
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or not _LIFE.fullmatch(life):
        raise Retry("token_unreadable", "the platform answered with no usable token", after_ms=MINUTE, alarm=True)
    life_ms = max(_SHORTEST_MS, min(_LONGEST_MS, int(life) * SECOND))
    return Fetched(value, life_ms - margin_ms if life_ms > 2 * margin_ms else life_ms)


class TokenDesk:
    """Hands out tokens. Belongs to one event loop; `secrets_key` keeps the stored ones unreadable, `pause` waits seconds."""

    def __init__(
        self,
        db: Database,
        secrets_key: str,
        *,
        clock: Callable[[], int],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._books = Books(db)
        self._cipher = _Cipher(secrets_key)
        self._clock = clock
        self._pause = pause
        self._held: dict[TokenKey, Token] = {}
        self._fetching: dict[TokenKey, asyncio.Task[Token]] = {}
        self._failures: dict[TokenKey, int] = {}

    async def get(self, key: TokenKey, fetch: Fetch) -> Token:
        """The token in use, fetched when there is none. Raises Retry: nothing was sent, so it may be tried again."""
        held = self._held.get(key)
        if held and held.until > self._clock():
            return held
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._obtain(key, fetch), name="token")
            self._fetching[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # A caller that is cancelled leaves the others' fetch alone.
        return await asyncio.shield(task)

    async def renew(self, key: TokenKey, refused: Token, fetch: Fetch) -> Token:
        """A token other than `refused`, which the platform did not take. Raises Retry, also when it is too early to ask."""
        if self._held.get(key) == refused:
            del self._held[key]
        wait_ms = await self._books.write(lambda tx: tokens.refuse(tx, key, refused.version, now(tx)))
        if wait_ms:
            message = "the token that replaced a refused one was refused, too"
            raise Retry("token_refused", message, after_ms=wait_ms, block="*", alarm=True)
        token = await self.get(key, fetch)
        while token == refused:
            # Somebody read the row back before it was marked.
            self._held.pop(key, None)
            token = await self.get(key, fetch)
        return token

    async def wake(self, key: TokenKey) -> None:
        """End a rest early, because a person who may have mended the credentials asks."""
        self._failures.pop(key, None)
        await self._books.write(lambda tx: tokens.wake(tx, key, now(tx) + CLAIM_MS))

    async def close(self) -> None:
        """Give up the fetches that still run."""
        running = list(self._fetching.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _finished(self, key: TokenKey, task: asyncio.Task[Token]) -> None:
        self._fetching.pop(key, None)
        # Looked at here, in case every caller went away before it failed.
        if not task.cancelled() and task.exception() is None:
            self._held[key] = task.result()

    async def _obtain(self, key: TokenKey, fetch: Fetch) -> Token:
        for _ in range(_PAUSES):
            row, at = await self._books.read(lambda tx: (tokens.find(tx, key), now(tx)))
            token = self._usable(key, row, at)
            if token:
                return token
            rest_ms = row.refreshing_until - at
            if rest_ms > CLAIM_MS:
                raise Retry("token_resting", "our credentials were refused just now", after_ms=rest_ms, block="*")
            if rest_ms <= 0 and await self._books.write(partial(_claim, key=key, version=row.version)):
                return await self._fetch(key, row, fetch)
            await self._pause(_PAUSE_S)
        raise Retry("token_awaited", "somebody else is fetching a token", after_ms=_BREATH_MS)

    def _usable(self, key: TokenKey, row: TokenRow, at: int) -> Token | None:
        if row.expires_at <= at:
            return None
        value = self._cipher.open(row.ciphertext, _label(key, row.version))
        return Token(value, row.version, row.expires_at) if value else None

    async def _fetch(self, key: TokenKey, row: TokenRow, fetch: Fetch) -> Token:
        try:
            fetched = await fetch()
        except SendError as error:
            raise await self._failed(key, row, error) from None
        except BaseException:
            with suppress(Retry):
                await asyncio.shield(self._books.write(lambda tx: tokens.hold_off(tx, key, row.version, 0)))
            raise
        self._failures.pop(key, None)
        return await self._keep(key, row, fetched)

    async def _keep(self, key: TokenKey, row: TokenRow, fetched: Fetched) -> Token:
        version = row.version + 1
        ciphertext = self._cipher.seal(fetched.value, _label(key, version))
        was_refused = row.version > 0 and row.expires_at == 0

        def unit(tx: Connection) -> tuple[bool, int]:
            at = now(tx)
            quiet_until = at + QUIET_MS if was_refused else 0
            until = at + fetched.life_ms
            return tokens.store(tx, key, row.version, ciphertext, until, quiet_until), until

        stored, until = await self._books.write(unit)
        if not stored:
            raise Retry("token_awaited", "somebody else fetched a token meanwhile", after_ms=SECOND)
        return Token(fetched.value, version, until)

    async def _failed(self, key: TokenKey, row: TokenRow, error: SendError) -> Retry:
        wants_person = isinstance(error, Refused | Retry) and error.alarm
        failures = self._failures[key] = self._failures.get(key, 0) + 1 if wants_person else 0
        rest_ms = REST_MS[min(failures, len(REST_MS)) - 1] if wants_person else _BREATH_MS
        await self._books.write(lambda tx: tokens.hold_off(tx, key, row.version, now(tx) + rest_ms))
        return Retry(error.reason, error.message, after_ms=rest_ms, block="*", alarm=wants_person)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The token of one account, and how to get it."""

    desk: TokenDesk
    key: TokenKey
    fetch: Fetch

    async def get(self) -> Token:
        """See TokenDesk.get."""
        return await self.desk.get(self.key, self.fetch)

    async def renew(self, refused: Token) -> Token:
        """See TokenDesk.renew."""
        return await self.desk.renew(self.key, refused, self.fetch)

    async def wake(self) -> None:
        """See TokenDesk.wake."""
        await self.desk.wake(self.key)


class _Cipher:
    def __init__(self, secrets_key: str) -> None:
        if not secrets_key:
            raise ValueError("secrets_key must not be empty")
        derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"advisor-gateway access tokens")
        self._aes = AESGCM(derive.derive(secrets_key.encode()))

    def seal(self, value: str, label: bytes) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._aes.encrypt(nonce, value.encode(), label)).decode()

    def open(self, text: str, label: bytes) -> str:
        """The value, or nothing when it was sealed for another row or with another secrets_key."""
        sealed = base64.b64decode(text)
        try:
            return self._aes.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label).decode()
        except (InvalidTag, ValueError):
            return ""


def _label(key: TokenKey, version: int) -> bytes:
    return f"{key.brand}|{key.account}|{key.kind}|{version}".encode()


def _claim(tx: Connection, key: TokenKey, version: int) -> bool:
    at = now(tx)
    return tokens.claim(tx, key, version, at + CLAIM_MS, at)
