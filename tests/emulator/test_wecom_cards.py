"""Template cards: what they must hold, pressing them, changing them once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.stand import Stand, status

DAY = 86400
BUTTONS = [{"text": "回复TA", "key": "reply:1"}, {"text": "稍后", "key": "later:1", "style": 2}]


def card(**changes: Any) -> dict[str, Any]:
    """A good card of two buttons, with changes; None takes an element away."""
    whole = {
        "card_type": "button_interaction",
        "main_title": {"title": "顾客 A17"},
        "sub_title_text": "还有货吗",
        "task_id": "note-1",
        "button_list": BUTTONS,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def notice(**changes: Any) -> dict[str, Any]:
    """A good card that only tells."""
    whole = {
        "card_type": "text_notice",
        "main_title": {"title": "日报"},
        "card_action": {"type": 1, "url": "https://a"},
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def many(count: int, **item: Any) -> list[dict[str, Any]]:
    return [{"text": f"b{n}", "key": f"k{n}", "id": f"o{n}", "keyname": "k", **item} for n in range(count)]


@pytest.mark.parametrize(
    ("sent", "errcode"),
    [
        (card(), 0),
        (card(button_list=many(6)), 0),
        (card(button_list=many(7)), 40058),
        (card(button_list=[]), 40058),
        (card(button_list=None), 40058),
        (card(button_list=["回复"]), 40058),
        (card(button_list=[{"text": "回" * 11, "key": "k"}]), 40058),
        (card(button_list=[{"text": "回复", "key": "k" * 1025}]), 40058),
        (card(button_list=[{"text": "回复"}]), 40058),
        (card(button_list=[{"text": "回复", "key": "k", "style": 5}]), 40058),
        (card(button_list=[{"text": "回复", "type": 1}]), 40058),
        (card(button_list=[{"text": "回复", "type": 1, "url": "https://a"}]), 0),
        (card(button_list=[*BUTTONS, BUTTONS[0]]), 40058),
        (card(main_title=None), 40058),
        (card(main_title={"desc": "x"}), 40058),
        (card(task_id=None), 42014),
        (card(task_id="空格 "), 42014),
        (card(task_id="x" * 129), 42014),
        (card(task_id="a-b_c@D9"), 0),
        (card(horizontal_content_list=many(6)), 0),
        (card(horizontal_content_list=many(7)), 40058),
        (card(action_menu={"action_list": many(3)}), 0),
        (card(action_menu={"action_list": many(4)}), 40058),
        (card(button_selection={"question_key": "q", "option_list": many(10)}), 0),
        (card(button_selection={"question_key": "q", "option_list": many(11)}), 40058),
        (card(card_type="hologram"), 40058),
        (notice(), 0),
        (notice(card_action=None), 40058),
        (notice(main_title=None, sub_title_text="只有这一行"), 0),
        (notice(main_title=None), 40058),
        (notice(card_type="news_notice"), 0),
        (notice(action_menu={"action_list": many(1)}), 42014),
        (card(card_type="vote_interaction", checkbox={"option_list": many(20)}, submit_button=BUTTONS[0]), 0),
        (card(card_type="vote_interaction", checkbox={"option_list": many(21)}, submit_button=BUTTONS[0]), 40058),
        (card(card_type="vote_interaction", checkbox={"option_list": many(2)}), 40058),
        (card(card_type="multiple_interaction", select_list=[{"option_list": many(2)}], submit_button=BUTTONS[0]), 0),
        (card(card_type="multiple_interaction", select_list=many(4), submit_button=BUTTONS[0]), 40058),
        (card(card_type="multiple_interaction", select_list=many(2), submit_button={"text": "好"}), 40058),
    ],
)
async def test_what_a_card_must_hold(stand: Stand, sent: dict[str, Any], errcode: int) -> None:
    answer = await stand.notify("Lan", "template_card", **sent)
    assert answer["errcode"] == errcode
    interactive = sent["card_type"] in ("button_interaction", "vote_interaction", "multiple_interaction")
    assert ("response_code" in answer) == (errcode == 0 and interactive)


async def test_a_task_id_serves_one_card_of_an_app_for_ever(stand: Stand) -> None:
    assert (await stand.notify("Lan", "template_card", **card()))["errcode"] == 0
    stand.clock.seconds += 400 * DAY
    assert (await stand.notify("Lan", "template_card", **card()))["errcode"] == 42014
    assert (await stand.notify("Lan", "template_card", **card(task_id="note-2")))["errcode"] == 0


async def test_an_app_without_a_callback_address_cannot_send_buttons(stand: Stand) -> None:
    body = {"touser": "Lan", "agentid": 1000003, "msgtype": "template_card"}
    token = await stand.work_token("other-secret")
    pressed = await stand.wecom("message/send", {**body, "template_card": card()}, access_token=token)
    read = await stand.wecom("message/send", {**body, "template_card": notice()}, access_token=token)
    assert (pressed["errcode"], read["errcode"]) == (43012, 0)


async def press(stand: Stand, key: str = "reply:1", **more: Any) -> dict[str, Any]:
    """The event the app is told when Lan presses her newest card."""
    message = (await stand.member_thread())[-1]
    before = len(stand.receiver.received)
    await stand.act("members/Lan/press", {"agent_id": 1000002, "message_id": message["id"], "key": key, **more})
    agent = stand.world.agent("ww1/1000002")
    assert agent is not None
    return (await stand.receiver.until(before + 1))[-1].opened(agent.envelope)


async def change(stand: Stand, code: str, users: Any = ("Lan",), **what: Any) -> dict[str, Any]:
    """The answer to `message/update_template_card`."""
    users = list(users) if isinstance(users, tuple) else users
    body = {"userids": users, "agentid": 1000002, "response_code": code, **what}
    token = await stand.work_token()
    return await stand.wecom("message/update_template_card", body, access_token=token)


DONE = {"button": {"replace_name": "已处理"}}


async def test_pressing_tells_the_app_which_button_of_which_task(stand: Stand) -> None:
    await stand.notify("Lan", "template_card", **card())
    event = await press(stand)
    assert event.pop("ResponseCode")
    assert event == {
        "ToUserName": "ww1",
        "FromUserName": "Lan",
        "CreateTime": str(int(stand.clock.seconds)),
        "MsgType": "event",
        "Event": "template_card_event",
        "EventKey": "reply:1",
        "TaskId": "note-1",
        "CardType": "button_interaction",
        "AgentID": "1000002",
    }


async def test_a_vote_carries_what_was_chosen(stand: Stand) -> None:
    vote = card(card_type="vote_interaction", checkbox={"option_list": many(3)}, submit_button=BUTTONS[0])
    await stand.notify("Lan", "template_card", **vote)
    event = await press(stand, selected={"q1": ["o1", "o2"]})
    item = {"QuestionKey": "q1", "OptionIds": {"OptionId": ["o1", "o2"]}}
    assert event["SelectedItems"] == {"SelectedItem": item}


async def test_the_code_of_a_press_changes_the_card_once_for_that_member(stand: Stand) -> None:
    await stand.notify("Lan|hui", "template_card", **card())
    code = (await press(stand))["ResponseCode"]
    assert (await change(stand, code, ("lan", "hui"), **DONE))["errcode"] == 0
    (lan,), (hui,) = await stand.member_thread("Lan"), await stand.member_thread("hui")
    assert lan["buttons"] == [{"key": "", "text": "已处理", "done": True}]
    assert [button["done"] for button in hui["buttons"]] == [False, False]
    assert (await change(stand, code, **DONE))["errcode"] == 42022


async def test_the_code_of_the_send_changes_the_card_for_all_named(stand: Stand) -> None:
    code = (await stand.notify("Lan|hui", "template_card", **card()))["response_code"]
    answer = await change(stand, code, ("Lan", "hui", "Nobody"), **DONE)
    assert (answer["errcode"], answer["invaliduser"]) == (0, ["nobody"])
    for user_id in ("Lan", "hui"):
        assert (await stand.member_thread(user_id))[0]["buttons"][0]["done"]


async def test_a_changed_button_cannot_be_pressed(stand: Stand) -> None:
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    await change(stand, code, **DONE)
    message = (await stand.member_thread())[0]
    body = {"agent_id": 1000002, "message_id": message["id"], "key": ""}
    done = await stand.play("members/Lan/press", body, expect=409)
    gone = await stand.play("members/Lan/press", {**body, "key": "reply:1"}, expect=404)
    assert (done["error"]["code"], gone["error"]["code"]) == ("button_done", "unknown_button")


async def test_a_card_can_be_replaced_whole_and_keeps_its_task(stand: Stand) -> None:
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    fresh = card(task_id=None, main_title={"title": "已转给小梅"}, button_list=many(1))
    assert (await change(stand, code, template_card=fresh))["errcode"] == 0
    (message,) = await stand.member_thread()
    assert (message["text"], message["content"]["task_id"]) == ("已转给小梅", "note-1")
    assert (await press(stand, "k0"))["TaskId"] == "note-1"


@pytest.mark.parametrize(
    ("users", "what", "errcode"),
    [
        ("Lan", DONE, 40035),
        (("hui",), DONE, 81013),
        (("Lan",), {}, 40058),
        (("Lan",), {"template_card": {"card_type": "button_interaction"}}, 40058),
        (("Lan",), {**DONE, "response_code": "x"}, 40058),
        (("Lan",), {**DONE, "agentid": 1000003}, 301002),
        ((), {**DONE, "atall": 1}, 0),
    ],
)
async def test_a_wrong_change_is_refused_and_leaves_the_code_good(
    stand: Stand, users: Any, what: dict[str, Any], errcode: int
) -> None:
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    assert (await change(stand, code, users, **what))["errcode"] == errcode
    assert (await change(stand, code, **DONE))["errcode"] == (0 if errcode else 42022)


async def test_a_code_serves_its_own_app_alone(stand: Stand) -> None:
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    body = {"userids": ["Lan"], "agentid": 1000003, "response_code": code, **DONE}
    token = await stand.work_token("other-secret")
    assert (await stand.wecom("message/update_template_card", body, access_token=token))["errcode"] == 40058


async def test_a_press_nobody_takes_leaves_the_card_as_it_was(stand: Stand) -> None:
    await stand.notify("Lan", "template_card", **card())
    before = await stand.member_thread()
    stand.receiver.otherwise = status(500)
    body = {"agent_id": 1000002, "message_id": before[0]["id"], "key": "reply:1"}
    assert not (await stand.act("members/Lan/press", body))["delivered"]
    assert await stand.member_thread() == before


async def test_a_code_lives_a_day(stand: Stand) -> None:
    code = (await stand.notify("Lan", "template_card", **card()))["response_code"]
    stand.clock.seconds += DAY
    assert (await change(stand, code, **DONE))["errcode"] == 42022
