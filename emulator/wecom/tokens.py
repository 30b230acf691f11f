"""Access tokens of WeCom apps: the same value while it is valid.

https://developer.work.weixin.qq.com/document/path/91039
"""

from typing import Any

from emulator.api import Call, Refused
from emulator.core import Emulator
from emulator.state import Token, random_text
from emulator.world import Agent


def identify(emulator: Emulator, value: str | None) -> Agent:
    """The app a token belongs to. Raises Refused: missing, unknown or expired."""
    if not value:
        raise Refused(41001)
    token = emulator.state.tokens.get(value)
    agent = emulator.world.agent(token.account) if token else None
    if token is None or agent is None:
        raise Refused(40014)
    if emulator.clock.now() >= token.until:
        raise Refused(42001)
    return agent


def fetch(call: Call) -> dict[str, Any]:
    """`GET gettoken?corpid&corpsecret`."""
    agent = _authenticate(call)
    token = _valid(call.emulator, agent) or _issue(call.emulator, agent)
    call.write(agent)
    expires_in = (token.until - call.emulator.clock.now()) // 1000
    return {"errcode": 0, "errmsg": "ok", "access_token": token.value, "expires_in": expires_in}


def _authenticate(call: Call) -> Agent:
    corp_id, secret = call.query.get("corpid"), call.query.get("corpsecret")
    if not corp_id:
        raise Refused(41002)
    if not secret:
        raise Refused(41004)
    corp = call.emulator.world.corp(corp_id)
    if corp is None:
        raise Refused(40013)
    agent = next((one for one in corp.agents if one.secret == secret), None)
    if agent is None:
        raise Refused(40001)
    return agent


def _valid(emulator: Emulator, agent: Agent) -> Token | None:
    token = emulator.state.tokens.get(emulator.state.current_tokens.get(agent.id) or "")
    return token if token and token.until > emulator.clock.now() else None


def _issue(emulator: Emulator, agent: Agent) -> Token:
    until = emulator.clock.now() + emulator.limit("wecom.token_life").value * 1000
    token = Token(random_text(214), agent.id, "gettoken", until)
    emulator.state.current_tokens.put(agent.id, token.value)
    return emulator.state.tokens.put(token.value, token)
