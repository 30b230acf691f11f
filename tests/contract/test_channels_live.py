"""Both channels against the emulated platforms, over real sockets: what one side writes the other side reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Connection

from domain.calls import Command, CommandName, Outbound, Persona
from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Button, Card, Content, Image, Inbound, Kind, Link, Location, Text, Unparsed, Voice
from domain.people import Account, Side
from emulator import app, world
from gateway.channels import KINDS
from gateway.channels.contract import Accepted, Channel, Handshake, MediaFile, RawRequest, RawResponse, Verified
from gateway.channels.deps import Deps
from gateway.channels.errors import Refused, Rejected, Retry, SendError, Unknown, WindowClosed
from gateway.channels.files import named
from gateway.channels.tokens import TokenDesk
from gateway.channels.uploads import Uploads
from gateway.channels.wechat.channel import WechatChannel
from gateway.channels.wechat.settings import WechatSettings
from gateway.channels.wecom.channel import WecomChannel
from gateway.channels.wecom.settings import WecomSettings
from storage.engine import Database
from storage.tables.talk import media
from tests.clock import FakeClock
from tests.emulator.stand import quick

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OLD_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
OA = Account(AccountId("oa"), BrandId("tea"), "wechat", Side.CUSTOMER)
WORK = Account(AccountId("work"), BrandId("tea"), "wecom", Side.ADVISOR)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
PICTURE = MediaId("m1")
CARD = Card("专属顾问", "可以吗", (Button("yes", "同意"), Button("no", "暂不")))


def played(url: str, mode: str) -> world.World:
    """One official account and one corp with one app, told at `url`."""
    account = {"app_id": "wxTea", "secret": "s1", "original_id": "gh_1", "name": "林间茶", "wechat_id": "linjian"}
    envelope = {"token": "teaToken", "encoding_aes_key": KEY}
    agent = {"agent_id": 1000002, "secret": "s2", "name": "专属顾问", "callback_url": f"{url}/hooks/work", **envelope}
    corp = {"corp_id": "wwTea", "name": "林间茶", "members": [{"user_id": "LanLan", "name": "小兰"}], "agents": [agent]}
    accounts = [{**account, **envelope, "mode": mode, "callback_url": f"{url}/hooks/oa"}]
    return world.parse({"official_accounts": accounts, "corps": [corp]})


@dataclass(slots=True)
class Live:
    """The emulator, our two channels, and what they read."""

    clock: FakeClock
    oa: Channel = field(init=False)
    work: Channel = field(init=False)
    emulator: TestClient[web.Request, web.Application] = field(init=False)
    events: list[Inbound] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """The callback address: what the gateway's HTTP face does, without its storage."""
        channel = self.oa if request.path.endswith("/oa") else self.work
        pairs = tuple(request.query.items())
        came = RawRequest(request.method, pairs, await request.read(), request.remote or "")
        try:
            verified = channel.verify(came, self.clock.now)
        except Rejected as rejected:
            self.refusals.append(rejected.why)
            return web.Response(status=401)
        answer = self._answer(channel, verified)
        return web.Response(body=answer.body, content_type=answer.content_type)

    def _answer(self, channel: Channel, verified: Verified | Handshake) -> RawResponse:
        if isinstance(verified, Handshake):
            return verified.response
        self.events += channel.parse(verified, self.clock.now)
        return channel.acknowledge(verified)

    async def play(self, path: str, **body: Any) -> Any:
        """Something happens on a phone; returns once the callback had its outcome."""
        response = await self.emulator.post(f"/play/{path}", params={"wait": "1"}, json=body)
        assert response.status == 200, await response.text()
        return await response.json()

    async def customer(self, **facts: Any) -> str:
        """A customer who follows and has just written, unless `facts` say otherwise."""
        made = await self.play("customers", **{"account": "wxTea", "following": True, "grant": "message", **facts})
        return str(made["openid"])

    async def event(self, path: str, **body: Any) -> Inbound:
        """The one event that something on a phone led to."""
        seen = len(self.events)
        await self.play(path, **body)
        [event] = self.events[seen:]
        return event

    async def ledger(self, api: str) -> list[dict[str, Any]]:
        """What the platform took, of one api."""
        async with self.emulator.get("/play/ledger") as response:
            lines = (await response.json())["lines"]
        return [line for line in lines if line["api"] == api]

    async def fault(self, kind: str, **facts: Any) -> None:
        """From now on the platform misbehaves."""
        await self.play("faults", kind=kind, **facts)


@contextlib.asynccontextmanager
async def living(db: Database, clock: FakeClock, directory: Path, mode: str, **settings: Any) -> AsyncIterator[Live]:
    """Everything started, and stopped in reverse."""
    live = Live(clock)
    hooks = web.Application()
    hooks.router.add_route("*", "/hooks/{account}", live.take)
    async with contextlib.AsyncExitStack() as stack:
        server = TestServer(hooks)
        await server.start_server()
        stack.push_async_callback(server.close)
        url = str(server.make_url("")).rstrip("/")
        platform = TestServer(app.build(played(url, mode), directory, lambda: clock.now / 1000, quick()))
        live.emulator = await stack.enter_async_context(TestClient(platform))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        tokens = TokenDesk(db, "k", clock=clock)
        stack.push_async_callback(tokens.close)
        uploads = Uploads(db, read)
        stack.push_async_callback(uploads.close)
        base = str(platform.make_url("")).rstrip("/")
        deps = Deps(session, tokens, uploads, clock)
        live.oa = KINDS["wechat"](OA, wechat(base, mode=mode, **settings), deps)
        live.work = KINDS["wecom"](WORK, wecom(base), deps)
        yield live


def wechat(base: str, **more: Any) -> WechatSettings:
    values = {"app_id": "wxTea", "secret": "s1", "token": "teaToken", "encoding_aes_key": KEY, "original_id": "gh_1"}
    if more.get("mode") == "plain":
        more["platform_ips"] = ["127.0.0.1"]
    return WechatSettings.model_validate({**values, "api_base": f"{base}/wechat", **more})


def wecom(base: str) -> WecomSettings:
    values = {"corp_id": "wwTea", "agent_id": 1000002, "secret": "s2", "token": "teaToken", "encoding_aes_key": KEY}
    return WecomSettings.model_validate({**values, "api_base": f"{base}/wecom"})


async def read(brand: BrandId, media_id: MediaId) -> MediaFile:
    return named(PNG)


@pytest.fixture
async def live(sqlite_db: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Live]:
    def picture(tx: Connection) -> None:
        row = {"brand": "tea", "id": PICTURE, "account": "work", "origin": "o", "type": "image", "state": "stored"}
        tx.execute(media.insert().values(sha256="sha", next_at=0, created_at=0, **row))

    await sqlite_db.write(picture)
    async with living(sqlite_db, clock, tmp_path / "emulator", "safe") as live:
        yield live


async def failure(sending: Any) -> SendError:
    with pytest.raises(SendError) as failed:
        await sending
    return failed.value


@pytest.mark.parametrize("account", ["wxTea", "wwTea/1000002"])
async def test_the_platform_accepts_our_address(live: Live, account: str) -> None:
    assert (await live.play(f"accounts/{account}/verify"))["ok"] is True


@pytest.mark.parametrize("mode", ["safe", "compatible", "plain"])
async def test_a_callback_is_read_in_every_mode(
    sqlite_db: Database, clock: FakeClock, tmp_path: Path, mode: str
) -> None:
    async with living(sqlite_db, clock, tmp_path / "emulator", mode) as live:
        event = await live.event(f"customers/{await live.customer()}/type", text="你好 👍🏽 ]]> <b>")
        assert event.content == Text("你好 👍🏽 ]]> <b>")
        assert live.refusals == []


async def test_a_callback_with_the_previous_key_is_read_while_it_is_rotated_out(
    sqlite_db: Database, clock: FakeClock, tmp_path: Path
) -> None:
    rotating = {"encoding_aes_key": OLD_KEY, "previous_encoding_aes_key": KEY}
    rotating |= {"token": "newToken", "previous_token": "teaToken"}
    async with living(sqlite_db, clock, tmp_path / "emulator", "safe", **rotating) as live:
        assert (await live.event(f"customers/{await live.customer()}/type", text="好")).content == Text("好")


async def test_a_wrong_token_is_refused(sqlite_db: Database, clock: FakeClock, tmp_path: Path) -> None:
    async with living(sqlite_db, clock, tmp_path / "emulator", "safe", token="newToken") as live:
        await live.play(f"customers/{await live.customer()}/type", text="好")
        assert set(live.refusals) == {"signature"}
        assert live.events == []


async def test_customers_messages_are_read(live: Live) -> None:
    who = await live.customer()
    at = f"customers/{who}"
    image, voice = await live.event(f"{at}/image"), await live.event(f"{at}/voice")
    place = await live.event(f"{at}/location", lat=31.23, lng=121.47, label="静安店")
    link = await live.event(f"{at}/link", title="茶", description="新", url="https://tea.example/1")
    other = await live.event(f"{at}/raw", **{"xml fields": {"MsgType": "video", "MediaId": "v"}})
    assert (type(image.content), type(voice.content)) == (Image, Voice)
    assert place.content == Location(31.23, 121.47, "静安店")
    assert link.content == Link("茶", "https://tea.example/1", "新")
    assert isinstance(other.content, Unparsed)
    assert other.content.kind == "video"
    assert {event.sender for event in live.events} == {who}
    assert len({event.dedup_key for event in live.events}) == 5


async def test_following_scanning_tapping_and_leaving_are_read(live: Live) -> None:
    who = await live.customer(following=False)
    code = await live.oa.send(Command(CommandName.MAKE_CODE, {"scene": "s0123"}))
    assert set(code.values) == {"ticket", "url"}
    follow = await live.event(f"customers/{who}/scan", scene="s0123")
    scan = await live.event(f"customers/{who}/scan", ticket=code.values["ticket"])
    menu = await live.event(f"customers/{who}/menu", key="menu.help")
    leave = await live.event(f"customers/{who}/unfollow")
    assert [event.kind for event in (follow, scan, menu, leave)] == [Kind.FOLLOW, Kind.SCAN, Kind.MENU, Kind.UNFOLLOW]
    assert (follow.scene, scan.scene, menu.key) == ("s0123", "s0123", "menu.help")


async def test_a_tap_on_an_option_brings_its_key_back(live: Live) -> None:
    who = await live.customer()
    await live.oa.send(Outbound(who, CARD))
    async with live.emulator.get(f"/play/customers/{who}/thread") as response:
        shown = (await response.json())["thread"][-1]
    tap = await live.event(f"customers/{who}/tap", message_id=shown["id"], option_id="yes")
    assert (tap.kind, tap.key, tap.content) == (Kind.MESSAGE, "yes", Text("同意"))


CONTENTS: list[tuple[Content, str]] = [
    (Text("你好\n👍🏽"), "text"),
    (Image(PICTURE), "image"),
    (Location(31.2, 121.4, "静安店"), "text"),
    (Link("茶", "https://tea.example/1", "新"), "news"),
    (CARD, "msgmenu"),
]


@pytest.mark.parametrize(("content", "msgtype"), CONTENTS)
async def test_a_customer_is_shown_what_we_send(live: Live, content: Content, msgtype: str) -> None:
    who = await live.customer()
    assert await live.oa.send(Outbound(who, content, Persona("小兰"))) == Accepted()
    [line] = await live.ledger("message/custom/send")
    assert (line["to"], line["msgtype"], line["shown"]) == (who, msgtype, True)


async def test_the_platform_s_refusals_are_understood(live: Live, clock: FakeClock) -> None:
    who = await live.customer()
    stranger = "o" + "x" * 27
    assert isinstance(await failure(live.oa.send(Outbound(stranger, Text("x")))), Refused)
    unknown = await failure(live.oa.send(Outbound(who, Text("x"), Persona("小兰", "nobody@linjian"))))
    assert (unknown.reason, unknown.code) == ("persona_unknown", 65401)
    too_long = await failure(live.oa.send(Outbound(who, Text("茶" * 1000))))
    assert (type(too_long), too_long.reason) == (Refused, "text_too_long")
    for _ in range(5):
        await live.oa.send(Outbound(who, Text("x")))
    used_up = await failure(live.oa.send(Outbound(who, Text("x"))))
    assert (type(used_up), used_up.reason) == (WindowClosed, "window_used_up")
    clock.advance(hours=49)
    closed = await failure(live.oa.send(Outbound(who, Text("x"))))
    assert (type(closed), closed.reason) == (WindowClosed, "window_closed")


async def test_a_token_expires_and_is_fetched_once(live: Live, clock: FakeClock) -> None:
    who = await live.customer()
    await asyncio.gather(*(live.oa.send(Outbound(who, Text(str(n)))) for n in range(3)))
    clock.advance(hours=3)
    await asyncio.gather(*(live.oa.send(Outbound(who, Text(str(n)))) for n in range(2)))
    assert len(await live.ledger("stable_token")) == 2
    assert len(await live.ledger("message/custom/send")) == 5


async def test_a_token_killed_by_somebody_else_is_replaced_once(live: Live) -> None:
    who = await live.customer()
    await live.oa.send(Outbound(who, Text("1")))
    wanted = {"grant_type": "client_credential", "appid": "wxTea", "secret": "s1", "force_refresh": True}
    await live.emulator.post("/wechat/cgi-bin/stable_token", json=wanted)
    await live.oa.send(Outbound(who, Text("2")))
    assert len(await live.ledger("message/custom/send")) == 2
    assert len(await live.ledger("stable_token")) == 3


async def test_a_picture_is_uploaded_once_for_many(live: Live) -> None:
    people = [await live.customer() for _ in range(3)]
    await asyncio.gather(*(live.oa.send(Outbound(who, Image(PICTURE))) for who in people))
    assert len(await live.ledger("media/upload")) == 1
    assert len(await live.ledger("message/custom/send")) == 3


async def test_a_customer_s_picture_is_fetched(live: Live) -> None:
    event = await live.event(f"customers/{await live.customer()}/image")
    assert isinstance(live.oa, WechatChannel)
    file = await live.oa.fetch(event.media[0].origin)
    assert file.content_type.startswith("image/")
    with pytest.raises(Refused, match="media_gone"):
        await live.oa.fetch("nothing")


async def test_an_answer_that_never_came_is_unknown_and_the_message_is_there_once(live: Live) -> None:
    who = await live.customer()
    await live.oa.send(Outbound(who, Text("1")))
    await live.fault("accept_then_cut", match={"api": "message/custom/send"}, times=1)
    assert isinstance(await failure(live.oa.send(Outbound(who, Text("2")))), Unknown)
    assert len(await live.ledger("message/custom/send")) == 2


@pytest.mark.parametrize(
    ("fault", "value", "kind"),
    [
        ("garbage", None, Unknown),
        ("status", 502, Unknown),
        ("status", 429, Retry),
        ("cut", None, Unknown),
        ("errcode", -1, Retry),
    ],
)
async def test_a_misbehaving_platform_is_understood(live: Live, fault: str, value: int | None, kind: type) -> None:
    who = await live.customer()
    await live.oa.send(Outbound(who, Text("1")))
    await live.fault(
        fault, match={"api": "message/custom/send"}, times=1, **({} if value is None else {"value": value})
    )
    assert type(await failure(live.oa.send(Outbound(who, Text("2"))))) is kind


async def test_advisors_messages_are_read(live: Live) -> None:
    text = await live.event("members/LanLan/type", text="#A17 好的")
    image = await live.event("members/LanLan/image")
    assert (text.sender, text.content) == ("lanlan", Text("#A17 好的"))
    assert isinstance(image.content, Image)
    assert isinstance(live.work, WecomChannel)
    assert (await live.work.fetch(image.media[0].origin)).content_type.startswith("image/")
    opened = await live.event("members/LanLan/open")
    assert (opened.kind, opened.values["event"]) == (Kind.UNPARSED, "enter_agent")


async def test_a_card_is_shown_pressed_and_marked(live: Live) -> None:
    sent = await live.work.send(Outbound("lanlan", CARD, task="task-1"))
    assert sent.platform_id
    async with live.emulator.get("/play/members/LanLan/thread") as response:
        shown = (await response.json())["thread"][-1]
    press = await live.event("members/LanLan/press", message_id=shown["id"], key="yes")
    assert (press.kind, press.sender, press.key, press.task) == (Kind.CARD, "lanlan", "yes", "task-1")
    params = {"to": press.sender, "response_code": press.values["response_code"], "text": "已同意"}
    marking = Command(CommandName.MARK_PRESSED, params)
    assert await live.work.send(marking) == Accepted()
    assert await live.work.send(marking) == Accepted()
    assert len(await live.ledger("message/update_template_card")) == 1


async def test_a_member_nobody_knows_is_refused(live: Live) -> None:
    assert (await failure(live.work.send(Outbound("Nobody", Text("x"))))).reason == "invalid_member"


@pytest.mark.parametrize(("content", "msgtype"), [*CONTENTS[:4], (CARD, "template_card")])
async def test_an_advisor_is_shown_what_we_send(live: Live, content: Content, msgtype: str) -> None:
    await live.work.send(Outbound("lanlan", content, task="task-1"))
    [line] = await live.ledger("message/send")
    assert (line["to"].casefold(), line["msgtype"], line["shown"]) == ("lanlan", msgtype, True)


async def test_the_same_words_twice_arrive_twice(live: Live) -> None:
    for _ in range(2):
        await live.work.send(Outbound("lanlan", Text("你好")))
    assert [line["shown"] for line in await live.ledger("message/send")] == [True, True]


async def test_both_accounts_check_out(live: Live) -> None:
    assert "credentials accepted" in await live.oa.check()
    assert "credentials accepted" in await live.work.check()
