"""Campaigns as marketers handle them, on each engine: what is refused and why, what is kept, what a preview shows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from domain.calls import DAY, HOUR, MINUTE
from domain.campaign import Audience, AudienceKind, CampaignState
from domain.errors import ConflictError, NotFoundError
from domain.ids import AccountId, CampaignId
from domain.messages import Text
from domain.people import Account, Side
from services import calendar
from services.campaign_draft import CampaignDraft
from services.campaign_file import read_campaign_file
from services.campaigns import preview
from services.problems import InvalidDraft
from storage import audiences, templates
from storage.audiences import Reach, Target, reach
from storage.engine import Database
from storage.tables import campaigns as tables
from storage.tables.work import audit
from tests.builders import BRAND, OA, Builder, world
from tests.clock import FakeClock
from tests.contract.campaigning import ALL, DRAFT, HELLO, Node, counted, rows, save, town


@pytest.fixture
async def node(db: Database, clock: FakeClock) -> Node:
    await town(db, clock)
    return Node(db, clock)


async def refused(node: Node, draft: CampaignDraft) -> list[str]:
    with pytest.raises(InvalidDraft) as caught:
        await node.schedule(draft)
    assert await counted(node.db, select(tables.campaigns)) == 0
    assert await counted(node.db, select(audit.c.id).where(audit.c.action == "campaign.schedule")) == 0
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": " "}, ["name: a name of 1 to 100 characters"]),
        ({"name": "名" * 101}, ["name: a name of 1 to 100 characters"]),
        ({"template": "helo"}, ['template: no template "helo"; did you mean "hello"?']),
        ({"template": "x"}, ['template: no template "x"; save it first']),
        (
            {"audience": Audience(AudienceKind.SHOP, "jingan2")},
            ['audience.shop: no shop "jingan2"; did you mean "jingan"?'],
        ),
        ({"audience": Audience(AudienceKind.SHOP, "静安")}, ['audience.shop: no shop "静安"; did you mean "jingan"?']),
        ({"audience": Audience(AudienceKind.SHOP, "")}, ["audience.shop: the shop is missing"]),
        (
            {"audience": Audience(AudienceKind.ADVISOR, "lam")},
            ['audience.advisor: no advisor "lam"; did you mean "lan"?'],
        ),
        ({"audience": Audience(AudienceKind.TAG, "VIP")}, ['audience.tag: no tag "VIP"']),
        ({"account": "oaa"}, ['account: no account "oaa" that customers write to; did you mean "oa"? (there are: oa)']),
        ({"account": "work"}, ['account: no account "work" that customers write to (there are: oa)']),
        ({"at": ""}, ["at: say either at"]),
        ({"cron": "0 10 * * 1"}, ["at: say either at"]),
        ({"at": "2026-09-21 22:13"}, ["at: 2026-09-21 22:13 is past: it is 2026-09-21 22:13:20 in Asia/Shanghai now"]),
        ({"at": "morgen"}, ['at: "morgen" is not a date and time']),
        ({"at": "", "cron": "0 25 * * *"}, ['cron: "0 25 * * *": hour "25" is not 0-23']),
        ({"at": "", "cron": "0 10 30 2 *"}, ["is never due"]),
        ({"timezone": "Asia/Shangai"}, ['timezone: no time zone "Asia/Shangai"; did you mean "Asia/Shanghai"?']),
        ({"values": {"customer.nam": "x"}}, ['values.customer.nam: no such variable; did you mean "customer.name"?']),
        ({"expiry_ms": MINUTE - 1}, ["expires: from one minute"]),
        ({"expiry_ms": 31 * DAY}, ["expires: from one minute"]),
        ({"expiry_ms": HOUR, "grace_ms": 2 * HOUR}, ["grace: must not be longer"]),
        (
            {"name": "", "template": "x", "account": "y", "at": "", "audience": Audience(AudienceKind.SHOP, "z")},
            ["name: ", "audience.shop: ", "account: ", "template: ", "at: "],
        ),
    ],
)
async def test_a_draft_with_mistakes_is_refused_with_all_of_them_and_leaves_nothing(
    node: Node, changes: dict[str, Any], told: list[str]
) -> None:
    found = await refused(node, replace(DRAFT, **changes))
    assert len(found) == len(told)
    for problem, part in zip(found, told, strict=True):
        assert part in problem


async def test_a_template_that_nobody_has_the_values_for_is_refused(node: Node) -> None:
    await save(node.db, node.clock, {"kind": "text", "text": "您的积分：{{ customer.points }}"})
    (told,) = await refused(node, DRAFT)
    assert told.startswith("template: customer.points has no value for anybody: give it one under `values`")
    await node.schedule(values={"customer.points": 100})


async def test_a_text_that_is_too_long_for_the_account_is_refused(node: Node) -> None:
    await save(node.db, node.clock, {"kind": "text", "text": "长" * 660})
    (told,) = await refused(node, DRAFT)
    assert "template: " in told
    assert "bytes" in told


async def test_with_several_accounts_one_must_be_named(db: Database, clock: FakeClock) -> None:
    await town(db, clock)
    more = Account(AccountId("oa2"), BRAND, "wechat", Side.CUSTOMER)
    node = Node(db, clock, world(more))
    assert await refused(node, DRAFT) == ["account: say which account sends it (there are: oa, oa2)"]
    await node.schedule(account="oa2")


async def test_a_file_with_a_wrong_shop_is_refused_with_its_line(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "push.yaml"
    path.write_text("name: 新茶\ntemplate: hello\nat: now\naudience:\n  shop: jingan2\n", encoding="utf-8")
    read = read_campaign_file(path)
    with pytest.raises(InvalidDraft) as caught:
        await node.schedule(read.draft)
    assert read.located(caught.value).lines == (
        'push.yaml:5: audience.shop: no shop "jingan2"; did you mean "jingan"?',
    )


async def test_a_sound_draft_is_kept_with_its_actor(node: Node) -> None:
    campaign = await node.schedule(at="2026-12-01 10:00", expiry_ms=2 * HOUR)
    kept = (await node.status(campaign)).campaign
    at = calendar.read_at("2026-12-01 10:00", "Asia/Shanghai")
    assert (kept.name, kept.account, kept.template, kept.template_version) == ("新茶", OA, "hello", 1)
    assert (kept.state, kept.next_at, kept.schedule.timezone) == (CampaignState.SCHEDULED, at, "Asia/Shanghai")
    assert (kept.expiry_ms, kept.grace_ms, kept.created_by) == (2 * HOUR, HOUR, "mei")
    (deed,) = await rows(node.db, select(audit).where(audit.c.action == "campaign.schedule"))
    assert (deed.actor, deed.subject) == ("mei", campaign)


async def test_a_cron_line_is_due_on_the_brands_clock(node: Node) -> None:
    campaign = await node.schedule(at="", cron="0 10 * * 1")
    kept = (await node.status(campaign)).campaign
    assert kept.next_at == calendar.read_at("2026-09-28 10:00", "Asia/Shanghai")


async def test_the_same_draft_under_the_same_key_is_one_campaign(node: Node) -> None:
    first = await node.schedule(idempotency_key="k", at="2026-12-01 10:00")
    assert await node.schedule(idempotency_key="k", at="2026-12-01 10:00") == first
    # Also when the answer got lost and the question comes again after the due time.
    node.clock.advance(days=100)
    assert await node.schedule(idempotency_key="k", at="2026-12-01 10:00") == first
    assert await counted(node.db, select(tables.campaigns)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "别的"},
        {"values": {"customer.name": "您"}},
        {"at": "2026-12-01 10:01"},
        {"at": "", "cron": "0 10 * * *"},
        {"at": "now"},
        {"expiry_ms": HOUR},
    ],
)
async def test_another_draft_under_a_used_key_is_refused(node: Node, changes: dict[str, Any]) -> None:
    first = replace(DRAFT, idempotency_key="k", at="2026-12-01 10:00")
    await node.schedule(first)
    with pytest.raises(ConflictError, match="belongs to another campaign") as caught:
        await node.schedule(first, **changes)
    if "at" not in changes:
        assert caught.value.field == "idempotency_key"


async def test_what_was_cancelled_is_not_scheduled_again_by_the_same_key(node: Node) -> None:
    campaign = await node.schedule(idempotency_key="k")
    await node.cancel(campaign)
    with pytest.raises(ConflictError, match="cancelled: change its name"):
        await node.schedule(idempotency_key="k")


async def test_a_campaign_keeps_the_version_it_was_scheduled_with(node: Node) -> None:
    campaign = await node.schedule()
    assert await save(node.db, node.clock, {"kind": "text", "text": "全新文字"}) == 2
    assert (await node.status(campaign)).campaign.template_version == 1
    assert (await node.status(await node.schedule(name="另一个"))).campaign.template_version == 2


async def test_templates_are_versions_and_equal_ones_are_one(db: Database, clock: FakeClock) -> None:
    assert await save(db, clock) == 1
    assert await save(db, clock) == 1
    changed = {**HELLO, "text": "新文字"}
    assert await save(db, clock, changed) == 2
    assert await save(db, clock, code="other") == 1
    newest = await db.read(lambda tx: templates.every_newest(tx, BRAND))
    assert [(one.code, one.version, dict(one.body)) for one in newest] == [("hello", 2, changed), ("other", 1, HELLO)]
    old = await db.read(lambda tx: templates.version_of(tx, BRAND, "hello", 1))
    assert old is not None
    assert (dict(old.body), old.created_by) == (HELLO, "mei")


async def test_a_broken_template_is_not_saved(db: Database, clock: FakeClock) -> None:
    with pytest.raises(InvalidDraft) as caught:
        await save(db, clock, {"kind": "text", "text": "{{ customer.nam }}"}, code="no code")
    assert [problem.field for problem in caught.value.problems] == ["code", "text"]
    assert await counted(db, select(tables.templates)) == 0


async def test_a_preview_shows_who_what_and_when_and_keeps_nothing(db: Database, clock: FakeClock) -> None:
    build = Builder()
    lan = build.advisor(build.shop("jingan"), "lan")
    for number in range(4):
        build.customer(lan, f"顾客{number}")
    for _ in range(2):
        build.customer(lan)
    build.customer(build.advisor(build.shop("pudong", "浦东店"), "bo", active=False), "小叶")
    build.customer(lan, "退订了", opted_out=True)
    build.customer(lan, "走了", follows=False)
    build.customer(None, "没有顾问")
    await db.write(build.insert)
    await save(db, clock)
    draft = replace(DRAFT, at="", cron="0 10 * * 1,3")
    shown = await db.read(partial(preview, world=world(), brand=BRAND, draft=draft, now=clock()))
    assert shown.reach == Reach(reachable=7, opted_out=1, not_following=1)
    assert shown.looked_at == 7
    assert shown.skipped == {"missing_value: customer.name": 2, "advisor_inactive": 1}
    assert [(one.customer, one.advisor) for one in shown.samples] == [(f"顾客{n}", "小兰") for n in range(3)]
    assert shown.samples[0].content == Text("顾客0您好，静安店新茶到了\n回复TD退订")
    assert [calendar.local_time(due, shown.timezone) for due in shown.dues] == [
        "2026-09-23 10:00",
        "2026-09-28 10:00",
        "2026-09-30 10:00",
        "2026-10-05 10:00",
        "2026-10-07 10:00",
    ]
    assert await counted(db, select(tables.campaigns)) == 0


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (ALL, [0, 1, 2, 3]),
        (Audience(AudienceKind.SHOP, "jingan"), [0, 1]),
        (Audience(AudienceKind.SHOP, "pudong"), [2, 3]),
        (Audience(AudienceKind.ADVISOR, "bo"), [2, 3]),
        (Audience(AudienceKind.TAG, "VIP"), [0, 2]),
        (Audience(AudienceKind.TAG, "vip"), []),
    ],
)
async def test_audiences(db: Database, audience: Audience, expected: list[int]) -> None:
    build = Builder()
    lan, bo = build.advisor(build.shop("jingan"), "lan"), build.advisor(build.shop("pudong"), "bo")
    meant = [
        build.customer(lan, tags=("VIP", "新客")),
        build.customer(lan),
        build.customer(bo, tags=("VIP",)),
        build.customer(bo),
    ]
    build.customer(lan, tags=("VIP",), opted_out=True)
    build.customer(bo, tags=("VIP",), follows=False)
    build.customer(bo, tags=("VIP",), account=AccountId("oa2"))
    build.customer(tags=("VIP",))
    left = build.customer(tags=("VIP",))
    build.binding(left, lan, state="released")
    build.binding(left, bo, state="pending_consent")
    await db.write(build.insert)
    other = Builder(brand=type(BRAND)("other"))
    other.customer(other.advisor(other.shop("jingan"), "lan"), tags=("VIP",))
    await db.write(other.insert)
    target = Target(BRAND, OA, audience)
    from_db = [member.customer_id for page in await pages(db, target) for member in page]
    assert from_db == [meant[number] for number in expected]
    assert (await db.read(lambda tx: reach(tx, target))).reachable == len(expected)


async def pages(db: Database, target: Target) -> list[Any]:
    """The audience in pages of one."""
    found: list[Any] = []
    after = ""
    while page := await db.read(partial(audiences.page, target=target, after=after, limit=1)):
        found.append(page)
        after = page[-1].customer_id
    return found


async def test_what_is_not_there_or_over_cannot_be_turned(node: Node) -> None:
    nowhere = CampaignId("0" * 32)
    for turn in (node.pause, node.resume, node.cancel, node.status):
        with pytest.raises(NotFoundError):
            await turn(nowhere)
    campaign = await node.schedule()
    with pytest.raises(ConflictError, match="is scheduled; only one that is paused can become scheduled"):
        await node.resume(campaign)
    await node.pause(campaign)
    with pytest.raises(ConflictError, match="is paused"):
        await node.pause(campaign)
    await node.cancel(campaign)
    with pytest.raises(ConflictError, match="is cancelled; only one that is scheduled or paused"):
        await node.cancel(campaign)
    deeds = await rows(node.db, select(audit.c.action).where(audit.c.subject == campaign).order_by(audit.c.id))
    assert [deed.action for deed in deeds] == ["campaign.schedule", "campaign.pause", "campaign.cancel"]
