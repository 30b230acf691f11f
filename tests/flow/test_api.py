"""`/api/v1/` from outside: who is let in, what is found, how errors look, that writes are done once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from console.api.operations import OPERATIONS
from domain.calls import Outbound, decode_call, encode_call
from domain.messages import Inbound, Kind, Text
from services.decisions import MAYBE_TWICE
from storage.engine import Database
from storage.inbox import Arrival, accept
from storage.tables.queue import inbox, outbox
from storage.tables.work import audit
from tests.clock import FakeClock
from tests.flow.api import Api, code_of, serving
from tests.stage import BRAND, OA

TEMPLATE = {"name": "新品到店", "body": {"kind": "text", "text": "{{ shop.name }}的新茶到了"}}
CAMPAIGN = {"name": "春茶", "template": "new", "audience": {"all_bound": True}, "at": "now"}


@pytest.fixture
async def api(sqlite_db: Database, clock: FakeClock) -> AsyncIterator[Api]:
    """The API of a small brand."""
    async with serving(sqlite_db, clock) as served:
        yield served


STRANGERS = [
    {},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer agw_" + "x" * 43},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer ' OR 1=1 --"},
]


@pytest.mark.parametrize("headers", STRANGERS)
@pytest.mark.parametrize("path", ["/campaigns", "/nothing/here", "/outbox/x/decide"])
async def test_strangers_get_one_answer(api: Api, headers: dict[str, str], path: str) -> None:
    async with api.session.request(
        "GET" if "decide" not in path else "POST", api.base + path, headers=headers
    ) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert await response.json() == {
            "error": {"code": "unauthorized", "message": "a valid token is needed: Authorization: Bearer agw_..."}
        }


async def test_every_operation_needs_a_token_and_its_right(api: Api) -> None:
    reach = {"viewer": 1, "marketer": 2, "admin": 3}
    for operation in OPERATIONS:
        path = operation.path.replace("{id}", "x").replace("{code}", "x").replace("{name}", "x")
        assert code_of(await api.ask(operation.method, path, {}, role=""))[0] == 401
        for role in ("viewer", "marketer"):
            status, _ = await api.ask(operation.method, path, _example(operation.body), role=role)
            assert (status == 403) == (reach[role] < operation.right), operation.name


def _example(body: Any) -> Any:
    examples = body.model_config.get("json_schema_extra", {}).get("examples")
    return examples[0] if examples else None


async def test_a_revoked_token_ends_at_once(api: Api, clock: FakeClock) -> None:
    assert (await api.ask("GET", "/alarms", role="viewer"))[0] == 200
    assert (await api.ask("DELETE", "/tokens/viewer"))[0] == 200
    assert code_of(await api.ask("GET", "/alarms", role="viewer")) == (401, "unauthorized")


async def test_a_token_ends_with_its_time(api: Api, clock: FakeClock) -> None:
    status, made = await api.ask("POST", "/tokens", {"name": "crm", "role": "viewer", "expires_at": clock() + 1000})
    assert status == 201
    api.secrets["crm"] = made["secret"]
    assert (await api.ask("GET", "/alarms", role="crm"))[0] == 200
    clock.advance(1001)
    assert code_of(await api.ask("GET", "/alarms", role="crm")) == (401, "unauthorized")
    _, listed = await api.ask("GET", "/tokens")
    assert made["secret"] not in json.dumps(listed)


async def test_what_is_anothers_is_not_there(api: Api) -> None:
    await api.stage.bind("oAAA", 0)
    await api.stage.writes("oAAA", "你好")
    _, found = await api.ask("GET", "/conversations")
    conversation = found["items"][0]["id"]
    _, messages = await api.ask("GET", f"/conversations/{conversation}/messages")
    message = messages["items"][-1]["id"]
    await api.ask("PUT", "/templates/new", TEMPLATE)
    _, campaign = await api.ask("POST", "/campaigns", CAMPAIGN)
    campaign_id = campaign["campaign"]["id"]
    unknown = await _make_unknown(api)
    for method, path, body in (
        ("GET", f"/conversations/{conversation}/messages", None),
        ("GET", f"/messages/{message}/why", None),
        ("GET", "/templates/new", None),
        ("GET", f"/campaigns/{campaign_id}", None),
        ("POST", f"/campaigns/{campaign_id}/pause", None),
        ("POST", f"/outbox/{unknown}/decide", {"decision": "give_up"}),
        ("DELETE", "/tokens/viewer", None),
    ):
        assert code_of(await api.ask(method, path, body, role="other")) == (404, "not_found"), path
    for path in ("/conversations", "/campaigns", "/outbox", "/inbox?kind=parked", "/templates", "/alarms"):
        assert (await api.ask("GET", path, role="other"))[1]["items"] == [], path


BAD_BODIES = [
    (b"{", 400, "malformed"),
    (b"", 400, "malformed"),
    (b"\xff\xfe", 400, "malformed"),
    (b'{"name": "a", "name": "b"}', 400, "malformed"),
    (b'{"name": NaN}', 400, "malformed"),
    (b'{"name": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, "malformed"),
    (b'{"name": ' + b"[" * 20 + b"]" * 20 + b"}", 400, "malformed"),
    (b'{"name": ' + b"9" * 5_000 + b"}", 400, "malformed"),
    (b'{"name": "\\ud800"}', 400, "malformed"),
    (b'{"name": "a\\u0000"}', 400, "malformed"),
    (b"[]", 422, "invalid"),
    (b'{"name": "x", "role": "root"}', 422, "invalid"),
    (b'{"name": "x", "role": "viewer", "brand": "other"}', 422, "invalid"),
    (b'{"role": "viewer"}', 422, "invalid"),
    (b'{"name": "' + b"x" * (1024 * 1024) + b'"}', 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES, ids=[repr(case[0][:40]) for case in BAD_BODIES])
async def test_bad_bodies_have_one_shape(api: Api, body: bytes, status: int, code: str) -> None:
    assert code_of(await api.ask("POST", "/tokens", body, Content_Type="application/json")) == (status, code)


async def test_only_plain_json_is_read(api: Api) -> None:
    assert code_of(await api.ask("POST", "/tokens", b"name=x", Content_Type="text/plain"))[0] == 415


async def test_an_invalid_field_is_named(api: Api) -> None:
    status, body = await api.ask("POST", "/campaigns", CAMPAIGN | {"audience": {"shop": "a", "tag": "b"}})
    assert (status, body["error"]["field"]) == (422, "audience")
    await api.ask("PUT", "/templates/new", TEMPLATE)
    status, body = await api.ask("POST", "/campaigns", CAMPAIGN | {"audience": {"shop": "jingann"}})
    assert (status, body["error"]["code"], body["error"]["field"]) == (422, "invalid", "audience.shop")
    assert 'did you mean "jingan"' in body["error"]["message"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1e9", "limit=201", "offset=1", "limit=1&limit=2", "cursor=" + "x" * 65]
)
async def test_bad_queries_are_told(api: Api, query: str) -> None:
    assert code_of(await api.ask("GET", f"/campaigns?{query}")) == (422, "invalid")


async def test_odd_addresses_and_methods(api: Api) -> None:
    assert code_of(await api.ask("GET", "/nothing")) == (404, "not_found")
    assert code_of(await api.ask("PATCH", "/campaigns")) == (405, "method_not_allowed")
    assert code_of(await api.ask("DELETE", "/campaigns/x")) == (405, "method_not_allowed")
    assert code_of(await api.ask("GET", "/campaigns/%00")) == (404, "not_found")


async def test_pages_follow_each_other_without_gap_or_double(api: Api, clock: FakeClock) -> None:
    await api.ask("PUT", "/templates/new", TEMPLATE)
    made = []
    for number in range(7):
        clock.advance(1)
        _, one = await api.ask("POST", "/campaigns", CAMPAIGN | {"name": f"第{number}次"})
        made.append(one["campaign"]["id"])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        _, page = await api.ask("GET", f"/campaigns?limit=3&cursor={cursor}")
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        assert len(seen) <= len(made)
        cursor = page["next"]
    assert seen == sorted(made, reverse=True)


async def test_messages_are_paged_by_their_number(api: Api) -> None:
    await api.stage.bind("oAAA", 0)
    for number in range(5):
        await api.stage.writes("oAAA", f"问题{number}")
    _, found = await api.ask("GET", "/conversations")
    path = f"/conversations/{found['items'][0]['id']}/messages"
    _, everything = await api.ask("GET", path)
    _, first = await api.ask("GET", f"{path}?limit=3")
    _, second = await api.ask("GET", f"{path}?limit=200&cursor={first['next']}")
    assert first["items"] + second["items"] == everything["items"]
    numbers = [item["seq"] for item in everything["items"]]
    assert numbers == sorted(set(numbers))
    assert code_of(await api.ask("GET", f"{path}?cursor=abc")) == (422, "invalid")


async def test_the_same_key_schedules_once(api: Api) -> None:
    await api.ask("PUT", "/templates/new", TEMPLATE)
    _, first = await api.ask("POST", "/campaigns", CAMPAIGN, Idempotency_Key="push-1")
    status, again = await api.ask("POST", "/campaigns", CAMPAIGN, Idempotency_Key="push-1")
    assert (status, again["campaign"]["id"]) == (201, first["campaign"]["id"])
    other = CAMPAIGN | {"name": "另一个"}
    assert code_of(await api.ask("POST", "/campaigns", other, Idempotency_Key="push-1")) == (409, "conflict")
    _, page = await api.ask("GET", "/campaigns")
    assert len(page["items"]) == 1
    assert code_of(await api.ask("POST", "/campaigns", CAMPAIGN, Idempotency_Key="ä")) == (422, "invalid")


async def test_a_campaign_from_preview_to_its_end(api: Api) -> None:
    await api.stage.bind("oAAA", 0)
    status, template = await api.ask("PUT", "/templates/new", TEMPLATE, role="marketer")
    assert (status, template["version"], template["created_by"]) == (200, 1, "token:marketer")
    assert (await api.ask("PUT", "/templates/new", TEMPLATE))[1]["version"] == 1
    status, preview = await api.ask("POST", "/campaigns/preview", CAMPAIGN, role="marketer")
    assert (status, preview["reachable"]) == (200, 1)
    assert "静安店的新茶到了" in preview["samples"][0]["content"]["text"]
    later = CAMPAIGN | {"at": "2027-01-01 10:00"}
    _, made = await api.ask("POST", "/campaigns", later, role="marketer")
    one = f"/campaigns/{made['campaign']['id']}"
    assert (await api.ask("POST", f"{one}/pause", role="marketer"))[1]["campaign"]["state"] == "paused"
    assert code_of(await api.ask("POST", f"{one}/pause", role="marketer")) == (409, "conflict")
    assert (await api.ask("POST", f"{one}/resume", role="marketer"))[1]["campaign"]["state"] == "scheduled"
    assert (await api.ask("POST", f"{one}/cancel", role="marketer"))[1]["campaign"]["state"] == "cancelled"
    assert (await api.ask("GET", one, role="viewer"))[1]["runs"] == []
    assert api.woken
    deeds = await api.stage.db.read(lambda tx: tx.execute(select(audit.c.action, audit.c.actor)).all())
    assert ("campaign.cancel", "token:marketer") in deeds


async def _make_unknown(api: Api) -> str:
    """A reply to a customer whose outcome nobody knows."""
    await api.stage.bind("oZZZ", 1)
    await api.stage.writes("oZZZ", "在吗")
    await api.stage.answers(1, "在的，龙井刚到店")
    lost = select(outbox.c.id).where(outbox.c.recipient == "oZZZ").order_by(outbox.c.id.desc()).limit(1)
    outbox_id: str = await api.stage.db.read(lambda tx: tx.execute(lost).scalar_one())
    gone = update(outbox).where(outbox.c.id == outbox_id).values(state="unknown", reason="connection_lost")
    await api.stage.db.write(lambda tx: tx.execute(gone))
    return outbox_id


async def _call(api: Api, outbox_id: str) -> tuple[str, Outbound]:
    statement = select(outbox.c.state, outbox.c.call).where(outbox.c.id == outbox_id)
    state, call = await api.stage.db.read(lambda tx: tuple(tx.execute(statement).one()))
    outbound = decode_call(json.loads(call))
    assert isinstance(outbound, Outbound)
    return state, outbound


async def test_an_unknown_send_is_repeated_only_by_decision_and_marked(api: Api) -> None:
    unknown = await _make_unknown(api)
    _, page = await api.ask("GET", "/outbox")
    assert [(item["id"], item["what"]["text"]) for item in page["items"]] == [(unknown, "在的，龙井刚到店")]
    decide = f"/outbox/{unknown}/decide"
    assert code_of(await api.ask("POST", decide, {"decision": "resend"}, role="marketer"))[0] == 403
    status, decided = await api.ask("POST", decide, {"decision": "resend"})
    assert (status, decided) == (200, {"id": unknown, "state": "queued"})
    state, call = await _call(api, unknown)
    assert (state, call.content) == ("queued", Text(MAYBE_TWICE + "在的，龙井刚到店"))
    assert code_of(await api.ask("POST", decide, {"decision": "resend"})) == (409, "conflict")
    deeds = await api.stage.db.read(lambda tx: tx.execute(select(audit.c.action, audit.c.actor)).all())
    assert ("outbox.resend", "token:admin") in deeds


async def test_a_repeat_that_needs_two_messages_stays_at_its_place(api: Api) -> None:
    unknown = await _make_unknown(api)
    long = Outbound("oZZZ", Text("茶" * 660))
    row = {"call": json.dumps(encode_call(long), ensure_ascii=False)}
    await api.stage.db.write(lambda tx: tx.execute(update(outbox).where(outbox.c.id == unknown).values(row)))
    await api.ask("POST", f"/outbox/{unknown}/decide", {"decision": "resend"})
    placed = (
        select(outbox.c.id, outbox.c.call)
        .where(outbox.c.stream == _stream_of(unknown))
        .order_by(outbox.c.n, outbox.c.id)
    )
    found = await api.stage.db.read(lambda tx: [tuple(row) for row in tx.execute(placed)])
    at = [one for one, _ in found].index(unknown)
    texts = [decode_call(json.loads(call)).content.text for _, call in found[at : at + 2]]  # type: ignore[union-attr]
    assert "".join(texts) == MAYBE_TWICE + "茶" * 660


def _stream_of(unknown: str) -> Any:
    return select(outbox.c.stream).where(outbox.c.id == unknown).scalar_subquery()


async def test_an_unknown_send_can_be_given_up(api: Api) -> None:
    unknown = await _make_unknown(api)
    assert (await api.ask("POST", f"/outbox/{unknown}/decide", {"decision": "give_up"}))[1]["state"] == "dead"
    assert (await _call(api, unknown))[1].content == Text("在的，龙井刚到店")
    assert (await api.ask("GET", "/outbox"))[1]["items"] == []
    assert [item["id"] for item in (await api.ask("GET", "/outbox?state=dead"))[1]["items"]] == [unknown]


async def test_parked_events_are_queued_again_once(api: Api, clock: FakeClock) -> None:
    events = [Arrival(BRAND.id, _text(number, clock)) for number in range(3)]
    await api.stage.db.write(lambda tx: accept(tx, [(event, clock()) for event in events]))
    await api.stage.db.write(lambda tx: tx.execute(update(inbox).values(state="parked", error="boom")))
    _, page = await api.ask("GET", "/inbox?kind=parked")
    ids = [item["id"] for item in page["items"]]
    assert [item["error"] for item in page["items"]] == ["boom"] * 3
    assert (await api.ask("POST", "/inbox/redrive", {"ids": ids[:1]}))[1] == {"ids": ids[:1]}
    assert (await api.ask("POST", "/inbox/redrive", {"ids": ids[:1]}))[1] == {"ids": []}
    assert (await api.ask("POST", "/inbox/redrive", {}))[1] == {"ids": ids[1:]}
    assert (await api.ask("POST", "/inbox/redrive", {}, role="other"))[1] == {"ids": []}


def _text(number: int, clock: FakeClock) -> Inbound:
    return Inbound(OA.id, Kind.MESSAGE, "oAAA", f"key{number}", "oa:oAAA", clock(), Text("你好"))


async def test_check_tells_what_is_wrong(api: Api) -> None:
    _, checked = await api.ask("GET", "/check?accounts=true", role="viewer")
    assert checked["ok"] is True
    assert {"what": "account oa", "level": "ok", "text": "oa answers"} in checked["points"]
    await _make_unknown(api)
    await api.stage.db.write(lambda tx: tx.execute(update(inbox).values(state="parked")))
    _, checked = await api.ask("GET", "/check", role="viewer")
    levels = {point["what"]: point["level"] for point in checked["points"]}
    assert levels["unknown"] == "warning"


async def test_rows_are_imported_all_or_none(api: Api) -> None:
    sheet: dict[str, Any] = {
        "table": "customers",
        "where": "crm",
        "rows": [
            {"line": 1, "cells": {"reference": "M1", "openid": "oM1"}},
            {"line": 2, "cells": {"reference": "M1", "openid": "oM2"}},
        ],
    }
    _, refused = await api.ask("POST", "/import", sheet)
    assert refused == {
        "saved": 0,
        "problems": [{"where": "crm", "line": 2, "field": "reference", "text": '"M1" is also in line 1'}],
    }
    _, saved = await api.ask("POST", "/import", sheet | {"rows": sheet["rows"][:1]})
    assert saved == {"saved": 1, "problems": []}
    assert code_of(await api.ask("POST", "/import", sheet, role="marketer")) == (403, "forbidden")
