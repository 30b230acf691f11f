"""Sample rows for a run, written page by page: bound customers who may be written to, and pushes that wait for a signal."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, update

from domain.calls import DAY, HOUR, Lane, Outbound, OutboxState, Persona, encode_call
from domain.ids import ConversationId, new_id
from domain.messages import Text
from storage.engine import Database
from storage.outbox import checksum, push_stream
from storage.tables.campaigns import campaigns, runs
from storage.tables.people import advisors, bindings, customers, identities, regions, relations, shops
from storage.tables.queue import outbox, windows
from storage.tables.talk import conversations

BRAND = "tea"
PAGE = 500
_RUN = f"{1:032x}"
_PER_ADVISOR = 2
_HELD = "bench"


def openid(number: int) -> str:
    """The id of a customer on the official account."""
    return f"oBench{number:022d}"


async def bring_in(db: Database, count: int, now: int) -> None:
    """`count` customers, each bound to one of `count / 2` advisors, in a talk that is open, with a window that never empties."""
    await db.write(lambda tx: _the_shop(tx, now))
    for start in range(0, count, PAGE):
        numbers = range(start, min(count, start + PAGE))
        await db.write(lambda tx, numbers=numbers: _page(tx, numbers, now))  # type: ignore[misc]


async def hold_pushes(db: Database, count: int, people: int, now: int) -> None:
    """`count` pushes to the first `people` customers, in the outbox but held."""
    for start in range(0, count, PAGE):
        numbers = range(start, min(count, start + PAGE))
        await db.write(lambda tx, numbers=numbers: _insert(tx, outbox, (_push(n, people, now) for n in numbers)))  # type: ignore[misc]


def let_go(tx: Connection) -> None:
    """Queue every push that is held."""
    held = update(outbox).where(outbox.c.brand == BRAND, outbox.c.state == OutboxState.HELD.value)
    tx.execute(held.values(state=OutboxState.QUEUED.value, reason=""))


def _the_shop(tx: Connection, now: int) -> None:
    _insert(tx, regions, [{"id": "r1", "code": "east", "name": "华东"}])
    _insert(tx, shops, [{"id": "s1", "code": "jingan", "name": "静安店", "region_id": "r1"}])
    campaign = {"name": "新茶", "account": "oa", "template": "tea", "template_version": 1, "audience": "{}"}
    times = {"timezone": "Asia/Shanghai", "expiry_ms": DAY, "grace_ms": HOUR, "created_at": now}
    _insert(tx, campaigns, [{"id": _RUN, "state": "running", **campaign, **times}])
    _insert(tx, runs, [{"id": _RUN, "campaign_id": _RUN, "due_at": now, "state": "sending", "started_at": now}])


def _page(tx: Connection, numbers: Iterable[int], now: int) -> None:
    people = list(numbers)
    _insert(tx, advisors, (_advisor(number) for number in people if number % _PER_ADVISOR == 0))
    _insert(tx, customers, ({"id": _id(n), "profile_name": f"顾客{n}", "created_at": now} for n in people))
    _insert(tx, identities, ({**_who(n), "customer_id": _id(n), "followed_at": now} for n in people))
    _insert(tx, bindings, (_binding(n, now) for n in people))
    _insert(tx, relations, ({"advisor_id": _advisor_of(n), "customer_id": _id(n), "code": f"A{n}"} for n in people))
    _insert(tx, conversations, (_conversation(n, now) for n in people))
    _insert(tx, windows, (_window(n, now) for n in people))


def _insert(tx: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    tx.execute(table.insert(), [{"brand": BRAND, **row} for row in rows])


def _id(number: int) -> str:
    return f"{number:032x}"


def _advisor_of(number: int) -> str:
    return _id(number - number % _PER_ADVISOR)


def _who(number: int) -> dict[str, str]:
    return {"account": "oa", "external_id": openid(number)}


def _advisor(number: int) -> dict[str, Any]:
    work = {"work_account": "work", "work_id": f"guide{number}"}
    return {"id": _id(number), "code": f"g{number}", "name": "小兰", "shop_id": "s1", "active": True, **work}


def _binding(number: int, now: int) -> dict[str, Any]:
    whose = {"customer_id": _id(number), "advisor_id": _advisor_of(number)}
    return {"id": _id(number), "state": "bound", "created_at": now, "bound_at": now, **whose}


def _conversation(number: int, now: int) -> dict[str, Any]:
    return {"id": _id(number), "customer_id": _id(number), "created_at": now, "last_in_at": now, **_who(number)}


def _window(number: int, now: int) -> dict[str, Any]:
    # Of a trigger that the messages of the run do not renew.
    rule = {"trigger": "menu", "messages": 1_000_000, "used": 0, "opened_at": now, "closes_at": now + DAY}
    return {**_who(number), **rule}


_numbers = itertools.count(1)


def _push(number: int, people: int, now: int) -> dict[str, Any]:
    who = number % people
    call = Outbound(openid(who), Text("新茶到店，您常喝的那款也到了，周末来坐坐？"), Persona("小兰"))
    text = json.dumps(encode_call(call), ensure_ascii=False)
    return {
        "id": new_id(now),
        "account": "oa",
        "stream": push_stream(ConversationId(_id(who))),
        "n": next(_numbers),
        "lane": Lane.PUSH.value,
        "recipient": call.to,
        "call": text,
        "crc": checksum(text),
        "state": OutboxState.HELD.value,
        "reason": _HELD,
        "due_by": now + DAY,
        "expires_at": now + DAY,
        "next_at": now,
        "conversation_id": _id(who),
        "customer_id": _id(who),
        "advisor_id": _advisor_of(who),
        "run_id": _RUN,
        "created_at": now,
    }
