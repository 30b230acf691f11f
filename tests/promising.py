"""Outbox rows for tests: promises with all that does not matter filled in, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from domain.calls import DAY, DUE_MS, Call, Lane, Outbound
from domain.ids import AccountId, BrandId, ConversationId, CustomerId, OutboxId, RunId, new_id
from domain.messages import Text
from domain.people import Account, Side
from domain.platforms import RULES
from domain.quota import PlatformRules
from storage import delivery
from storage.calls import OutboxRow, Traffic
from storage.delivery import Begun, Stopped
from storage.outbox import Promise, enqueue
from storage.tables.queue import outbox
from tests.clock import START

BRAND = BrandId("linjian")
OA = Account(AccountId("oa"), BRAND, "wechat", Side.CUSTOMER)
WORK = Account(AccountId("work"), BRAND, "wecom", Side.ADVISOR)
FREE = PlatformRules("free", text_bytes=2000)
"""A platform that allows everything."""

LEASE_MS = 1000
CALLING_MS = 5000


def promise(text: str = "好", **more: Any) -> Promise:
    """A promise to say something; in the official account's talk unless said otherwise."""
    at = more.pop("at", START)
    to = more.pop("to", "o1")
    lane = more.get("lane", Lane.TALK)
    values: dict[str, Any] = {
        "brand": BRAND,
        "id": OutboxId(new_id(at)),
        "account": OA.id,
        "stream": "talk",
        "n": 0,
        "lane": lane,
        "recipient": to,
        "call": Outbound(to, Text(text)),
        "due_by": at + DUE_MS.get(lane, DAY),
        "expires_at": at + DAY,
    }
    return Promise(**{**values, **more})


def push(text: str, customer: CustomerId, to: str, **more: Any) -> Promise:
    """A promise to push something to a customer."""
    conversation = ConversationId(f"c-{customer}")
    values: dict[str, Any] = {
        "stream": f"{conversation}:customer:push",
        "lane": Lane.PUSH,
        "customer_id": customer,
        "conversation_id": conversation,
        "run_id": RunId("run"),
    }
    return promise(text, to=to, **{**values, **more})


def promised(tx: Connection, *promises: Promise) -> None:
    """Put them into the outbox."""
    enqueue(tx, promises, START)


def lease(
    tx: Connection, now: int, traffic: Traffic = Traffic.TALK, n: int = 10, account: Account = OA
) -> list[OutboxRow]:
    """Take what is due."""
    return delivery.lease(tx, account, traffic, n, now, LEASE_MS)


def begin(
    tx: Connection, row: OutboxRow, now: int, rules: PlatformRules = FREE, apis: Sequence[str] | None = None
) -> Begun | Stopped | None:
    """Begin a leased row."""
    return delivery.begin(tx, row, rules, now, CALLING_MS, None if apis is None else lambda _: apis)


def said(rows: Sequence[OutboxRow]) -> list[str]:
    """The texts of rows."""
    return [text_of(row.call) for row in rows]


def text_of(call: Call) -> str:
    """The text of a call."""
    assert isinstance(call, Outbound) and isinstance(call.content, Text)
    return call.content.text


def states(tx: Connection) -> dict[str, tuple[str, str]]:
    """State and reason of every row, by its id."""
    return {row.id: (row.state, row.reason) for row in tx.execute(select(outbox.c.id, outbox.c.state, outbox.c.reason))}


WECHAT, WECOM = RULES["wechat"], RULES["wecom"]
