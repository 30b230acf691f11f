"""At most one advisor has a customer, and never nobody: leavers, races of two nodes, and long random lives against a plain model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, StaticPool, create_engine, event, func, select, update

from domain.binding import PENDING_EXPIRES_MS
from domain.calls import HOUR
from domain.conversation import CLAIM_SILENT_MS
from domain.ids import BindingId, ConversationId, CustomerId, InboxId, new_id
from domain.messages import Card, Inbound, Kind, Text
from handlers import match
from services.apply import apply
from services.receive import load, load_facts
from storage import bindings as ledger
from storage import conversations as talks
from storage.engine import Database
from storage.errors import Conflict
from storage.relations import relation
from storage.tables.base import metadata
from storage.tables.people import advisors, bindings, consents, relations
from storage.tables.talk import conversations, messages
from storage.translate import translate
from tests.clock import START, FakeClock
from tests.racing import two_transactions
from tests.stage import BRAND, GUIDES, OA, WORK, WORLD, Stage


@pytest.fixture
async def stage(db: Database, clock: FakeClock) -> Stage:
    return await Stage(db, clock).set_up()


async def owners(stage: Stage) -> list[str]:
    active = select(bindings.c.advisor_id).where(bindings.c.state.in_(("bound", "transfer_pending")))
    return list(await stage.db.read(lambda tx: tx.execute(active).scalars().all()))


async def test_a_leavers_customer_is_taken_by_a_colleague_and_may_bind_to_him(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.leaves(0)
    await stage.writes("anna", "在吗")
    await stage.answers(1, "#A10 我在")
    answer, offer = (await stage.sent("anna"))[-2:]
    assert (answer.text, answer.persona) == ("我在", "小梅")
    await stage.writes("anna", "还在吗")
    assert "还在吗" in (await stage.last("guide1")).text
    await stage.writes("anna", "同意", key=offer.content.buttons[0].key)  # type: ignore[union-attr]
    assert await owners(stage) == [stage.advisor(1)]
    released = select(bindings.c.reason).where(bindings.c.state == "released")
    assert await stage.db.read(lambda tx: tx.execute(released).scalar_one()) == "advisor_left"


async def test_a_leavers_customer_may_scan_another_advisor(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.leaves(0)
    await stage.bind("anna", 1)
    assert await owners(stage) == [stage.advisor(1)]


async def test_nobody_is_bound_to_an_advisor_who_left_before_she_agreed(stage: Stage) -> None:
    await stage.customer("anna", Kind.FOLLOW, scene="scene0")
    await stage.leaves(0)
    await stage.writes("anna", "同意")
    assert await owners(stage) == []
    assert "想问什么" in (await stage.last("anna")).text
    assert not any("新顾客" in item.text for item in await stage.sent("guide0"))


async def test_a_leaver_keeps_no_claim(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 我在")
    await stage.leaves(0)
    await stage.writes("anna", "人呢")
    await stage.answers(1, "#A10 我来")
    assert (await stage.sent("anna"))[-1].text == "我来"


async def test_a_leaver_is_told_nothing_more(stage: Stage) -> None:
    await stage.bind("anna", 0)
    await stage.leaves(0)
    before = len(await stage.sent("guide0"))
    await stage.writes("anna", "退订")
    await stage.customer("anna", Kind.UNFOLLOW)
    assert len(await stage.sent("guide0")) == before


async def test_a_decision_about_waiting_answers_without_the_claim_is_refused_and_said(stage: Stage) -> None:
    await stage.writes("anna", "有人吗")
    await stage.answers(0, "#A10 我在")
    stage.clock.advance(hours=25)
    await stage.presses(0, f"window:{await stage.conversation('anna')}:send")
    assert "没有发出" in (await stage.last("guide0")).text


async def meet(stage: Stage) -> tuple[CustomerId, ConversationId]:
    """A customer who waits."""
    await stage.writes("anna", "有人吗")
    statement = select(conversations.c.customer_id, conversations.c.id)
    row = await stage.db.read(lambda tx: tx.execute(statement).one())
    return CustomerId(row.customer_id), ConversationId(row.id)


@pytest.fixture
async def shared(postgres_url: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Stage]:
    async with await Database.open(postgres_url, data_dir=tmp_path, clock=clock, min_free_mb=1) as db:
        yield await Stage(db, clock).set_up()


@pytest.mark.postgres
async def test_of_two_who_claim_at_once_one_wins(shared: Stage, postgres_url: str) -> None:
    _, talk = await meet(shared)
    async with two_transactions(postgres_url) as (first, second):
        assert await first.run(lambda tx: talks.claim(tx, BRAND.id, talk, shared.advisor(0), START))
        waiting = await second.starts_to_wait(lambda tx: talks.claim(tx, BRAND.id, talk, shared.advisor(1), START))
        await first.commit()
        assert not await waiting


async def pending(stage: Stage, customer: CustomerId, guide: int) -> BindingId:
    """A binding that waits for her consent."""
    by = stage.advisor(guide)
    return await stage.db.write(lambda tx: ledger.open_pending(tx, BRAND.id, customer, by, "", "v", START))


@pytest.mark.postgres
async def test_of_two_bindings_agreed_to_at_once_one_becomes_active(shared: Stage, postgres_url: str) -> None:
    anna, _ = await meet(shared)
    ids = [await pending(shared, anna, guide) for guide in (0, 1)]
    async with two_transactions(postgres_url) as (first, second):
        await first.run(lambda tx: ledger.bind(tx, BRAND.id, ids[0], "customer", "consent", START))
        waiting = await second.starts_to_wait(
            lambda tx: ledger.bind(tx, BRAND.id, ids[1], "customer", "consent", START)
        )
        await first.commit()
        with pytest.raises(Exception, match="uq_bindings_active") as refused:
            await waiting
        assert isinstance(translate(refused.value), Conflict)
    assert await owners(shared) == [shared.advisor(0)]


@pytest.mark.postgres
async def test_of_two_codes_made_at_once_each_is_another(shared: Stage, postgres_url: str) -> None:
    await meet(shared)
    strangers = [CustomerId(new_id(START)) for _ in range(2)]
    async with two_transactions(postgres_url) as (first, second):
        one = await first.run(lambda tx: relation(tx, BRAND.id, shared.advisor(0), strangers[0]))
        waiting = await second.starts_to_wait(lambda tx: relation(tx, BRAND.id, shared.advisor(0), strangers[1]))
        await first.commit()
        other = await waiting
        await second.commit()
    assert (one.code, other.code) == ("B10", "C10")


@pytest.mark.postgres
async def test_messages_kept_at_once_get_different_numbers_in_the_order_of_their_commits(
    shared: Stage, postgres_url: str
) -> None:
    _, talk = await meet(shared)
    new = talks.NewMessage(talk, "customer", Text("x"), START)
    async with two_transactions(postgres_url) as (first, second):
        one = await first.run(lambda tx: talks.keep_message(tx, BRAND.id, new, START))
        waiting = await second.starts_to_wait(lambda tx: talks.keep_message(tx, BRAND.id, new, START))
        await first.commit()
        other = await waiting
        await second.commit()
    assert other.seq == one.seq + 1


@pytest.mark.postgres
async def test_an_answer_waits_for_the_consent_that_is_being_given_and_then_is_not_sent(
    shared: Stage, postgres_url: str
) -> None:
    await shared.writes("anna", "有人吗")
    await shared.answers(0, "#A10 我在")
    await shared.customer("anna", Kind.SCAN, scene="scene1")
    card = (await shared.last("anna")).content
    assert isinstance(card, Card)
    said = Inbound(OA.id, Kind.MESSAGE, "anna", "x", "oa:anna", START, Text("同意"), key=card.buttons[0].key)
    agrees = await shared.decide(said)
    answers = await shared.decide(shared.written_at_work(0, Text("#A10 二")))
    async with two_transactions(postgres_url) as (first, second):
        await first.run(lambda tx: apply(tx, WORLD, agrees.context, agrees.actions, InboxId("i1")))
        waiting = await second.starts_to_wait(
            lambda tx: apply(tx, WORLD, answers.context, answers.actions, InboxId("i2"))
        )
        await first.commit()
        with pytest.raises(Conflict):
            await waiting
    assert not any(item.text == "二" for item in await shared.sent("anna"))


@pytest.mark.postgres
async def test_a_message_decided_before_a_claim_waits_for_it_and_is_decided_again(
    shared: Stage, postgres_url: str
) -> None:
    await meet(shared)
    message = await shared.decide(Inbound(OA.id, Kind.MESSAGE, "anna", "y", "oa:anna", START, Text("绿茶")))
    claims = await shared.decide(shared.written_at_work(1, Text("#A10 我在")))
    async with two_transactions(postgres_url) as (first, second):
        await first.run(lambda tx: apply(tx, WORLD, claims.context, claims.actions, InboxId("i1")))
        waiting = await second.starts_to_wait(
            lambda tx: apply(tx, WORLD, message.context, message.actions, InboxId("i2"))
        )
        await first.commit()
        with pytest.raises(Conflict):
            await waiting


@pytest.mark.postgres
async def test_consent_to_a_binding_that_ended_meanwhile_is_decided_again(shared: Stage, postgres_url: str) -> None:
    await shared.customer("anna", Kind.FOLLOW, scene="scene0")
    agrees = await shared.decide(Inbound(OA.id, Kind.MESSAGE, "anna", "z", "oa:anna", START, Text("同意")))
    async with two_transactions(postgres_url) as (first, second):
        await first.run(lambda tx: ledger.expire_pending(tx, START + 2 * PENDING_EXPIRES_MS))
        waiting = await second.starts_to_wait(
            lambda tx: apply(tx, WORLD, agrees.context, agrees.actions, InboxId("i1"))
        )
        await first.commit()
        with pytest.raises(Conflict):
            await waiting
    assert await owners(shared) == []


@dataclass
class Model:
    """What should be true of one customer, kept in the plainest way."""

    bound: int | None = None
    pending: dict[int, int] = field(default_factory=dict)
    claimed: int | None = None
    claim_until: int = 0

    def claimer(self, present: set[int], now: int) -> int | None:
        """Who has her from the queue."""
        return self.claimed if self.claimed in present and self.claim_until > now else None

    def keeper(self, present: set[int], now: int) -> int | None:
        """Who gets her messages."""
        return self.bound if self.bound in present else self.claimer(present, now)

    def stays_awake(self, now: int) -> None:
        """Somebody wrote: a claim that still runs runs on."""
        if self.claim_until > now:
            self.claim_until = now + CLAIM_SILENT_MS


WHO = st.sampled_from(["anna", "bea"])
GUIDE = st.integers(0, len(GUIDES) - 1)


class Lives(RuleBasedStateMachine):
    """Two customers and three advisors; whatever happens, the tables say what the model says."""

    @initialize()
    def begin(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        # The driver's own transactions would begin too late.
        event.listen(self.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(self.engine, "begin", lambda tx: tx.exec_driver_sql("BEGIN"))
        self.now, self.numbers = START, count(1)
        self.model = {"anna": Model(), "bea": Model()}
        self.present = set(range(len(GUIDES)))
        self.returned: set[int] = set()
        with self.tx() as tx:
            metadata.create_all(tx)
            Stage.furnish(tx)

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()

    @contextmanager
    def tx(self) -> Iterator[Connection]:
        with self.engine.begin() as tx:
            yield tx

    def play(self, inbound: Inbound) -> None:
        with self.tx() as tx:
            context = load(tx, WORLD, inbound, self.now)
            route = match(context)
            full = load_facts(tx, context, route.needs)
            apply(tx, WORLD, full, route.run(full), InboxId(new_id(self.now)))

    def customer(self, who: str, kind: Kind, text: str = "", scene: str = "") -> None:
        self.now += 1
        content = Text(text) if text else None
        self.play(Inbound(OA.id, kind, who, f"d{next(self.numbers)}", who, self.now, content, scene=scene))

    @rule(who=WHO, guide=GUIDE)
    def scans(self, who: str, guide: int) -> None:
        self.customer(who, Kind.SCAN, scene=f"scene{guide}")
        her = self.model[who]
        if her.bound not in self.present and guide in self.present:
            her.pending[guide] = self.now + PENDING_EXPIRES_MS

    @rule(who=WHO, word=st.sampled_from(["同意", "不同意"]))
    def decides(self, who: str, word: str) -> None:
        self.customer(who, Kind.MESSAGE, word)
        her = self.model[who]
        asked = [guide for guide, until in her.pending.items() if until > self.now]
        if len(asked) != 1:
            her.stays_awake(self.now)
            return
        (guide,) = asked
        del her.pending[guide]
        if word == "同意" and her.bound not in self.present and guide in self.present:
            her.bound, her.claimed, her.claim_until = guide, None, 0
            her.pending.clear()

    @rule(who=WHO)
    def writes(self, who: str) -> None:
        self.customer(who, Kind.MESSAGE, f"问{next(self.numbers)}")
        her = self.model[who]
        keeper = her.keeper(self.present, self.now)
        her.stays_awake(self.now)
        newest = (
            select(messages.c.decision).where(messages.c.author == "customer").order_by(messages.c.id.desc()).limit(1)
        )
        with self.tx() as tx:
            decision = tx.execute(newest).scalar_one()
        assert ("queue:brand" if keeper is None else f"advisor:{Stage.advisor(keeper)}") in decision

    @rule(who=WHO, guide=GUIDE)
    def answers(self, who: str, guide: int) -> None:
        self.now += 1
        code = self.code(who, guide)
        if code is None:
            return
        text, her = f"答{next(self.numbers)}", self.model[who]
        keeper = her.keeper(self.present, self.now)
        event_of = Inbound(WORK.id, Kind.MESSAGE, f"guide{guide}", text, f"w{guide}", self.now, Text(f"#{code} {text}"))
        self.play(event_of)
        may = guide in self.present and keeper in {None, guide}
        with self.tx() as tx:
            sent = tx.execute(
                select(func.count()).where(messages.c.author == "advisor", messages.c.content.contains(text))
            )
            assert sent.scalar_one() == int(may)
        if not may:
            return
        if her.bound != guide:
            if keeper is None and not any(until > self.now for until in her.pending.values()):
                her.pending[guide] = self.now + PENDING_EXPIRES_MS
            her.claimed, her.claim_until = guide, self.now + CLAIM_SILENT_MS
        her.stays_awake(self.now)

    def code(self, who: str, guide: int) -> str | None:
        statement = (
            select(relations.c.code)
            .join(conversations, conversations.c.customer_id == relations.c.customer_id)
            .where(relations.c.advisor_id == Stage.advisor(guide), conversations.c.external_id == who)
        )
        with self.tx() as tx:
            return tx.execute(statement).scalar_one_or_none()

    @rule(guide=GUIDE)
    def leaves_or_comes_back(self, guide: int) -> None:
        self.present ^= {guide}
        self.returned |= {guide}
        with self.tx() as tx:
            mine = advisors.c.id == Stage.advisor(guide)
            tx.execute(update(advisors).where(mine).values(active=guide in self.present))

    @rule(hours=st.sampled_from([1, 23, 25, 170]))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @invariant()
    def one_owner_as_the_model_says(self) -> None:
        active = bindings.c.state.in_(("bound", "transfer_pending"))
        with self.tx() as tx:
            found = tx.execute(
                select(conversations.c.external_id, bindings.c.advisor_id)
                .join(bindings, bindings.c.customer_id == conversations.c.customer_id)
                .where(active)
            ).all()
            receipts = tx.execute(select(consents.c.binding_id).where(consents.c.answer == "yes")).scalars().all()
            proven = tx.execute(select(func.count()).where(active, bindings.c.id.in_(receipts))).scalar_one()
        expected = [(who, Stage.advisor(her.bound)) for who, her in self.model.items() if her.bound is not None]
        assert sorted((who, advisor) for who, advisor in found) == sorted(expected)
        assert proven == len(found), "nobody is bound without a receipt"

    @invariant()
    def one_claim_as_the_model_says(self) -> None:
        with self.tx() as tx:
            rows = tx.execute(select(conversations)).all()
        for row in rows:
            expected = self.model[row.external_id].claimer(self.present, self.now)
            holder = row.claimed_by if row.claim_until > self.now else None
            gone = holder is not None and int(holder, 16) not in self.present
            assert (None if gone else holder) == (None if expected is None else Stage.advisor(expected))
            # She who wrote while her advisor was away waits on until she writes again or he answers, also once he is back.
            if expected is not None and expected not in self.returned:
                assert not row.waiting_since, "whom somebody has, nobody has to take"


Lives.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLives = Lives.TestCase
