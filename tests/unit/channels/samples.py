"""Captured-like payloads by name, and requests that carry them as the platforms would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.ids import AccountId, BrandId
from domain.people import Account, Side
from gateway.channels.contract import RawRequest
from gateway.channels.envelope import Envelope, sign
from gateway.channels.wechat.settings import WechatSettings
from gateway.channels.wecom.settings import WecomSettings
from tests.clock import START

SAMPLES = Path(__file__).parents[2] / "samples"
NOW = START
SENT_AT = 1_790_000_000_000
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OLD_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
TOKEN = "teaToken"
CUSTOMER = "oLinJianTea00000000000000001"
OA = Account(AccountId("oa"), BrandId("tea"), "wechat", Side.CUSTOMER)
WORK = Account(AccountId("work"), BrandId("tea"), "wecom", Side.ADVISOR)


def sample(path: str) -> bytes:
    """The payload in tests/samples/`path`."""
    return (SAMPLES / path).read_bytes()


def wechat_settings(**changes: object) -> WechatSettings:
    """Settings of an official account, in safe mode unless changed."""
    values: dict[str, object] = {"app_id": "wxTea", "secret": "s3cret", "token": TOKEN, "encoding_aes_key": KEY}
    return WechatSettings.model_validate({**values, "original_id": "gh_0123456789ab", **changes})


def wecom_settings(**changes: object) -> WecomSettings:
    """Settings of a WeCom app."""
    values: dict[str, object] = {"corp_id": "ww0123456789abcdef", "agent_id": 1000002, "secret": "s3cret"}
    return WecomSettings.model_validate({**values, "token": TOKEN, "encoding_aes_key": KEY, **changes})


def post(query: Mapping[str, str], body: bytes) -> RawRequest:
    """A callback."""
    return RawRequest("POST", tuple(query.items()), body, "1.2.3.4")


def sealed(payload: bytes, receive_id: str, *, key: str = KEY, token: str = TOKEN, at: int = NOW) -> RawRequest:
    """An encrypted callback as both platforms send it."""
    box = Envelope(receive_id, [token], [key]).seal(payload, str(at // 1000), "n0nce")
    query = {
        "signature": sign(token.encode(), box.timestamp, box.nonce),
        "timestamp": box.timestamp,
        "nonce": box.nonce,
        "encrypt_type": "aes",
        "msg_signature": box.signature,
    }
    body = f"<xml><ToUserName><![CDATA[gh]]></ToUserName><Encrypt><![CDATA[{box.encrypt}]]></Encrypt></xml>"
    return post(query, body.encode())


def clear(payload: bytes, *, token: str = TOKEN, at: int = NOW) -> RawRequest:
    """A callback of plain mode."""
    timestamp = str(at // 1000)
    return post(
        {"signature": sign(token.encode(), timestamp, "n0nce"), "timestamp": timestamp, "nonce": "n0nce"}, payload
    )


def changed(request: RawRequest, **query: str | None) -> RawRequest:
    """The same request with query values replaced, or left out (None)."""
    values = {**dict(request.query), **query}
    pairs = tuple((name, value) for name, value in values.items() if value is not None)
    return RawRequest(request.method, pairs, request.body, request.remote)
