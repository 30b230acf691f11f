"""Plays the platform's side of a callback: signed, encrypted, and counted, at any speed. Uses the emulator's crypto, not ours."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field

from emulator import xml
from emulator.crypto import Envelope, read_key, sign

TOKEN = "QDG6eKtokenForTests"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@dataclass(frozen=True, slots=True)
class Signed:
    """A callback ready to be posted: the query and the body."""

    query: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """The query as it stands behind the path."""
        return "&".join(f"{name}={value}" for name, value in self.query.items())


@dataclass(slots=True)
class Account:
    """One official account (receive id = app id) or WeCom app (receive id = corp id)."""

    receive_id: str = "wx0000000000000001"
    original_id: str = "gh_000000000001"
    token: str = TOKEN
    key: str = KEY
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(7_000_000_000_000_000_000))

    @property
    def envelope(self) -> Envelope:
        """What seals a body."""
        return Envelope(self.token, read_key(self.key), self.receive_id)

    def text(self, sender: str, text: str, *, msg_id: str | None = None, at: int | None = None) -> Signed:
        """A text message of a person."""
        fields = {
            "ToUserName": self.original_id,
            "FromUserName": sender,
            "CreateTime": at if at is not None else int(time.time()),
            "MsgType": "text",
            "Content": text,
            "MsgId": msg_id or str(next(self.numbers)),
        }
        return self.sealed(xml.build(fields))

    def event(self, sender: str, name: str, **more: str) -> Signed:
        """An event of a person."""
        fields = {
            "ToUserName": self.original_id,
            "FromUserName": sender,
            "CreateTime": int(time.time()),
            "MsgType": "event",
            "Event": name,
            **more,
        }
        return self.sealed(xml.build(fields))

    def sealed(self, clear: str | bytes, *, timestamp: str | None = None, nonce: str | None = None) -> Signed:
        """Any clear body in a good envelope."""
        message = clear.encode() if isinstance(clear, str) else clear
        stamp, once = timestamp or str(int(time.time())), nonce or secrets.token_hex(8)
        ciphertext = self.envelope.encrypt(message)
        query = {
            "signature": sign(self.token, stamp, once),
            "timestamp": stamp,
            "nonce": once,
            "encrypt_type": "aes",
            "msg_signature": sign(self.token, stamp, once, ciphertext),
        }
        return Signed(query, xml.build({"ToUserName": self.original_id, "Encrypt": ciphertext}).encode())
