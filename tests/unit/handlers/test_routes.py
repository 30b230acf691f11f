"""The whole routing as a table: an event and what is known around it -> what is asked for. No I/O, no mock."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.actions import (
    Action,
    Consent,
    DecideWaiting,
    Followed,
    Hold,
    OpenPending,
    OptOut,
    Phrase,
    RaiseAlarm,
    Receive,
    SaveCode,
    Say,
    Send,
    SendHeld,
    SetFocus,
    Tell,
    TellSender,
    Unfollowed,
)
from domain.binding import Binding, BindingState, PendingBinding
from domain.calls import Lane, OutboxState
from domain.consent import Answer
from domain.context import Context, DoneCall, Facts
from domain.conversation import Conversation, Focus, HeldBecause, Reachable, RecipientKind
from domain.ids import AccountId, AdvisorId, BindingId, BrandId, ConversationId, CustomerId, HeldId, MediaId, ShopId
from domain.messages import Content, Image, Inbound, Kind, Text, Unparsed
from domain.people import Account, Advisor, Brand, Customer, Shop, Side
from domain.scene import Scene, SceneKind
from handlers import ROUTES, match

NOW = 1_000_000
NOTHING = Facts()
BRAND = Brand(BrandId("tea"), "林间茶", "Asia/Shanghai")
OA = Account(AccountId("oa"), BRAND.id, "wechat", Side.CUSTOMER)
WORK = Account(AccountId("work"), BRAND.id, "wecom", Side.ADVISOR)
SHOP = Shop(ShopId("s1"), "jingan", "静安店")
LAN = Advisor(AdvisorId("a1"), "lan", "小兰", SHOP, True, WORK.id, "lan")
MEI = Advisor(AdvisorId("a2"), "mei", "小梅", SHOP, True, WORK.id, "mei")
ANNA = Customer(CustomerId("u1"), 3)
TALK = Conversation(ConversationId("c1"), ANNA.id)
BOUND = Binding(BindingId("b1"), LAN, BindingState.BOUND)
GONE = replace(BOUND, advisor=replace(LAN, active=False))
B9, C1, H1 = "b" * 32, "c" * 32, "e" * 32
PENDING = PendingBinding(BindingId(B9), MEI.id, "s-mei", "2026-11", NOW + 1)
SCENE = Scene("s-mei", SceneKind.ADVISOR, "小梅的码", MEI, SHOP)
ONE = Reachable(ConversationId("c1"), ANNA.id, "A10", True, True)
TWO = Reachable(ConversationId("c2"), CustomerId("u2"), "B10", True, True)


def inbound(account: Account, kind: Kind, content: Content | None = None, **more: object) -> Inbound:
    event = Inbound(account.id, kind, "person", "d", "k", NOW, content)
    return replace(event, **more)  # type: ignore[arg-type]


def customer(
    kind: Kind,
    content: Content | None = None,
    *,
    binding: Binding | None = None,
    facts: Facts = NOTHING,
    **more: object,
) -> Context:
    return Context(NOW, BRAND, OA, inbound(OA, kind, content, **more), ANNA, None, binding, TALK, facts)


def advisor(
    kind: Kind, content: Content | None = None, *, facts: Facts = NOTHING, who: Advisor | None = LAN, **more: object
) -> Context:
    return Context(NOW, BRAND, WORK, inbound(WORK, kind, content, **more), advisor=who, facts=facts)


def done(state: OutboxState, **more: object) -> Context:
    call = DoneCall(state, "why", False, "", True, ANNA.id, LAN.id, "到货了")
    facts = Facts(call=replace(call, **more))  # type: ignore[arg-type]
    return Context(
        NOW, BRAND, OA, inbound(OA, Kind.CALL_DONE, values={"ticket": "T", "url": "U", "outbox_id": "o1"}), facts=facts
    )


def run(context: Context) -> Sequence[Action]:
    return match(context).run(context)


HELP = Say(Phrase("help.customer"))
SCANNED = Facts(scene=SCENE)
WAITS = Facts(pending=(PENDING,))
JUST_ASKED = replace(WAITS, asked=PENDING.id)

EXACT = [
    ("scan", customer(Kind.SCAN, scene="s-mei", facts=SCANNED), [OpenPending(MEI.id, "s-mei")]),
    ("scan of the same advisor", customer(Kind.SCAN, scene="s-mei", facts=SCANNED, binding=replace(BOUND, advisor=MEI)),
     [Say(Phrase("already_bound.customer"), Lane.WELCOME, MEI.id)]),
    ("scan of another advisor", customer(Kind.SCAN, scene="s-mei", facts=SCANNED, binding=BOUND),
     [Say(Phrase("already_bound.customer"), Lane.WELCOME, LAN.id),
      Tell(MEI.id, Phrase("already_bound.advisor", {"advisor": "小兰"}), ANNA.id),
      Tell(LAN.id, Phrase("already_bound.owner"), ANNA.id)]),
    ("scan of nothing we made", customer(Kind.SCAN, scene="x"),
     [RaiseAlarm("unknown_scene", "x", "a scanned code carries a scene that this brand never made"), HELP]),
    ("scan of a leaver", customer(Kind.SCAN, scene="s-mei", facts=Facts(scene=replace(SCENE, advisor=replace(MEI, active=False)))),
     [RaiseAlarm("scene_of_leaver", "s-mei", "the code of 小梅 (静安店) was scanned, but the advisor is no longer active"), HELP]),
    ("scan by a leaver's customer", customer(Kind.SCAN, scene="s-mei", facts=SCANNED, binding=GONE), [OpenPending(MEI.id, "s-mei")]),
    ("menu, her advisor left", customer(Kind.MENU, key="any", binding=GONE), [HELP]),
    ("taps an old card, her advisor left", customer(Kind.MESSAGE, Text("同意"), key=f"consent:{B9}:yes", binding=GONE), [HELP]),
    ("scan of one's own code", customer(Kind.SCAN, scene="s-mei", facts=Facts(scene=replace(SCENE, advisor=replace(MEI, own_id="person")))),
     [RaiseAlarm("own_code_scanned", "s-mei", "小梅 (静安店) scanned his own code: refused, nobody is his own customer"), HELP]),
    ("follow by code", customer(Kind.FOLLOW, scene="s-mei", facts=SCANNED), [Followed(), OpenPending(MEI.id, "s-mei")]),
    ("follow without code", customer(Kind.FOLLOW), [Followed(), HELP]),
    ("unfollow", customer(Kind.UNFOLLOW), [Unfollowed()]),
    ("unfollow of a stranger", replace(customer(Kind.UNFOLLOW), customer=replace(ANNA, is_new=True)), []),
    ("agrees by tap", customer(Kind.MESSAGE, Text("同意"), key=f"consent:{B9}:yes", facts=WAITS), [Consent(PENDING.id, Answer.YES)]),
    ("declines by tap", customer(Kind.MESSAGE, Text("暂不"), key=f"consent:{B9}:no", facts=WAITS), [Consent(PENDING.id, Answer.NO)]),
    ("agrees by number", customer(Kind.MESSAGE, Text("1"), facts=JUST_ASKED), [Consent(PENDING.id, Answer.YES)]),
    ("declines by word", customer(Kind.MESSAGE, Text("不要"), facts=JUST_ASKED), [Consent(PENDING.id, Answer.NO)]),
    ("agrees later by a plain word", customer(Kind.MESSAGE, Text("同意！"), facts=WAITS), [Consent(PENDING.id, Answer.YES)]),
    ("declines later by a plain word", customer(Kind.MESSAGE, Text("不同意"), facts=WAITS), [Consent(PENDING.id, Answer.NO)]),
    ("taps a card that is over", customer(Kind.MESSAGE, Text("同意"), key=f"consent:{B9}:yes"), [HELP]),
    ("taps an old card when bound", customer(Kind.MESSAGE, Text("同意"), key=f"consent:{B9}:yes", binding=BOUND),
     [Say(Phrase("already_bound.customer"), Lane.WELCOME, LAN.id)]),
    ("refuses pushes", customer(Kind.MESSAGE, Text("ＴＤ"), binding=BOUND), [OptOut(refuse=True)]),
    ("wants pushes", customer(Kind.MESSAGE, Text("恢复订阅")), [OptOut(refuse=False)]),
    ("menu", customer(Kind.MENU, key="any", binding=BOUND), [Say(Phrase("already_bound.customer"), Lane.WELCOME, LAN.id)]),
    ("menu, nobody bound", customer(Kind.MENU, key="any"), [HELP]),
    ("unreadable event", customer(Kind.UNPARSED), []),
    ("stranger at work", advisor(Kind.MESSAGE, Text("hi"), who=None), [TellSender(Phrase("stranger.at_work"))]),
    ("leaver at work", advisor(Kind.MESSAGE, Text("hi"), who=replace(LAN, active=False)), [TellSender(Phrase("stranger.at_work"))]),
    ("stranger opens the app", advisor(Kind.UNPARSED, who=None), []),
    ("advisor asks help", advisor(Kind.MESSAGE, Text("帮助")), [TellSender(Phrase("help.advisor"))]),
    ("advisor sends what we cannot read", advisor(Kind.UNPARSED, Unparsed("video", "<xml/>")), [TellSender(Phrase("unsupported.advisor"))]),
    ("presses reply", advisor(Kind.CARD, key=f"reply:{C1}"), [SetFocus(LAN.id, ConversationId(C1))]),
    ("picks", advisor(Kind.CARD, key=f"pick:{H1}:{C1}"), [SendHeld(LAN.id, HeldId(H1), ConversationId(C1))]),
    ("sends what waited", advisor(Kind.CARD, key=f"window:{C1}:send"), [DecideWaiting(LAN.id, ConversationId(C1), send=True)]),
    ("discards what waited", advisor(Kind.CARD, key=f"window:{C1}:discard"), [DecideWaiting(LAN.id, ConversationId(C1), send=False)]),
    ("presses a forged key", advisor(Kind.CARD, key="reply:../etc"), []),
    ("code alone", advisor(Kind.MESSAGE, Text("#A10"), facts=Facts(reachable=(ONE, TWO))), [SetFocus(LAN.id, ONE.id)]),
    ("what a colleague took", advisor(Kind.MESSAGE, Text("#A10 hi"), facts=Facts(reachable=(replace(ONE, taken_by="小梅"),))),
     [Tell(LAN.id, Phrase("claimed.other", {"advisor": "小梅"}), ANNA.id)]),
    ("unknown outcome", done(OutboxState.UNKNOWN),
     [Tell(LAN.id, Phrase("send.unknown", {"text": "到货了", "reason": "why"}), ANNA.id)]),
    ("refused", done(OutboxState.REFUSED), [Tell(LAN.id, Phrase("send.refused", {"text": "到货了", "reason": "why"}), ANNA.id)]),
    ("window closed", done(OutboxState.WAITING_WINDOW),
     [Tell(LAN.id, Phrase("send.window_closed", {"text": "到货了", "reason": "why"}), ANNA.id)]),
    ("accepted", done(OutboxState.ACCEPTED), []),
    ("failed towards the advisor himself", done(OutboxState.REFUSED, to_customer=False),
     [RaiseAlarm("advisor_not_reached", LAN.id, "a message did not reach this advisor at work (refused: why): see what it was with "
                 "`advisor-gateway why o1`, and check his WeCom id and the app's members")]),
    ("failed towards somebody unknown at work", done(OutboxState.REFUSED, to_customer=False, advisor_id=None), []),
    ("card not marked", done(OutboxState.REFUSED, to_customer=False, is_command=True, command="mark_pressed"), []),
    ("code made", done(OutboxState.ACCEPTED, is_command=True, command="make_code", params={"scene": "s1"}), [SaveCode("s1", "T", "U")]),
    ("code not made", done(OutboxState.REFUSED, is_command=True, command="make_code", params={"scene": "s1"}),
     [RaiseAlarm("code_not_made", "s1", "the platform made no code for this scene: why")]),
]  # fmt: skip


@pytest.mark.parametrize(("context", "expected"), [pytest.param(c, e, id=name) for name, c, e in EXACT])
def test_an_event_asks_for(context: Context, expected: list[Action]) -> None:
    assert list(run(context)) == expected


@pytest.mark.parametrize(
    ("binding", "kind"), [(BOUND, RecipientKind.ADVISOR), (None, RecipientKind.QUEUE)], ids=["bound", "unbound"]
)
@pytest.mark.parametrize("content", [Text("有货吗"), Image(MediaId("m")), Unparsed("video", "<xml/>")])
def test_whatever_a_customer_writes_is_received(content: Content, binding: Binding | None, kind: RecipientKind) -> None:
    event = Kind.UNPARSED if isinstance(content, Unparsed) else Kind.MESSAGE
    (action,) = run(customer(event, content, binding=binding))
    assert isinstance(action, Receive)
    assert action.content == content
    assert action.decision.kind is kind


@pytest.mark.parametrize("pending", [(), (PENDING, replace(PENDING, id=BindingId("x")))], ids=["no card", "two cards"])
def test_a_typed_yes_is_talk_unless_exactly_one_card_is_open(pending: tuple[PendingBinding, ...]) -> None:
    (action,) = run(customer(Kind.MESSAGE, Text("好的"), facts=Facts(pending=pending, asked=PENDING.id)))
    assert isinstance(action, Receive)


@pytest.mark.parametrize("text", ["好的", "1", "2", "可以", "不要", "OK"])
def test_a_word_that_may_answer_the_advisor_is_talk_once_something_else_was_said(text: str) -> None:
    (action,) = run(customer(Kind.MESSAGE, Text(text), facts=WAITS))
    assert isinstance(action, Receive)


@pytest.mark.parametrize(
    ("text", "facts", "target", "sent"),
    [
        ("#b10 到货了", Facts(reachable=(ONE, TWO)), TWO, "到货了"),
        ("到货了", Facts(reachable=(ONE,)), ONE, "到货了"),
        ("到货了", Facts(reachable=(ONE, TWO), focus=Focus(TWO.id, NOW + 1)), TWO, "到货了"),
    ],
    ids=["code", "only one", "focus"],
)
def test_an_answer_goes_to_one_customer(text: str, facts: Facts, target: Reachable, sent: str) -> None:
    (action,) = run(advisor(Kind.MESSAGE, Text(text), facts=facts))
    assert isinstance(action, Send)
    assert action.addressed.conversation == target
    assert action.content == Text(sent)


@pytest.mark.parametrize(
    ("content", "reachable", "because"),
    [
        (Text("到货了"), (ONE, TWO), HeldBecause.SEVERAL_OPEN),
        (Image(MediaId("m")), (ONE, TWO), HeldBecause.SEVERAL_OPEN),
        (Text("到货了"), (), HeldBecause.NONE_OPEN),
        (Text("#Z99 到货了"), (ONE,), HeldBecause.UNKNOWN_CODE),
        (Text("#B10ok"), (ONE,), HeldBecause.UNCLEAR_CODE),
        (Text("#17 到货了"), (), HeldBecause.UNCLEAR_CODE),
    ],
)
def test_an_uncertain_answer_is_held(content: Content, reachable: tuple[Reachable, ...], because: HeldBecause) -> None:
    (action,) = run(advisor(Kind.MESSAGE, content, facts=Facts(reachable=reachable)))
    assert isinstance(action, Hold)
    assert action.held.because is because


def test_the_last_route_takes_whatever_is_left() -> None:
    assert ROUTES[-1].matches(customer(Kind.CARD))
    assert len({route.name for route in ROUTES}) == len(ROUTES)
