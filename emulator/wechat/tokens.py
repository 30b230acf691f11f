"""Access tokens of official accounts: two endpoints that do not affect each other.

https://developers.weixin.qq.com/doc/service/api/base/api_getaccesstoken.html
https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
"""

from typing import Any, Literal

from emulator.api import Call, Refused
from emulator.core import Emulator
from emulator.state import Token, random_text
from emulator.world import OfficialAccount


def identify(emulator: Emulator, value: str | None) -> OfficialAccount:
    """The account a token belongs to. Raises Refused: missing, unknown, replaced or expired."""
    if not value:
        raise Refused(41001)
    token = emulator.state.tokens.get(value)
    account = emulator.world.account(token.account) if token else None
    if token is None or account is None:
        raise Refused(40014)
    if emulator.clock.now() >= token.until:
        raise Refused(40001 if token.killed else 42001)
    return account


def fetch(call: Call) -> dict[str, Any]:
    """`GET token`: always a new token; the one before lives 5 more minutes."""
    account = _authenticate(call, call.query)
    _spend(call, account, "wechat.token_day")
    before = _current(call.emulator, account, "token")
    if before is not None:
        _kill(call.emulator, before, call.emulator.limit("wechat.token_overlap").value * 1000)
    return _hand_out(call, account, _issue(call.emulator, account, "token"))


def fetch_stable(call: Call) -> dict[str, Any]:
    """`POST stable_token`: the same token while it lives, a new one 5 minutes before its end or by force."""
    account = _authenticate(call, call.body)
    _spend(call, account, "wechat.stable_token_minute", "wechat.stable_token_day")
    before = _current(call.emulator, account, "stable_token")
    if call.body.get("force_refresh") is True:
        _spend(call, account, "wechat.force_refresh_pause", "wechat.force_refresh_day")
        if before is not None:
            _kill(call.emulator, before, 0)
        return _hand_out(call, account, _issue(call.emulator, account, "stable_token"))
    overlap_ms = call.emulator.limit("wechat.token_overlap").value * 1000
    if before is None or before.until - call.emulator.clock.now() < overlap_ms:
        before = _issue(call.emulator, account, "stable_token")
    return _hand_out(call, account, before)


def _authenticate(call: Call, given: Any) -> OfficialAccount:
    if given.get("grant_type") != "client_credential":
        raise Refused(40002)
    if not given.get("appid"):
        raise Refused(41002)
    if not given.get("secret"):
        raise Refused(41004)
    account = call.emulator.world.account(given["appid"])
    if account is None:
        raise Refused(40013)
    if given["secret"] != account.secret:
        raise Refused(40125)
    return account


def _spend(call: Call, account: OfficialAccount, *names: str) -> None:
    for name in names:
        limit = call.emulator.limit(name)
        if not call.emulator.counters.spend(limit, account.id, call.emulator.clock.now()):
            raise Refused(limit.errcode)


def _current(emulator: Emulator, account: OfficialAccount, source: str) -> Token | None:
    value = emulator.state.current_tokens.get(f"{account.id} {source}")
    return emulator.state.tokens.get(value) if value else None


def _issue(emulator: Emulator, account: OfficialAccount, source: Literal["token", "stable_token"]) -> Token:
    until = emulator.clock.now() + emulator.limit("wechat.token_life").value * 1000
    token = Token(random_text(136), account.id, source, until)
    emulator.state.current_tokens.put(f"{account.id} {source}", token.value)
    return emulator.state.tokens.put(token.value, token)


def _kill(emulator: Emulator, token: Token, after_ms: int) -> None:
    if token.until <= emulator.clock.now():
        return
    token.until = min(token.until, emulator.clock.now() + after_ms)
    token.killed = True
    emulator.state.tokens.put(token.value, token)


def _hand_out(call: Call, account: OfficialAccount, token: Token) -> dict[str, Any]:
    call.write(account, body={key: value for key, value in call.body.items() if key != "secret"})
    return {"access_token": token.value, "expires_in": (token.until - call.emulator.clock.now()) // 1000}
