"""Access tokens: one fetch per expiry whatever the number of callers and nodes, and no more than a platform's patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from domain.calls import DAY, MINUTE, SECOND
from domain.ids import AccountId, BrandId
from gateway.channels.errors import Refused, Retry, SendError
from gateway.channels.tokens import CLAIM_MS, QUIET_MS, Fetched, Token, TokenDesk, read_token
from storage import tokens
from storage.engine import Database
from storage.errors import Unavailable
from storage.tables.queue import tokens as table
from storage.tokens import TokenKey
from tests.clock import FakeClock

KEY = TokenKey(BrandId("tea"), AccountId("oa"), "access:wxTea")
LIFE_MS = 120 * MINUTE


@dataclass(slots=True)
class Source:
    """A platform that hands out tokens, counts them, and may be made to wait or fail."""

    count: int = 0
    problem: SendError | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def fetch(self) -> Fetched:
        self.count += 1
        self.started.set()
        await self.open.wait()
        if self.problem:
            raise self.problem
        return Fetched(f"token-{self.count}", LIFE_MS)


@pytest.fixture
def source() -> Source:
    return Source()


Desks = Callable[..., TokenDesk]


@pytest.fixture
async def desks(db: Database, clock: FakeClock) -> AsyncIterator[Desks]:
    """Makes desks, one for each node, and closes them."""
    made: list[TokenDesk] = []

    def make(secrets_key: str = "k", pause: Callable[[float], Any] = asyncio.sleep) -> TokenDesk:
        made.append(TokenDesk(db, secrets_key, clock=clock, pause=pause))
        return made[-1]

    yield make
    for desk in made:
        await desk.close()


async def failure(getting: Any) -> Retry:
    with pytest.raises(Retry) as failed:
        await getting
    return failed.value


async def test_many_callers_share_one_fetch(desks: Desks, source: Source) -> None:
    desk = desks()
    got = await asyncio.gather(*(desk.get(KEY, source.fetch) for _ in range(50)))
    assert {token.value for token in got} == {"token-1"}
    assert source.count == 1


async def test_many_nodes_share_one_fetch(desks: Desks, source: Source) -> None:
    stored = asyncio.Event()

    async def until_stored(_: float) -> None:
        await stored.wait()

    source.open.clear()
    first = asyncio.create_task(desks().get(KEY, source.fetch))
    await source.started.wait()
    others = [asyncio.create_task(desks(pause=until_stored).get(KEY, source.fetch)) for _ in range(5)]
    source.open.set()
    await first
    stored.set()
    assert {token.value for token in await asyncio.gather(*others)} == {"token-1"}
    assert source.count == 1


async def test_a_node_that_waits_in_vain_asks_to_be_tried_again(desks: Desks, source: Source) -> None:
    pauses: list[float] = []

    async def count(seconds: float) -> None:
        pauses.append(seconds)

    source.open.clear()
    first = asyncio.create_task(desks().get(KEY, source.fetch))
    await source.started.wait()
    problem = await failure(desks(pause=count).get(KEY, source.fetch))
    assert (problem.reason, problem.alarm) == ("token_awaited", False)
    assert 5 <= sum(pauses) <= 10
    source.open.set()
    await first
    assert source.count == 1


async def test_a_stored_token_serves_the_next_start_and_cannot_be_read(
    db: Database, desks: Desks, source: Source
) -> None:
    await desks().get(KEY, source.fetch)
    assert (await desks().get(KEY, source.fetch)).value == "token-1"
    assert source.count == 1
    ciphertext = await db.read(lambda tx: tx.execute(select(table.c.ciphertext)).scalar_one())
    assert "token" not in ciphertext
    assert len(ciphertext) > len("token-1")


async def test_another_secrets_key_or_another_row_cannot_use_it(db: Database, desks: Desks, source: Source) -> None:
    await desks().get(KEY, source.fetch)
    assert (await desks(secrets_key="other").get(KEY, source.fetch)).value == "token-2"
    moved = TokenKey(KEY.brand, AccountId("other"), KEY.kind)
    row = await db.read(lambda tx: tokens.find(tx, KEY))
    values = {"brand": moved.brand, "account": moved.account, "kind": moved.kind, "version": row.version}
    await db.write(
        lambda tx: tx.execute(table.insert().values(ciphertext=row.ciphertext, expires_at=row.expires_at, **values))
    )
    assert (await desks(secrets_key="other").get(moved, source.fetch)).value == "token-3"


async def test_an_expired_token_is_fetched_once_more(desks: Desks, source: Source, clock: FakeClock) -> None:
    one, two = desks(), desks()
    await one.get(KEY, source.fetch)
    clock.advance(LIFE_MS - 1)
    assert (await two.get(KEY, source.fetch)).value == "token-1"
    clock.advance(1)
    assert {(await desk.get(KEY, source.fetch)).value for desk in (one, two)} == {"token-2"}
    assert source.count == 2


async def test_a_refused_token_is_replaced_once_for_all_who_used_it(desks: Desks, source: Source) -> None:
    one, two = desks(), desks()
    used = [await desk.get(KEY, source.fetch) for desk in (one, two)]
    renewed = await asyncio.gather(
        *(desk.renew(KEY, token, source.fetch) for desk, token in zip((one, two), used, strict=True) for _ in range(20))
    )
    assert {token.value for token in renewed} == {"token-2"}
    assert source.count == 2


async def test_a_newer_token_that_is_there_already_is_taken(desks: Desks, source: Source, clock: FakeClock) -> None:
    one, two = desks(), desks()
    old = await one.get(KEY, source.fetch)
    await two.renew(KEY, old, source.fetch)
    clock.advance(QUIET_MS)
    assert (await one.renew(KEY, old, source.fetch)).value == "token-2"
    assert source.count == 2


@dataclass(slots=True)
class Interrupted:
    """A database before whose next write something else happens."""

    db: Database
    before: Callable[[], Any] | None = None

    async def read(self, unit: Any) -> Any:
        return await self.db.read(unit)

    async def write(self, unit: Any) -> Any:
        before, self.before = self.before, None
        if before:
            await before()
        return await self.db.write(unit)


async def test_a_refused_token_read_back_by_somebody_else_is_not_used_again(
    db: Database, source: Source, clock: FakeClock
) -> None:
    interrupted = Interrupted(db)
    desk = TokenDesk(interrupted, "k", clock=clock)  # type: ignore[arg-type]
    refused = await desk.get(KEY, source.fetch)
    interrupted.before = lambda: desk.get(KEY, source.fetch)
    assert (await desk.renew(KEY, refused, source.fetch)).value == "token-2"
    await desk.close()


async def test_a_token_refused_right_after_a_refused_one_is_not_fetched_again(
    desks: Desks, source: Source, clock: FakeClock
) -> None:
    desk = desks()
    token = await desk.renew(KEY, await desk.get(KEY, source.fetch), source.fetch)
    clock.advance(seconds=10)
    for node in (desk, desks()):
        problem = await failure(node.renew(KEY, token, source.fetch))
        assert (problem.reason, problem.alarm, problem.block) == ("token_refused", True, "*")
        assert problem.after_ms == QUIET_MS - 10 * SECOND
    assert source.count == 2
    clock.advance(QUIET_MS)
    assert (await desk.renew(KEY, token, source.fetch)).value == "token-3"


async def test_wrong_credentials_are_tried_rarely_and_a_person_is_called(
    desks: Desks, source: Source, clock: FakeClock
) -> None:
    one, two = desks(), desks()
    source.problem = Refused("wrong_secret", "no", alarm=True)
    problem = await failure(one.get(KEY, source.fetch))
    assert (problem.reason, problem.alarm, problem.block, problem.after_ms) == ("wrong_secret", True, "*", MINUTE)
    resting = await failure(two.get(KEY, source.fetch))
    assert (resting.reason, resting.block, resting.after_ms) == ("token_resting", "*", MINUTE)
    until = clock.now + DAY
    while clock.advance(5 * MINUTE) < until:
        for desk in (one, two):
            await failure(desk.get(KEY, source.fetch))
    assert source.count <= 20


async def test_a_person_who_mended_the_credentials_need_not_wait(desks: Desks, source: Source) -> None:
    desk = desks()
    source.problem = Refused("wrong_secret", "no", alarm=True)
    await failure(desk.get(KEY, source.fetch))
    source.problem = None
    assert (await failure(desk.get(KEY, source.fetch))).reason == "token_resting"
    await desk.wake(KEY)
    assert (await desk.get(KEY, source.fetch)).value == "token-2"


async def test_a_passing_failure_is_tried_again_soon(desks: Desks, source: Source, clock: FakeClock) -> None:
    desk = desks()
    source.problem = Retry("not_connected")
    problem = await failure(desk.get(KEY, source.fetch))
    assert (problem.reason, problem.alarm, problem.after_ms) == ("not_connected", False, 2 * SECOND)
    source.problem = None
    clock.advance(2 * SECOND)
    assert (await desk.get(KEY, source.fetch)).value == "token-2"


async def test_a_cancelled_caller_leaves_the_others_alone(desks: Desks, source: Source) -> None:
    desk = desks()
    source.open.clear()
    first, second = (asyncio.create_task(desk.get(KEY, source.fetch)) for _ in range(2))
    await source.started.wait()
    first.cancel()
    source.open.set()
    assert (await second).value == "token-1"
    assert source.count == 1


async def test_a_fetch_given_up_at_the_end_leaves_no_claim(db: Database, desks: Desks, source: Source) -> None:
    desk = desks()
    source.open.clear()
    waiting = asyncio.create_task(desk.get(KEY, source.fetch))
    await source.started.wait()
    await desk.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await db.read(lambda tx: tokens.find(tx, KEY))).refreshing_until == 0


async def test_the_claim_of_a_dead_node_lapses(db: Database, desks: Desks, source: Source, clock: FakeClock) -> None:
    now = clock.now
    assert await db.write(lambda tx: tokens.claim(tx, KEY, 0, now + CLAIM_MS, now))
    clock.advance(CLAIM_MS)
    assert (await desks().get(KEY, source.fetch)).value == "token-1"


async def test_one_of_many_claims_wins(db: Database, clock: FakeClock) -> None:
    now = clock.now
    claims = [db.write(lambda tx: tokens.claim(tx, KEY, 0, now + CLAIM_MS, now)) for _ in range(20)]
    assert sum(await asyncio.gather(*claims)) == 1


async def test_a_node_that_wakes_late_does_not_overwrite_a_newer_token(db: Database, clock: FakeClock) -> None:
    now = clock.now
    await db.write(lambda tx: tokens.claim(tx, KEY, 0, now + 1, now))
    await db.write(lambda tx: tokens.claim(tx, KEY, 0, now + 9, now + 1))
    assert await db.write(lambda tx: tokens.store(tx, KEY, 0, "new", now + DAY, 0))
    assert not await db.write(lambda tx: tokens.store(tx, KEY, 0, "late", now + DAY, 0))
    assert (await db.read(lambda tx: tokens.find(tx, KEY))).ciphertext == "new"


class Broken:
    """A database that cannot answer."""

    async def read(self, unit: object) -> Any:
        raise Unavailable("disk full")

    write = read


async def test_a_database_that_cannot_answer_sends_nothing(source: Source, clock: FakeClock) -> None:
    desk = TokenDesk(Broken(), "k", clock=clock)  # type: ignore[arg-type]
    assert (await failure(desk.get(KEY, source.fetch))).reason == "storage_unavailable"
    assert (await failure(desk.renew(KEY, Token("t", 1, 0), source.fetch))).reason == "storage_unavailable"
    assert source.count == 0


def test_an_empty_secrets_key_is_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="secrets_key"):
        TokenDesk(Broken(), "", clock=clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expires_in", "life_ms"),
    [(7200, 120 * MINUTE), ("7200", 120 * MINUTE), (10**9, 120 * MINUTE), (0, MINUTE), (-1, MINUTE), (300, 5 * MINUTE)],
)
def test_a_token_s_life_is_brought_into_a_sane_range(expires_in: object, life_ms: int) -> None:
    assert read_token({"access_token": "t", "expires_in": expires_in}) == Fetched("t", life_ms)


def test_a_token_is_replaced_before_its_end_unless_it_is_short() -> None:
    assert read_token({"access_token": "t", "expires_in": 7200}, margin_ms=4 * MINUTE).life_ms == 116 * MINUTE
    assert read_token({"access_token": "t", "expires_in": 300}, margin_ms=4 * MINUTE).life_ms == 5 * MINUTE


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "t"},
        {"access_token": "", "expires_in": 7200},
        {"access_token": "x" * 513, "expires_in": 7200},
        {"access_token": "a\nb", "expires_in": 7200},
        {"access_token": "a b", "expires_in": 7200},
        {"access_token": "é", "expires_in": 7200},
        {"access_token": 5, "expires_in": 7200},
        {"access_token": "t", "expires_in": None},
        {"access_token": "t", "expires_in": 72.5},
        {"access_token": "t", "expires_in": "9" * 5000},
    ],
)
def test_what_is_no_token_is_not_used(answer: dict[str, object]) -> None:
    with pytest.raises(Retry, match="no usable token"):
        read_token(answer)


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Fetched("secret", 1)) + repr(Token("secret", 1, 1))
