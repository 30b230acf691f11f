"""What is sent again says that it may be a repeat, whatever its length and form."""

from __future__ import annotations

import pytest

from domain.calls import Call, Command, CommandName, Outbound, Persona
from domain.ids import MediaId
from domain.messages import Button, Card, Content, Image, Text
from services.decisions import MAYBE_TWICE, marked

LIMIT = 2000


def to(content: Content, persona: str = "小兰") -> Outbound:
    return Outbound("o1", content, Persona(persona, "lan@tea"))


def test_a_text_begins_with_the_mark() -> None:
    assert marked(to(Text("在的")), LIMIT) == [to(Text(MAYBE_TWICE + "在的"))]


def test_a_card_begins_with_the_mark_and_keeps_its_buttons() -> None:
    card = Card("问", "要吗", (Button("yes", "要"),))
    assert marked(to(card), LIMIT) == [to(Card("问", MAYBE_TWICE + "要吗", (Button("yes", "要"),)))]


@pytest.mark.parametrize(
    "call", [to(Image(MediaId("m1"))), Command(CommandName.MAKE_CODE, {"scene": "s1"}), to(Text(MAYBE_TWICE + "在的"))]
)
def test_what_can_carry_no_mark_or_has_it_goes_as_it_was(call: Call) -> None:
    assert marked(call, LIMIT) == [call]


def test_a_text_that_the_mark_makes_too_long_becomes_two() -> None:
    long = "茶" * (LIMIT // 3)
    parts = [call.content for call in marked(to(Text(long)), LIMIT) if isinstance(call, Outbound)]
    texts = [part.text for part in parts if isinstance(part, Text)]
    assert "".join(texts) == MAYBE_TWICE + long
    assert len(texts) == 2
    signature = len("【小兰】\n".encode())
    assert all(len(text.encode()) + signature <= LIMIT for text in texts)
