"""How contents look on each platform: tables of content and body."""

from __future__ import annotations

from typing import Any

import pytest

from domain.calls import Outbound, Persona
from domain.ids import MediaId
from domain.messages import Button, Card, Content, Image, Link, Location, MiniProgram, Text, Unparsed, Voice
from gateway.channels.errors import Refused
from gateway.channels.wechat import render as wechat
from gateway.channels.wecom import render as wecom

PICTURE = MediaId("m1")
LAN = Persona("小兰")
LAN_ACCOUNT = Persona("小兰", "lan@linjian")
CONSENT = Card("专属顾问", "小兰想做您的专属顾问", (Button("yes", "同意"), Button("no", "暂不")), "「在吗」")
PLACE = Location(31.2304161, 121.4737, "静安店")
TEA = Link("明前新茶", "https://tea.example/1", "第一批", "https://tea.example/1.png")
PROGRAM = MiniProgram("茶单", "wxApp", "pages/list", PICTURE)


def wechat_body(content: Content, persona: Persona | None = None) -> dict[str, Any]:
    return wechat.body(Outbound("o1", content, persona), "their-id")


def text(words: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": words}}


WECHAT: list[tuple[Content, dict[str, Any]]] = [
    (Text("你好"), text("你好")),
    (Image(PICTURE), {"msgtype": "image", "image": {"media_id": "their-id"}}),
    (Voice(PICTURE, "amr"), {"msgtype": "voice", "voice": {"media_id": "their-id"}}),
    (PLACE, text("📍 静安店\n31.230416, 121.473700")),
    (Location(1.0, -2.0), text("📍 1.000000, -2.000000")),
    (
        TEA,
        {
            "msgtype": "news",
            "news": {
                "articles": [
                    {
                        "title": "明前新茶",
                        "description": "第一批",
                        "url": "https://tea.example/1",
                        "picurl": "https://tea.example/1.png",
                    }
                ]
            },
        },
    ),
    (
        PROGRAM,
        {
            "msgtype": "miniprogrampage",
            "miniprogrampage": {
                "title": "茶单",
                "appid": "wxApp",
                "pagepath": "pages/list",
                "thumb_media_id": "their-id",
            },
        },
    ),
    (
        CONSENT,
        {
            "msgtype": "msgmenu",
            "msgmenu": {
                "head_content": "「在吗」\n专属顾问\n小兰想做您的专属顾问",
                "list": [{"id": "yes", "content": "同意"}, {"id": "no", "content": "暂不"}],
                "tail_content": "",
            },
        },
    ),
    (Card("专属顾问", ""), text("专属顾问")),
]


@pytest.mark.parametrize(("content", "body"), WECHAT)
def test_an_official_account_shows(content: Content, body: dict[str, Any]) -> None:
    assert wechat_body(content) == {"touser": "o1", **body}


def test_a_persona_with_an_account_shows_by_itself() -> None:
    shown = wechat_body(Text("你好"), LAN_ACCOUNT)
    assert shown == {"touser": "o1", **text("你好"), "customservice": {"kf_account": "lan@linjian"}}


def test_a_persona_without_an_account_signs_whatever_has_words() -> None:
    assert wechat_body(Text("你好"), LAN) == {"touser": "o1", **text("【小兰】你好")}
    assert wechat_body(PLACE, LAN)["text"]["content"].startswith("【小兰】📍")
    assert wechat_body(CONSENT, LAN)["msgmenu"]["head_content"].startswith("【小兰】「在吗」")
    assert wechat_body(Card("专属顾问", ""), LAN) == {"touser": "o1", **text("【小兰】专属顾问")}
    assert "小兰" not in str(wechat_body(TEA, LAN))
    assert wechat_body(Text("你好"), Persona("")) == {"touser": "o1", **text("你好")}


def test_a_card_in_plain_text_numbers_its_options() -> None:
    shown = wechat.as_text(Outbound("o1", CONSENT, LAN), CONSENT)
    assert shown["text"]["content"] == "【小兰】「在吗」\n专属顾问\n小兰想做您的专属顾问\n1. 同意\n2. 暂不"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(Unparsed("video", "<xml/>"), "content_unsupported"), (MiniProgram("t", "a", "p"), "thumb_missing")],
)
def test_what_an_official_account_cannot_show_is_refused(content: Content, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        wechat.body(Outbound("o1", content), "")
    assert refused.value.reason == reason


def wecom_body(content: Content, task: str = "task-1") -> dict[str, Any]:
    return wecom.body(Outbound("lanlan", content, task=task), 1000002, "their-id")


WECOM: list[tuple[Content, dict[str, Any]]] = [
    (Text("你好"), text("你好")),
    (Image(PICTURE), {"msgtype": "image", "image": {"media_id": "their-id"}}),
    (Voice(PICTURE), {"msgtype": "voice", "voice": {"media_id": "their-id"}}),
    (PLACE, text("📍 静安店\n31.230416, 121.473700")),
    (
        TEA,
        {
            "msgtype": "news",
            "news": {
                "articles": [
                    {
                        "title": "明前新茶",
                        "description": "第一批",
                        "url": "https://tea.example/1",
                        "picurl": "https://tea.example/1.png",
                    }
                ]
            },
        },
    ),
    (
        PROGRAM,
        {
            "msgtype": "miniprogram_notice",
            "miniprogram_notice": {"appid": "wxApp", "page": "pages/list", "title": "茶单"},
        },
    ),
    (
        CONSENT,
        {
            "msgtype": "template_card",
            "template_card": {
                "card_type": "button_interaction",
                "main_title": {"title": "专属顾问"},
                "sub_title_text": "小兰想做您的专属顾问",
                "quote_area": {"type": 0, "quote_text": "「在吗」"},
                "task_id": "task-1",
                "button_list": [
                    {"text": "同意", "style": 1, "key": "yes"},
                    {"text": "暂不", "style": 1, "key": "no"},
                ],
            },
        },
    ),
    (Card("专属顾问", "正文"), text("专属顾问\n正文")),
]


@pytest.mark.parametrize(("content", "body"), WECOM)
def test_a_wecom_app_shows(content: Content, body: dict[str, Any]) -> None:
    assert wecom_body(content) == {"touser": "lanlan", "agentid": 1000002, "enable_duplicate_check": 0, **body}


def test_a_card_without_body_and_quote_has_no_empty_parts() -> None:
    card = wecom_body(Card("标题", "", (Button("k", "好"),)))["template_card"]
    assert set(card) == {"card_type", "main_title", "task_id", "button_list"}


@pytest.mark.parametrize(
    ("words", "shown"),
    [("十个字的按钮刚刚好啊", "十个字的按钮刚刚好啊"), ("十一个字的按钮就太长了", "十一个字的按钮就太…")],
)
def test_a_button_has_room_for_ten_characters(words: str, shown: str) -> None:
    card = wecom_body(Card("t", "", (Button("k", words),)))["template_card"]
    assert card["button_list"][0]["text"] == shown


def test_titles_of_articles_are_cut_between_characters() -> None:
    link = Link("茶" * 100, "https://a", "叶" * 500)
    [article] = wecom_body(link)["news"]["articles"]
    assert article["title"] == "茶" * 42
    assert article["description"] == "叶" * 170


SEVEN = tuple(Button(str(number), "x") for number in range(7))


@pytest.mark.parametrize(
    ("content", "task", "reason"),
    [
        (Unparsed("video", "<xml/>"), "t", "content_unsupported"),
        (Card("t", "b", SEVEN), "t", "too_many_buttons"),
        (Card("t", "b", SEVEN[:1]), "", "card_task_invalid"),
        (Card("t", "b", SEVEN[:1]), "a b", "card_task_invalid"),
        (Card("t", "b", SEVEN[:1]), "x" * 129, "card_task_invalid"),
    ],
)
def test_what_a_wecom_app_cannot_show_is_refused(content: Content, task: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        wecom_body(content, task)
    assert refused.value.reason == reason


@pytest.mark.parametrize("to", ["", "@all", "a|b", "|", "a b", "x" * 65, "é"])
def test_a_member_s_message_goes_to_nobody_else(to: str) -> None:
    with pytest.raises(Refused, match="invalid_member"):
        wecom.body(Outbound(to, Text("x")), 1000002, "")


def test_six_buttons_fit() -> None:
    assert len(wecom_body(Card("t", "b", SEVEN[:6]))["template_card"]["button_list"]) == 6
