"""Who gets a customer's message, and whom an advisor's answer is for. A reply to the wrong customer is the worst bug there can be."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.binding import Binding, BindingState
from domain.conversation import (
    Addressed,
    Answering,
    Conversation,
    Focus,
    Held,
    HeldBecause,
    Reachable,
    RecipientKind,
    Taken,
    address,
    choose_recipient,
)
from domain.ids import AccountId, AdvisorId, BindingId, ConversationId, CustomerId, ShopId
from domain.people import Advisor, Shop

NOW = 1_000_000
SHOP = Shop(ShopId("s1"), "jingan", "静安店")
LAN = Advisor(AdvisorId("a1"), "lan", "小兰", SHOP, True, AccountId("work"), "lan")
MEI = Advisor(AdvisorId("a2"), "mei", "小梅", SHOP, True, AccountId("work"), "mei")
TALK = Conversation(ConversationId("c1"), CustomerId("u1"))


def bound_to(advisor: Advisor) -> Binding:
    return Binding(BindingId("b1"), advisor, BindingState.BOUND)


@pytest.mark.parametrize(
    ("binding", "conversation", "expected"),
    [
        (bound_to(LAN), TALK, LAN),
        (None, TALK, None),
        (bound_to(replace(LAN, active=False)), TALK, None),
        (bound_to(replace(LAN, work_account=None)), TALK, None),
        (None, replace(TALK, claimed_by=MEI, claim_until=NOW + 1), MEI),
        (None, replace(TALK, claimed_by=MEI, claim_until=NOW), None),
        (None, replace(TALK, claimed_by=replace(MEI, active=False), claim_until=NOW + 1), None),
        (None, replace(TALK, claimed_by=replace(MEI, work_account=None), claim_until=NOW + 1), None),
        (bound_to(LAN), replace(TALK, claimed_by=MEI, claim_until=NOW + 1), LAN),
    ],
    ids=[
        "bound",
        "nobody",
        "left",
        "no work app",
        "claimed",
        "claim over",
        "claimer left",
        "claimer unreachable",
        "bound before claimed",
    ],
)
def test_recipient(binding: Binding | None, conversation: Conversation, expected: Advisor | None) -> None:
    decision = choose_recipient(binding, conversation, NOW)
    assert decision.advisor == expected
    assert decision.kind is (RecipientKind.ADVISOR if expected else RecipientKind.QUEUE)
    assert decision.steps, "every decision can be explained"


def talk(number: int, *, owned: bool = True, is_open: bool = True, taken_by: str = "") -> Reachable:
    return Reachable(
        ConversationId(f"c{number}"), CustomerId(f"u{number}"), f"A{10 + number}", owned, is_open, taken_by
    )


ONE, TWO = talk(1), talk(2)
FOCUS_TWO = Focus(ConversationId("c2"), NOW + 1)


@pytest.mark.parametrize(
    ("answering", "goes_to"),
    [
        (Answering("A11", "x", [ONE, TWO]), ONE),
        (Answering("A11", "x", [ONE, TWO], FOCUS_TWO), ONE),
        (Answering("A11", "x", [talk(1, is_open=False), TWO]), talk(1, is_open=False)),
        (Answering("", "x", [ONE, TWO], FOCUS_TWO), TWO),
        (Answering("", "x", [ONE, TWO], None, ConversationId("c1")), ONE),
        (Answering("", "x", [ONE, TWO], FOCUS_TWO, ConversationId("c1")), TWO),
        (Answering("", "x", [ONE]), ONE),
        (Answering("", "x", [ONE, talk(2, is_open=False)]), ONE),
        (Answering("A12", "x", [talk(2, owned=False)]), talk(2, owned=False)),
    ],
    ids=[
        "code", "code before focus", "code of a closed one", "focus", "quote", "focus before quote",
        "only one", "only one open", "code from the queue",
    ],
)  # fmt: skip
def test_certain_answers_are_sent(answering: Answering, goes_to: Reachable) -> None:
    result = address(answering, NOW)
    assert isinstance(result, Addressed)
    assert result.conversation == goes_to


@pytest.mark.parametrize(
    ("answering", "because"),
    [
        (Answering("", "x", [ONE, TWO]), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", [ONE, TWO], Focus(ConversationId("c2"), NOW)), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", [ONE, TWO], Focus(ConversationId("c9"), NOW + 1)), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", []), HeldBecause.NONE_OPEN),
        (Answering("", "x", [talk(1, is_open=False)]), HeldBecause.NONE_OPEN),
        (Answering("", "x", [talk(1, owned=False)]), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", [ONE, talk(2, owned=False)]), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", [ONE, talk(2, taken_by="小梅")]), HeldBecause.SEVERAL_OPEN),
        (Answering("", "x", [talk(2, owned=False, taken_by="小梅")]), HeldBecause.NONE_OPEN),
        (Answering("B99", "x", [ONE]), HeldBecause.UNKNOWN_CODE),
        (Answering("", "#B1", [ONE], unclear=True), HeldBecause.UNCLEAR_CODE),
        (Answering("", "#B1", [ONE, TWO], FOCUS_TWO, unclear=True), HeldBecause.UNCLEAR_CODE),
    ],
    ids=[
        "two open",
        "focus over",
        "focus of a stranger",
        "none",
        "all closed",
        "only the queue",
        "queue too",
        "one was lost",
        "only one, lost",
        "code",
        "no code",
        "no code but a focus",
    ],
)
def test_uncertain_answers_are_held(answering: Answering, because: HeldBecause) -> None:
    result = address(answering, NOW)
    assert isinstance(result, Held)
    assert result.because is because


@pytest.mark.parametrize(
    "answering",
    [
        Answering("A12", "x", [ONE, talk(2, taken_by="小梅")]),
        Answering("", "x", [ONE, talk(2, taken_by="小梅")], FOCUS_TWO),
    ],
    ids=["code", "focus"],
)
def test_what_a_colleague_took_is_not_answered(answering: Answering) -> None:
    result = address(answering, NOW)
    assert isinstance(result, Taken)
    assert result.conversation.taken_by == "小梅"


_reachables = st.lists(
    st.builds(
        talk, st.integers(0, 8), owned=st.booleans(), is_open=st.booleans(), taken_by=st.sampled_from(["", "小梅"])
    ),
    unique_by=lambda item: item.id,
    max_size=8,
)


@given(
    _reachables,
    st.sampled_from(["", "A10", "A13", "B77"]),
    st.none()
    | st.builds(Focus, st.builds(lambda n: ConversationId(f"c{n}"), st.integers(0, 9)), st.integers(NOW - 2, NOW + 2)),
)
def test_an_answer_without_a_sign_goes_out_only_when_one_talk_is_open(
    reachable: list[Reachable], code: str, focus: Focus | None
) -> None:
    result = address(Answering(code, "x", reachable, focus), NOW)
    if not isinstance(result, Addressed):
        return
    target = result.conversation
    named = code == target.code
    pressed = not code and focus is not None and focus.until > NOW and focus.conversation_id == target.id
    open_now = [item for item in reachable if item.open]
    assert target in reachable
    assert not target.taken_by
    assert named or pressed or (not code and open_now == [target] and target.owned)
