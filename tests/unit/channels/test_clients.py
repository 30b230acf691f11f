"""Both clients against a platform of a few lines: what they ask for, in which order, and what they make of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from domain.calls import DAY, MINUTE, Command, CommandName, Outbound, Persona
from domain.ids import MediaId
from domain.messages import Button, Card, Content, Image, MiniProgram, Text, Voice
from domain.people import Account
from gateway.channels import KINDS, SETTINGS
from gateway.channels.contract import Accepted, Channel, MediaFile, RawResponse, Upload, Verified
from gateway.channels.deps import Deps
from gateway.channels.errors import Refused, Retry, SendError, WindowClosed
from gateway.channels.tokens import TokenDesk
from gateway.channels.wechat.channel import WechatChannel
from gateway.channels.wecom.channel import WecomChannel
from storage.engine import Database
from tests.clock import FakeClock
from tests.unit.channels.platform import Asked, Platform, answer, code, raw
from tests.unit.channels.samples import OA, WORK, sample, wechat_settings, wecom_settings

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SAY_OA = "/cgi-bin/message/custom/send"
SAY_WORK = "/cgi-bin/message/send"
STABLE = "/cgi-bin/stable_token"
GETTOKEN = "/cgi-bin/gettoken"
UPLOAD = "/cgi-bin/media/upload"
HELLO = Outbound("o1", Text("你好"))
CARD = Card("专属顾问", "可以吗", (Button("yes", "同意"), Button("no", "暂不")))


@dataclass(slots=True)
class OneFile:
    """A media desk with one file, uploaded whenever its id is asked for."""

    file: MediaFile = field(default_factory=lambda: MediaFile(PNG, "image/png", "测试\r\n.png"))
    ends: list[int] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    async def platform_id(self, account: Account, media: MediaId, upload: Upload) -> str:
        platform_id, ends_at = await upload(self.file)
        self.ends.append(ends_at)
        return platform_id

    async def forget(self, account: Account, media: MediaId, platform_id: str) -> None:
        self.forgotten.append(platform_id)


def tokens_and_ok(platform: Platform) -> None:
    """Let the platform hand out numbered tokens and say yes to everything else."""

    def otherwise(asked: Asked) -> bytes:
        if asked.path in (STABLE, GETTOKEN):
            number = sum(path in (STABLE, GETTOKEN) for path in platform.paths())
            return answer({"access_token": f"tok-{number}", "expires_in": 7200})
        return answer({"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": "m-1"})

    platform.otherwise = otherwise


@pytest.fixture
def media() -> OneFile:
    return OneFile()


@pytest.fixture
async def deps(
    session: aiohttp.ClientSession, sqlite_db: Database, platform: Platform, media: OneFile, clock: FakeClock
) -> AsyncIterator[Deps]:
    tokens_and_ok(platform)
    desk = TokenDesk(sqlite_db, "k", clock=clock)
    yield Deps(session, desk, media, clock)
    await desk.close()


@pytest.fixture
def oa(deps: Deps, platform: Platform) -> WechatChannel:
    return WechatChannel(OA, wechat_settings(api_base=platform.base), deps)


@pytest.fixture
def work(deps: Deps, platform: Platform) -> WecomChannel:
    return WecomChannel(WORK, wecom_settings(api_base=platform.base), deps)


async def failure(channel: Channel, call: Outbound | Command) -> SendError:
    with pytest.raises(SendError) as failed:
        await channel.send(call)
    return failed.value


async def test_a_message_needs_one_token_and_one_call(oa: WechatChannel, platform: Platform) -> None:
    assert await oa.send(HELLO) == Accepted()
    assert await oa.send(HELLO) == Accepted()
    assert platform.paths() == [STABLE, SAY_OA, SAY_OA]
    token, say, _ = platform.asked
    assert token.query == {}
    assert token.json == {"grant_type": "client_credential", "appid": "wxTea", "secret": "s3cret"}
    assert (say.query, say.json) == (
        {"access_token": "tok-1"},
        {"touser": "o1", "msgtype": "text", "text": {"content": "你好"}},
    )


@pytest.mark.parametrize("refusal", [40001, 40014, 42001])
async def test_a_refused_token_costs_one_fetch_and_one_repeat(
    oa: WechatChannel, platform: Platform, refusal: int
) -> None:
    await oa.send(HELLO)
    platform.will_answer(code(refusal))
    assert await oa.send(HELLO) == Accepted()
    assert platform.paths() == [STABLE, SAY_OA, SAY_OA, STABLE, SAY_OA]
    assert platform.asked[-1].query == {"access_token": "tok-2"}


async def test_a_platform_that_refuses_every_token_is_left_alone(
    oa: WechatChannel, platform: Platform, clock: FakeClock
) -> None:
    hands_out = platform.otherwise
    platform.otherwise = lambda asked: hands_out(asked) if asked.path == STABLE else code(40001)
    first = await failure(oa, HELLO)
    assert platform.paths() == [STABLE, SAY_OA, STABLE, SAY_OA]
    assert isinstance(first, Retry)
    assert (first.reason, first.block, first.alarm) == ("token_refused", "*", True)
    problems = await asyncio.gather(*(failure(oa, HELLO) for _ in range(20)))
    assert {problem.reason for problem in problems} == {"token_refused"}
    assert platform.paths().count(STABLE) == 2
    clock.advance(MINUTE)
    await failure(oa, HELLO)
    assert platform.paths().count(STABLE) == 3


async def test_a_refused_secret_stops_the_account_before_anything_is_sent(
    oa: WechatChannel, platform: Platform
) -> None:
    platform.will_answer(code(40125, "invalid appsecret"))
    problem = await failure(oa, HELLO)
    assert isinstance(problem, Retry)
    assert (problem.reason, problem.block, problem.alarm) == ("wrong_secret", "*", True)
    assert (await failure(oa, HELLO)).reason == "token_resting"
    assert platform.paths() == [STABLE]


async def test_a_person_who_checks_ends_the_rest(oa: WechatChannel, platform: Platform) -> None:
    platform.will_answer(code(40164, "invalid ip 1.2.3.4"))
    await failure(oa, HELLO)
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), answer({"ip_list": ["1.1.1.1", "2.2.2.2"]}))
    assert await oa.check() == "official account wxTea: credentials accepted, 2 callback addresses"
    assert platform.paths() == [STABLE, STABLE, "/cgi-bin/getcallbackip"]


async def test_a_closed_window_is_told_apart(oa: WechatChannel, platform: Platform) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), code(45015))
    assert isinstance(await failure(oa, HELLO), WindowClosed)


async def test_an_account_without_message_menus_gets_the_card_in_plain_text(
    oa: WechatChannel, platform: Platform
) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), code(40200))
    assert await oa.send(Outbound("o1", CARD, Persona("小兰", "lan@tea"))) == Accepted()
    menu, text = (asked.json for asked in platform.asked[1:])
    assert menu["msgtype"] == "msgmenu"
    assert text["text"]["content"].endswith("1. 同意\n2. 暂不")
    assert text["customservice"] == {"kf_account": "lan@tea"}


async def test_only_a_card_is_said_in_plain_text(oa: WechatChannel, platform: Platform) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), code(40200))
    assert (await failure(oa, HELLO)).reason == "wrong_account_kind"
    assert platform.paths() == [STABLE, SAY_OA]


async def test_a_code_is_permanent_and_carries_its_scene(oa: WechatChannel, platform: Platform) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), answer({"ticket": "T", "url": "http://u"}))
    made = await oa.send(Command(CommandName.MAKE_CODE, {"scene": "s01"}))
    assert made == Accepted(values={"ticket": "T", "url": "http://u"})
    assert platform.asked[-1].path == "/cgi-bin/qrcode/create"
    assert platform.asked[-1].json == {
        "action_name": "QR_LIMIT_STR_SCENE",
        "action_info": {"scene": {"scene_str": "s01"}},
    }


@pytest.mark.parametrize("scene", ["", "s" * 65])
async def test_a_scene_of_another_length_is_refused_before_anything_is_asked(
    oa: WechatChannel, platform: Platform, scene: str
) -> None:
    assert (await failure(oa, Command(CommandName.MAKE_CODE, {"scene": scene}))).reason == "scene_invalid"
    assert platform.asked == []


async def test_a_code_without_its_address_is_asked_for_again(oa: WechatChannel, platform: Platform) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), answer({"ticket": "T"}))
    assert isinstance(await failure(oa, Command(CommandName.MAKE_CODE, {"scene": "s"})), Retry)


async def test_what_a_platform_has_no_command_for_is_refused(oa: WechatChannel, work: WecomChannel) -> None:
    assert (await failure(oa, Command(CommandName.MARK_PRESSED))).reason == "command_unsupported"
    assert (await failure(work, Command(CommandName.MAKE_CODE))).reason == "command_unsupported"


async def test_a_picture_is_uploaded_under_a_name_of_our_own_and_sent_by_id(
    oa: WechatChannel, platform: Platform
) -> None:
    uploaded = answer({"type": "image", "media_id": "their-1", "created_at": 1_790_000_000})
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), uploaded)
    await oa.send(Outbound("o1", Image(MediaId("m1"))))
    upload, say = platform.asked[1:]
    assert (upload.path, upload.query) == (UPLOAD, {"type": "image", "access_token": "t"})
    assert b'name="media"; filename="' in upload.body
    assert b"filename*" not in upload.body
    assert PNG in upload.body
    assert say.json["image"] == {"media_id": "their-1"}


@pytest.mark.parametrize(("created_at", "counts_from_s"), [(-60, -60), (3600, 0), ("soon", 0), (None, 0)])
async def test_an_upload_lives_three_days_from_when_the_platform_made_it(
    oa: WechatChannel, platform: Platform, media: OneFile, clock: FakeClock, created_at: object, counts_from_s: int
) -> None:
    said = clock.now // 1000 + created_at if isinstance(created_at, int) else created_at
    token = answer({"access_token": "t", "expires_in": 7200})
    platform.will_answer(token, answer({"media_id": "their-1", "created_at": said}))
    await oa.send(Outbound("o1", Image(MediaId("m1"))))
    assert media.ends == [clock.now + counts_from_s * 1000 + 3 * DAY]


async def test_a_picture_the_platform_lost_is_uploaded_once_more(
    work: WecomChannel, platform: Platform, media: OneFile
) -> None:
    first, second = (answer({"errcode": 0, "media_id": name, "created_at": "1380000000"}) for name in ("id-1", "id-2"))
    token = answer({"errcode": 0, "access_token": "t", "expires_in": 7200})
    platform.will_answer(token, first, code(40007), second)
    await work.send(Outbound("lanlan", Image(MediaId("m1"))))
    assert platform.paths() == [GETTOKEN, UPLOAD, SAY_WORK, UPLOAD, SAY_WORK]
    assert media.forgotten == ["id-1"]
    assert platform.asked[-1].json["image"] == {"media_id": "id-2"}


UPLOADS: list[bytes] = [
    answer({"media_id": ""}),
    answer({"media_id": 5}),
    answer({"media_id": "a b"}),
    answer({"x": 1}),
]


@pytest.mark.parametrize("bad", UPLOADS)
async def test_an_upload_without_a_usable_id_is_tried_again(oa: WechatChannel, platform: Platform, bad: bytes) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), bad)
    assert isinstance(await failure(oa, Outbound("o1", Voice(MediaId("m1")))), Retry)


async def test_a_file_the_platform_takes_none_of_is_refused(
    oa: WechatChannel, work: WecomChannel, media: OneFile
) -> None:
    media.file = MediaFile(b"OggS", "audio/ogg", "x.spx")
    assert (await failure(oa, Outbound("o1", Voice(MediaId("m1"))))).reason == "media_type_refused"
    assert (await failure(work, Outbound("lanlan", Voice(MediaId("m1"))))).reason == "media_type_refused"


async def test_a_file_is_fetched_by_its_id_and_named_by_us(oa: WechatChannel, platform: Platform) -> None:
    disposition = 'Content-disposition: attachment; filename="../../etc/passwd"'
    picture = raw(PNG, "Content-Type: text/x", disposition).replace(b"text/x", b"image/svg+xml")
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), picture)
    file = await oa.fetch("origin-1")
    assert (file.content, file.content_type) == (PNG, "image/png")
    assert file.name.endswith(".png")
    assert "passwd" not in file.name
    assert platform.asked[-1].query == {"media_id": "origin-1", "access_token": "t"}


async def test_a_file_that_is_gone_is_refused_and_an_empty_one_tried_again(
    oa: WechatChannel, platform: Platform
) -> None:
    platform.will_answer(answer({"access_token": "t", "expires_in": 7200}), code(40007), raw(b""))
    with pytest.raises(Refused, match="media_gone"):
        await oa.fetch("origin-1")
    with pytest.raises(Retry, match="file_empty"):
        await oa.fetch("origin-1")


async def test_a_member_s_message_returns_its_id(work: WecomChannel, platform: Platform) -> None:
    assert await work.send(Outbound("lanlan", Text("你好"))) == Accepted("m-1")
    token, say = platform.asked
    assert (token.method, token.path) == ("GET", GETTOKEN)
    assert token.query == {"corpid": "ww0123456789abcdef", "corpsecret": "s3cret"}
    assert say.json["agentid"] == 1000002


@pytest.mark.parametrize("field", ["invaliduser", "unlicenseduser"])
async def test_a_member_who_was_not_reached_is_refused_whatever_the_case_of_his_id(
    work: WecomChannel, platform: Platform, field: str
) -> None:
    token = answer({"errcode": 0, "access_token": "t", "expires_in": 7200})
    platform.will_answer(token, answer({"errcode": 0, field: "mei|lanlan", "msgid": "m"}))
    problem = await failure(work, Outbound("LanLan", Text("你好")))
    assert isinstance(problem, Refused)
    assert problem.reason == {"invaliduser": "invalid_member", "unlicenseduser": "licence_missing"}[field]
    platform.will_answer(answer({"errcode": 0, field: "lanlan2|mei", "msgid": "m"}))
    await work.send(Outbound("LanLan", Text("你好")))


async def test_a_card_returns_the_code_that_updates_it(work: WecomChannel, platform: Platform) -> None:
    token = answer({"errcode": 0, "access_token": "t", "expires_in": 7200})
    platform.will_answer(token, answer({"errcode": 0, "msgid": "m", "response_code": "R"}))
    sent = await work.send(Outbound("lanlan", CARD, task="task-1"))
    assert sent == Accepted("m", {"response_code": "R"})


@pytest.mark.parametrize("said", [answer({"errcode": 0, "invaliduser": []}), code(42022)])
async def test_a_pressed_button_is_marked_once(work: WecomChannel, platform: Platform, said: bytes) -> None:
    platform.will_answer(answer({"errcode": 0, "access_token": "t", "expires_in": 7200}), said)
    params = {"to": "lanlan", "response_code": "R", "text": "已选择这位顾客的对话"}
    assert await work.send(Command(CommandName.MARK_PRESSED, params)) == Accepted()
    assert platform.asked[-1].json == {
        "userids": ["lanlan"],
        "agentid": 1000002,
        "response_code": "R",
        "button": {"replace_name": "已选择这位顾客的对话"},
    }


async def test_a_work_app_is_checked_the_same_way(work: WecomChannel, platform: Platform) -> None:
    platform.will_answer(
        answer({"errcode": 0, "access_token": "t", "expires_in": 7200}), answer({"errcode": 0, "ip_list": ["1.1.1.*"]})
    )
    assert await work.check() == ("WeCom app ww0123456789abcdef/1000002: credentials accepted, 1 callback addresses")


def test_each_platform_hears_its_own_success(oa: WechatChannel, work: WecomChannel) -> None:
    assert oa.acknowledge(Verified(b"")) == RawResponse(b"success")
    assert work.acknowledge(Verified(b"")) == RawResponse(b"")


def test_a_channel_parses_what_its_door_let_in(oa: WechatChannel, work: WecomChannel, clock: FakeClock) -> None:
    [event] = oa.parse(Verified(sample("wechat/text.xml")), clock.now)
    assert event.account == OA.id
    [event] = work.parse(Verified(sample("wecom/text.xml")), clock.now)
    assert event.account == WORK.id


CALLS: list[tuple[Content, tuple[str, ...]]] = [
    (Text("x"), (SAY_OA,)),
    (CARD, (SAY_OA,)),
    (Image(MediaId("m")), (SAY_OA, UPLOAD)),
    (MiniProgram("t", "a", "p", MediaId("m")), (SAY_OA, UPLOAD)),
    (MiniProgram("t", "a", "p"), (SAY_OA,)),
]


@pytest.mark.parametrize(("content", "apis"), CALLS)
def test_a_call_names_the_apis_it_uses(oa: WechatChannel, content: Content, apis: tuple[str, ...]) -> None:
    assert oa.apis(Outbound("o1", content)) == apis


def test_commands_name_their_apis(oa: WechatChannel, work: WecomChannel) -> None:
    assert oa.apis(Command(CommandName.MAKE_CODE)) == ("/cgi-bin/qrcode/create",)
    assert work.apis(Command(CommandName.MARK_PRESSED)) == ("/cgi-bin/message/update_template_card",)
    assert work.apis(HELLO) == (SAY_WORK,)


async def test_every_kind_opens_with_its_own_settings(deps: Deps) -> None:
    assert KINDS.keys() == SETTINGS.keys()
    assert KINDS["wechat"](OA, wechat_settings(), deps).account == OA
    assert KINDS["wecom"](WORK, wecom_settings(), deps).account == WORK
