"""Reading what happened: the whole state, the ledger, the deliveries, media."""

from typing import Any

from aiohttp import web

from emulator.core import Emulator
from emulator.media import read as read_media
from emulator.play.common import EMULATOR, PlayError, answer
from emulator.state import Customer
from emulator.wecom.send import thread_of
from emulator.world import Agent, Corp, Member, OfficialAccount

PAGE = 1000


async def state(request: web.Request) -> web.Response:
    """`GET /play/state`; `?light=1` leaves the threads out."""
    emulator = request.app[EMULATOR]
    full = request.query.get("light") != "1"
    return answer(
        {
            "now": emulator.clock.now(),
            "accounts": [_account(emulator, account) for account in emulator.world.official_accounts],
            "corps": [_corp(corp) for corp in emulator.world.corps],
            "customers": [_customer(emulator, customer, full) for customer in emulator.state.customers],
            "members": [
                _member(emulator, corp, member, full) for corp in emulator.world.corps for member in corp.members
            ],
            "posters": [
                {"scene": code.scene, "ticket": code.ticket, "label": code.label, "account": code.account}
                for code in emulator.state.codes
            ],
            "faults": list(emulator.faults.orders.values()),
        }
    )


async def ledger(request: web.Request) -> web.Response:
    """`GET /play/ledger?since=N&limit=`: the lines above N."""
    since, limit = _number(request, "since", 0), _number(request, "limit", PAGE)
    return answer({"lines": request.app[EMULATOR].ledger.read(since, limit)})


async def deliveries(request: web.Request) -> web.Response:
    """`GET /play/deliveries?since=N`: callbacks and how each attempt went."""
    emulator = request.app[EMULATOR]
    saved = emulator.database.since("delivery", _number(request, "since", 0), _number(request, "limit", PAGE))
    return answer({"deliveries": [_newest(emulator, body) for body in saved]})


async def media(request: web.Request) -> web.Response:
    """`GET /play/media/{id}`: the file, for as long as it is kept."""
    emulator = request.app[EMULATOR]
    found = emulator.state.media.get(request.match_info["id"])
    if found is None:
        raise PlayError(404, "unknown_media", "no such file")
    return web.Response(body=read_media(emulator, found).data, content_type=found.content_type)


def _newest(emulator: Emulator, body: dict[str, Any]) -> dict[str, Any]:
    under_way = emulator.courier.under_way(body["id"])
    return under_way.shown() if under_way else body


def _account(emulator: Emulator, account: OfficialAccount) -> dict[str, Any]:
    menu = emulator.state.menus.get(account.app_id)
    return {
        "app_id": account.app_id,
        "name": account.name,
        "original_id": account.original_id,
        "wechat_id": account.wechat_id,
        "mode": account.mode,
        "callback_url": account.callback_url,
        "menu": menu.buttons if menu else [],
    }


def _corp(corp: Corp) -> dict[str, Any]:
    return {
        "corp_id": corp.corp_id,
        "name": corp.name,
        "agents": [
            {"agent_id": agent.agent_id, "name": agent.name, "callback_url": agent.callback_url}
            for agent in corp.agents
        ],
        "members": [{"user_id": member.user_id, "name": member.name} for member in corp.members],
    }


def _customer(emulator: Emulator, customer: Customer, full: bool) -> dict[str, Any]:
    now = emulator.clock.now()
    facts = {
        "openid": customer.openid,
        "account": customer.account,
        "label": customer.label,
        "following": customer.following,
        "typing": customer.typing_until > now,
        "windows": [
            {"trigger": trigger, "left": grant.left, "until": grant.until}
            for trigger, grant in customer.grants.items()
            if grant.until > now
        ],
    }
    return {**facts, "thread": _thread(emulator, customer.openid)} if full else facts


def _member(emulator: Emulator, corp: Corp, member: Member, full: bool) -> dict[str, Any]:
    threads = [_app_thread(emulator, agent, member, full) for agent in corp.agents]
    return {"corp": corp.corp_id, "user_id": member.user_id, "name": member.name, "threads": threads}


def _app_thread(emulator: Emulator, agent: Agent, member: Member, full: bool) -> dict[str, Any]:
    facts = {"agent_id": agent.agent_id, "name": agent.name}
    return {**facts, "messages": _thread(emulator, thread_of(agent, member.user_id))} if full else facts


def _thread(emulator: Emulator, thread: str) -> list[dict[str, Any]]:
    return [message.shown() for message in emulator.messages(thread)]


def _number(request: web.Request, key: str, default: int) -> int:
    value = request.query.get(key, "")
    if value and not value.isdigit():
        raise PlayError(400, "bad_field", f"{key}: expected a whole number, found {value!r}")
    return int(value) if value else default
