"""What payloads mean: one table for each platform, then the hostile ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import is_id
from domain.messages import Content, Image, Inbound, Kind, Link, Location, Text, Unparsed, Voice
from gateway.channels.errors import Malformed
from gateway.channels.wechat.parse import parse as parse_wechat
from gateway.channels.wecom.parse import parse as parse_wecom
from tests.unit.channels.samples import CUSTOMER, NOW, OA, SAMPLES, SENT_AT, WORK, sample, wecom_settings

MSG = "msg:24781633960234567"
WORK_MSG = "msg:4561255354251345929"


def wechat(body: bytes, now: int = NOW, original_id: str = "gh_0123456789ab") -> Inbound:
    [event] = parse_wechat(OA.id, original_id, body, now)
    return event


def wecom(body: bytes, now: int = NOW) -> Inbound:
    [event] = parse_wecom(WORK.id, wecom_settings(), body, now)
    return event


def evt(sender: str, *parts: str) -> str:
    return ":".join(["evt", sender, "1790000000", *parts])


@dataclass(frozen=True)
class Case:
    """One sample and what is expected of it. `content` is a type where its ids are made up on the way."""

    name: str
    kind: Kind
    content: Content | type | None = None
    dedup: str = MSG
    sender: str = CUSTOMER
    scene: str = ""
    key: str = ""
    task: str = ""
    values: dict[str, str] = field(default_factory=dict)
    media: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name


WECHAT = [
    Case("text", Kind.MESSAGE, Text("　你好，请问西湖龙井还有吗？👍🏽\n想要两罐 ]]> 谢谢")),
    Case("text_from_article", Kind.MESSAGE, Text("看了文章来的")),
    Case("menu_option", Kind.MESSAGE, Text("同意"), key="consent:yes:0190a0b0"),
    Case("image", Kind.MESSAGE, Image, media=(("7sWv3jVnK-oYb0cTq_1", "image"),)),
    Case("voice", Kind.MESSAGE, Voice, media=(("Nt8xVoiceMediaId", "voice"),)),
    Case("location", Kind.MESSAGE, Location(31.230416, 121.473701, "上海市黄浦区人民大道")),
    Case("link", Kind.MESSAGE, Link("明前新茶", "https://mp.weixin.qq.com/s/abc?a=1&b=2", "今年的第一批")),
    Case("video", Kind.UNPARSED, Unparsed),
    Case("shortvideo", Kind.UNPARSED, Unparsed),
    Case("file", Kind.UNPARSED, Unparsed),
    Case("miniprogrampage", Kind.UNPARSED, Unparsed),
    Case("subscribe", Kind.FOLLOW, dedup=evt(CUSTOMER, "subscribe", "")),
    Case(
        "subscribe_by_code",
        Kind.FOLLOW,
        dedup=evt(CUSTOMER, "subscribe", "qrscene_s0123456789abcdef01234567"),
        scene="s0123456789abcdef01234567",
    ),
    Case(
        "subscribe_twice_prefixed",
        Kind.FOLLOW,
        dedup=evt(CUSTOMER, "subscribe", "qrscene_qrscene_1"),
        scene="qrscene_1",
    ),
    Case("subscribe_after_trade", Kind.FOLLOW, dedup=evt(CUSTOMER, "subscribe", "last_trade_no_4003752001201412101")),
    Case("unsubscribe", Kind.UNFOLLOW, dedup=evt(CUSTOMER, "unsubscribe", "")),
    Case(
        "scan",
        Kind.SCAN,
        dedup=evt(CUSTOMER, "scan", "s0123456789abcdef01234567"),
        scene="s0123456789abcdef01234567",
    ),
    Case("click", Kind.MENU, dedup=evt(CUSTOMER, "click", "menu.my_advisor"), key="menu.my_advisor"),
    Case(
        "view",
        Kind.UNPARSED,
        dedup=evt(CUSTOMER, "view", "*"),
        key="https://tea.example/shop",
        values={"event": "view", "EventKey": "https://tea.example/shop", "MenuId": "419102021"},
    ),
    Case(
        "event_location",
        Kind.UNPARSED,
        dedup=evt(CUSTOMER, "location", "*"),
        values={"event": "location", "Latitude": "23.137466", "Longitude": "113.352425", "Precision": "119.385040"},
    ),
    Case(
        "scancode_waitmsg",
        Kind.UNPARSED,
        dedup=evt(CUSTOMER, "scancode_waitmsg", "*"),
        key="rselfmenu_0_0",
        values={"event": "scancode_waitmsg", "EventKey": "rselfmenu_0_0"},
    ),
    Case(
        "template_job",
        Kind.UNPARSED,
        dedup=evt(CUSTOMER, "templatesendjobfinish", "*"),
        values={"event": "templatesendjobfinish", "MsgID": "200163836", "Status": "failed:user block"},
    ),
    Case(
        "mass_job",
        Kind.UNPARSED,
        dedup=evt("", "masssendjobfinish", "*"),
        sender="",
        values={
            "event": "masssendjobfinish",
            "MsgID": "1000001625",
            "Status": "send success",
            "TotalCount": "100",
            "FilterCount": "80",
            "SentCount": "75",
            "ErrorCount": "5",
        },
    ),
    Case(
        "subscription_popup",
        Kind.UNPARSED,
        dedup=evt(CUSTOMER, "subscribe_msg_popup_event", "*"),
        values={"event": "subscribe_msg_popup_event"},
    ),
]

WECOM = [
    Case("text", Kind.MESSAGE, Text("#A17 有的，给您留两罐"), WORK_MSG, "lanlan"),
    Case(
        "image",
        Kind.MESSAGE,
        Image,
        WORK_MSG,
        "lanlan",
        media=(("1Yv-zXfHjSjU-7LH-GwtYqDGS-zz6w22KmWAT5COgP7o", "image"),),
    ),
    Case("voice", Kind.MESSAGE, Voice, WORK_MSG, "lanlan", media=(("1hVoice", "voice"),)),
    Case("location", Kind.MESSAGE, Location(31.230416, 121.473701, "静安店"), WORK_MSG, "lanlan"),
    Case(
        "link",
        Kind.MESSAGE,
        Link("新茶图册", "https://tea.example/book", "春茶", "https://tea.example/book.png"),
        WORK_MSG,
        "lanlan",
    ),
    Case("video", Kind.UNPARSED, Unparsed, WORK_MSG, "lanlan"),
    Case("file", Kind.UNPARSED, Unparsed, WORK_MSG, "lanlan"),
    Case(
        "card_pressed",
        Kind.CARD,
        None,
        evt("lanlan", "template_card_event", "task-0190a0b0", "reply:0190a0b0"),
        "lanlan",
        key="reply:0190a0b0",
        task="task-0190a0b0",
        values={"response_code": "VQxFRc0nTl4", "card_type": "button_interaction"},
    ),
    Case(
        "card_selected",
        Kind.CARD,
        None,
        evt("lanlan", "template_card_event", "task-0190a0b1", "submit"),
        "lanlan",
        key="submit",
        task="task-0190a0b1",
        values={"response_code": "VQxFRc0nTl5", "card_type": "vote_interaction"},
    ),
    Case("click", Kind.MENU, None, evt("lanlan", "click", "menu.help"), "lanlan", key="menu.help"),
    Case(
        "view",
        Kind.UNPARSED,
        None,
        evt("lanlan", "view", "*"),
        "lanlan",
        key="https://tea.example/console",
        values={"event": "view", "EventKey": "https://tea.example/console"},
    ),
    Case("subscribe", Kind.FOLLOW, None, evt("lanlan", "subscribe", ""), "lanlan"),
    Case("unsubscribe", Kind.UNFOLLOW, None, evt("lanlan", "unsubscribe", ""), "lanlan"),
    Case(
        "enter_agent", Kind.UNPARSED, None, evt("lanlan", "enter_agent", "*"), "lanlan", values={"event": "enter_agent"}
    ),
    Case(
        "batch_job_result",
        Kind.UNPARSED,
        None,
        evt("", "batch_job_result", "*"),
        "",
        values={"event": "batch_job_result"},
    ),
    Case(
        "change_contact",
        Kind.UNPARSED,
        None,
        evt("", "change_contact", "*"),
        "",
        values={"event": "change_contact", "ChangeType": "update_user", "UserID": "lanlan"},
    ),
]


def check(case: Case, event: Inbound, account: str, raw: str) -> None:
    assert (event.account, event.kind, event.sender) == (account, case.kind, case.sender)
    assert re.sub(r":[0-9a-f]{32}$", ":*", event.dedup_key) == case.dedup
    assert event.order_key == (f"{account}:{case.sender}" if case.sender else account)
    assert event.occurred_at == SENT_AT
    assert (event.scene, event.key, event.task, event.values) == (case.scene, case.key, case.task, case.values)
    assert tuple((wanted.origin, wanted.type) for wanted in event.media) == case.media
    assert all(is_id(wanted.id) for wanted in event.media)
    match event.content:
        case Image(media):
            assert (case.content, media) == (Image, event.media[0].id)
        case Voice(media, form):
            assert (case.content, media, form) == (Voice, event.media[0].id, "amr")
        case Unparsed(kind, kept):
            assert (case.content, kind, kept) == (Unparsed, case.name, raw)
        case content:
            assert content == case.content


@pytest.mark.parametrize("case", WECHAT, ids=str)
def test_an_official_account_s_payload_means(case: Case) -> None:
    body = sample(f"wechat/{case.name}.xml")
    check(case, wechat(body), "oa", body.decode())


@pytest.mark.parametrize("case", WECOM, ids=str)
def test_a_wecom_app_s_payload_means(case: Case) -> None:
    body = sample(f"wecom/{case.name}.xml")
    check(case, wecom(body), "work", body.decode())


def test_every_sample_has_a_row() -> None:
    for folder, cases in (("wechat", WECHAT), ("wecom", WECOM)):
        assert {path.stem for path in (SAMPLES / folder).glob("*.xml")} == {case.name for case in cases}


def text(body: bytes = b"", /, **fields: str) -> bytes:
    values = {"ToUserName": "gh_0123456789ab", "FromUserName": CUSTOMER, "CreateTime": "1790000000", "MsgType": "text"}
    pairs = {**values, "Content": "hi", "MsgId": "1", **fields}
    return (
        b"<xml>"
        + "".join(f"<{n}><![CDATA[{v}]]></{n}>" for n, v in pairs.items() if v != "-").encode()
        + body
        + b"</xml>"
    )


def event(**fields: str) -> bytes:
    return text(MsgType="event", Content="-", MsgId="-", **fields)


MALFORMED = {
    "nothing": b"",
    "not XML": b"hello",
    "another root": text().replace(b"xml>", b"html>"),
    "empty root": b"<xml/>",
    "no MsgType": text(MsgType="-"),
    "empty MsgType": text(MsgType=""),
    "MsgType twice": text(b"<MsgType>text</MsgType>"),
    "MsgType nested": text(b"<MsgType><a>text</a></MsgType>", MsgType="-"),
    "an attribute": text(b'<a b="c"/>'),
    "a DTD": b"<!DOCTYPE xml>" + text(),
    "an internal entity": b'<!DOCTYPE xml [<!ENTITY a "b">]>' + text(),
    "an external entity": b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + text(),
    "billion laughs": b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + text(b"<c>&b;</c>"),
    "an unknown entity": text(b"<a>&nbsp;</a>"),
    "a processing instruction": text(b"<?php x ?>"),
    "201 elements": text(b"<a/>" * 1 + b"".join(b"<a%d/>" % n for n in range(195))),
    "deep nesting": text(b"<a>" * 20000 + b"</a>" * 20000)[:60000],
    "17 deep": text(b"<a>" * 16 + b"</a>" * 16),
    "64 KiB and one": text(Content="x" * 65536),
    "UTF-16": text().decode().encode("utf-16"),
    "GBK": "<xml><MsgType>茶</MsgType></xml>".encode("gbk"),
    "half a character": text()[:-7] + b"\xe8\x8c" + b"</xml>",
    "no sender": text(FromUserName="-"),
    "another account": text(ToUserName="gh_other"),
    **{
        f"sender {n}": text(FromUserName=s)
        for n, s in enumerate(["", "o", "o" * 65, "a/b", "a'b", "a\nb", "a%00", "a\u202eb"])
    },
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        wechat(body)
    with pytest.raises(Malformed):
        wecom(body)


@pytest.mark.parametrize("fields", [{"AgentID": "7"}, {"ToUserName": "wwOther"}, {"FromUserName": "../x"}])
def test_a_wecom_payload_for_somebody_else_is_malformed(fields: dict[str, str]) -> None:
    mine = {"ToUserName": "ww0123456789abcdef", "FromUserName": "LanLan", "AgentID": "1000002"}
    assert wecom(text(**mine)).sender == "lanlan"
    with pytest.raises(Malformed):
        wecom(text(**{**mine, **fields}))


def test_any_account_is_accepted_where_none_is_configured() -> None:
    assert wechat(text(ToUserName="gh_other"), original_id="").content == Text("hi")


@pytest.mark.parametrize("created", ["abc", "0", "-1", "253402300799", "9" * 20, "", "-", "1e9", "1790172801"])
def test_a_time_we_cannot_believe_is_replaced_by_ours_and_kept(created: str) -> None:
    found = wechat(text(CreateTime=created))
    assert found.occurred_at == NOW
    assert found.values == {"create_time": created.replace("-", "", created == "-")}
    again = wechat(event(Event="CLICK", EventKey="k", CreateTime=created))
    assert again.dedup_key.startswith("raw:") or created == "1790172801"


@pytest.mark.parametrize("identity", ["9223372036854775808", "18446744073709551616", "1e3", "abc", "007", "-5"])
def test_a_message_id_is_text(identity: str) -> None:
    assert wechat(text(MsgId=identity)).dedup_key == f"msg:{identity}"


@pytest.mark.parametrize("identity", ["", "-", "0", "000", "a b", "1" * 65])
def test_messages_without_an_id_are_told_apart_by_all_they_say(identity: str) -> None:
    first, second = wechat(text(MsgId=identity)), wechat(text(MsgId=identity, Content="other"))
    assert first.dedup_key.startswith("raw:")
    assert first.dedup_key != second.dedup_key
    assert first.dedup_key == wechat(text(MsgId=identity), now=NOW + 5000).dedup_key


def test_different_events_of_one_second_are_not_merged() -> None:
    keys = [
        wechat(body).dedup_key
        for body in (
            event(Event="subscribe"),
            event(Event="CLICK", EventKey="a"),
            event(Event="CLICK", EventKey="b"),
            event(Event="tag", TagId="1"),
            event(Event="tag", TagId="2"),
            event(Event="CLICK", EventKey="x" * 300),
            event(Event="CLICK", EventKey="y" * 300),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= 256


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("", ""),
        ("   ", "   "),
        ("a\x00b\x07c\ufffe\uffff", "abc"),
        ("line\r\nline\rline", "line\nline\nline"),
        ("\u202eRTL\u200b", "\u202eRTL\u200b"),
        ("👨‍👩‍👧‍👦e\u0301", "👨‍👩‍👧‍👦e\u0301"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("x" * 40000, "x" * 40000),
    ],
)
def test_a_text_is_kept_as_typed_without_what_cannot_be_stored(sent: str, kept: str) -> None:
    assert wechat(text(Content=sent)).content == Text(kept)


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        ("1e308", "-1e308", Location(90.0, -180.0, "")),
        ("1e400", "181", Location(90.0, 180.0, "")),
        ("-0.5", "+7", Location(-0.5, 7.0, "")),
        ("NaN", "1", None),
        ("inf", "1", None),
        ("", "1", None),
        ("1_0", "1", None),
        ("１", "1", None),
    ],
)
def test_a_place_is_clamped_or_kept_raw(x: str, y: str, place: Location | None) -> None:
    found = wechat(text(MsgType="location", Location_X=x, Location_Y=y)).content
    assert found == place if place else isinstance(found, Unparsed)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "//evil.com", "", "http://" + "a" * 10_000]
)
def test_a_link_that_is_no_web_address_is_kept_raw(url: str) -> None:
    found = wechat(text(MsgType="link", Title="t", Url=url))
    assert found.kind is Kind.UNPARSED
    assert isinstance(found.content, Unparsed)


def test_an_unsafe_picture_of_a_link_is_left_out() -> None:
    assert wechat(text(MsgType="link", Title="t", Url="https://a", PicUrl="javascript:x")).content == Link(
        "t", "https://a"
    )


@pytest.mark.parametrize("media_id", ["", "a b", "é", "x" * 513])
def test_a_picture_without_a_usable_id_is_kept_raw(media_id: str) -> None:
    found = wechat(text(MsgType="image", MediaId=media_id))
    assert isinstance(found.content, Unparsed)
    assert found.media == ()


@pytest.mark.parametrize("name", ["__class__", "../../etc", "subscribe.x", "", "é", "x" * 99])
def test_an_event_s_name_is_only_a_name(name: str) -> None:
    found = wechat(event(Event=name))
    assert (found.kind, found.content) == (Kind.UNPARSED, None)


@pytest.mark.parametrize("name", ["__class__", "../x", "TEXTS", "é"])
def test_a_message_s_kind_is_only_a_name(name: str) -> None:
    assert isinstance(wechat(text(MsgType=name)).content, Unparsed)


def test_an_empty_scene_is_no_scene_and_a_long_one_is_cut() -> None:
    assert wechat(event(Event="subscribe", EventKey="qrscene_")).scene == ""
    assert len(wechat(event(Event="subscribe", EventKey="qrscene_" + "s" * 5000)).scene) == 128
    assert wechat(event(Event="SCAN", EventKey="' OR 1=1 --🍵")).scene == "' OR 1=1 --🍵"


@given(st.binary(max_size=400))
def test_noise_is_malformed_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(Malformed):
        wechat(noise)


ALL = [path.read_bytes() for path in sorted(SAMPLES.glob("*/*.xml"))]


@given(st.data())
def test_a_damaged_payload_parses_or_is_malformed(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(ALL)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=8))
        if not body:
            break
    for parse in (wechat, wecom):
        try:
            found = parse(bytes(body))
        except Malformed:
            continue
        assert found.dedup_key
        assert found.order_key.startswith(found.account)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]{1,12}", fullmatch=True), st.text(max_size=40), max_size=12))
def test_any_fields_parse_or_are_malformed(fields: dict[str, str]) -> None:
    try:
        found = wechat(text(**{name: value.replace("]]>", "") for name, value in fields.items()}))
    except Malformed:
        return
    assert found.sender == CUSTOMER or "FromUserName" in fields
