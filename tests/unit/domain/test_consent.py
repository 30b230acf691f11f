"""Answers and refusals are understood however they are typed; a sentence that only contains the word is talk."""

import pytest

from domain.consent import Answer, is_start, is_stop, read_answer

STOPS = [
    "退订", "退 订", "退订！", "【退订】", "TD", "td", "Td", "ＴＤ", "ｔｄ", "T D", "t.d.", "T", "t", "拒收", "拒收。", "不要再发",
    "别再发了", "取消订阅", "STOP", "Stop.", "unsubscribe", "  退订  ", "退\n订", "“退订”",
]  # fmt: skip
TALK = [
    "退订单",
    "怎么退订酒店？",
    "这个TD是什么",
    "停车在哪",
    "t恤有吗",
    "我要订阅的那款",
    "stop by the shop",
    "",
    "好的谢谢",
    "1号店",
]


@pytest.mark.parametrize("text", STOPS)
def test_refusals(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", [*TALK, "不要再发了吗"])
def test_talk_is_no_refusal(text: str) -> None:
    assert not is_stop(text)
    assert not is_start(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1", Answer.YES),
        ("１", Answer.YES),
        ("同意", Answer.YES),
        ("同意！", Answer.YES),
        ("OK", Answer.YES),
        ("2", Answer.NO),
        ("不同意", Answer.NO),
        ("暂不", Answer.NO),
        ("我不同意你说的", None),
        ("12", None),
        ("", None),
        ("同意什么？", None),
    ],
)
def test_answers(text: str, answer: Answer | None) -> None:
    assert read_answer(text) is answer
