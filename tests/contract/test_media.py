"""Files on both engines: wanted, fetched by one worker at a time, stored or lost; and messages that wait for them."""

from __future__ import annotations

from typing import Any

import pytest

from domain.calls import Outbound
from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Image, Inbound, Kind, Text, WantedMedia
from storage import inbox, media
from storage.calls import OutboxRow
from storage.engine import Database
from storage.media import MediaRow, MediaState
from storage.tables.queue import outbox
from tests.clock import START, FakeClock
from tests.promising import BRAND, OA, begin, lease, promise, promised, states

PICTURE = MediaId("m1")
LEASE_MS = 1000


async def want(db: Database, *ids: str, brand: BrandId = BRAND) -> None:
    def unit(tx: Any) -> None:
        for one in ids:
            wanted = WantedMedia(MediaId(one), f"origin-{one}", "image")
            event = Inbound(OA.id, Kind.MESSAGE, "o1", one, "k", START, Image(wanted.id), media=(wanted,))
            inbox.accept(tx, [(inbox.Arrival(brand, event), START)])

    await db.write(unit)


async def take(db: Database, clock: FakeClock, n: int = 10) -> list[MediaRow]:
    return await db.write(lambda tx: media.lease_wanted(tx, n, clock.now, LEASE_MS))


async def found(db: Database, media_id: str = PICTURE) -> MediaRow:
    row = await db.read(lambda tx: media.find(tx, BRAND, MediaId(media_id)))
    assert row is not None
    return row


async def test_a_wanted_file_is_fetched_by_one_worker_at_a_time(db: Database, clock: FakeClock) -> None:
    await want(db, "m1", "m2")
    rows = await take(db, clock)
    assert [(row.id, row.origin, row.account, row.attempts) for row in rows] == [
        ("m1", "origin-m1", AccountId("oa"), 1),
        ("m2", "origin-m2", AccountId("oa"), 1),
    ]
    assert await take(db, clock) == []
    clock.advance(LEASE_MS)
    assert [row.attempts for row in await take(db, clock)] == [2, 2], "its worker fell silent"


async def test_a_stored_file_is_known_by_its_content(db: Database, clock: FakeClock) -> None:
    await want(db, "m1")
    (row,) = await take(db, clock)
    await db.write(lambda tx: media.keep_stored(tx, row, "sha", "image/png", 7, clock.now))
    stored = await found(db)
    assert (stored.state, stored.sha256, stored.content_type) == (MediaState.STORED, "sha", "image/png")
    await db.write(lambda tx: media.keep_lost(tx, row, clock.now))
    assert (await found(db)).state is MediaState.STORED, "what is stored cannot be lost by a slower worker"
    clock.advance(days=1)
    assert await take(db, clock) == []


async def test_a_file_that_could_not_be_fetched_is_tried_again(db: Database, clock: FakeClock) -> None:
    await want(db, "m1")
    (row,) = await take(db, clock)
    await db.write(lambda tx: media.retry_wanted(tx, row, START + 50))
    assert await take(db, clock) == []
    clock.advance(50)
    assert [row.attempts for row in await take(db, clock)] == [2]


async def test_an_unknown_file_is_none(db: Database) -> None:
    await want(db, "m1", brand=BrandId("coffee"))
    assert await db.read(lambda tx: media.find(tx, BRAND, PICTURE)) is None


async def leased(db: Database, clock: FakeClock, **more: Any) -> OutboxRow:
    """A relay of the picture, leased."""
    await db.write(lambda tx: promised(tx, promise(call=Outbound("o1", Image(PICTURE)), **more)))
    (row,) = await db.write(lambda tx: lease(tx, clock.now))
    return row


async def test_words_go_ahead_and_the_picture_follows_when_it_is_stored(db: Database, clock: FakeClock) -> None:
    await want(db, "m1")
    row = await leased(db, clock, n=1)
    await db.write(lambda tx: promised(tx, promise("next", n=2)))
    worded = await db.write(lambda tx: media.send_words_first(tx, row, Outbound("o1", Text("soon")), PICTURE, START))
    assert worded is not None and worded.call == Outbound("o1", Text("soon"))
    await db.write(lambda tx: begin(tx, worded, clock.now))
    found_states = await db.read(states)
    assert sorted(found_states.values()) == [("calling", ""), ("held", "media:m1"), ("queued", "")]

    (wanted,) = await take(db, clock)
    clock.advance(minutes=2)
    await db.write(lambda tx: media.keep_stored(tx, wanted, "sha", "image/png", 7, clock.now))
    await db.write(lambda tx: tx.execute(outbox.update().where(outbox.c.id == row.id).values(state="accepted")))
    (follows,) = await db.write(lambda tx: lease(tx, clock.now))
    assert follows.call == Outbound("o1", Image(PICTURE))
    assert follows.id != row.id
    assert follows.due_by > clock.now, "it is due anew, not late from the start"
    assert (follows.stream, follows.message_id, follows.attempts) == (row.stream, row.message_id, 0)


@pytest.mark.parametrize("lost", [True, False])
async def test_whoever_waits_for_a_file_is_released_by_its_end(db: Database, clock: FakeClock, lost: bool) -> None:
    await want(db, "m1", "m2")
    row = await leased(db, clock)
    await db.write(lambda tx: media.send_words_first(tx, row, Outbound("o1", Text("soon")), PICTURE, START))
    one, other = await take(db, clock)
    await db.write(lambda tx: media.keep_stored(tx, other, "sha", "image/png", 7, clock.now))
    assert ("held", "media:m1") in (await db.read(states)).values(), "another file's end is none of its business"
    if lost:
        await db.write(lambda tx: media.keep_lost(tx, one, clock.now))
    else:
        await db.write(lambda tx: media.keep_stored(tx, one, "sha", "image/png", 7, clock.now))
    assert sorted((await db.read(states)).values()) == [("queued", ""), ("queued", "")]


async def test_a_row_that_is_no_longer_this_worker_s_keeps_its_words(db: Database, clock: FakeClock) -> None:
    await want(db, "m1")
    row = await leased(db, clock)
    clock.advance(LEASE_MS)
    (fresh,) = await db.write(lambda tx: lease(tx, clock.now))
    words = Outbound("o1", Text("soon"))
    assert await db.write(lambda tx: media.replace_call(tx, row, words)) is None
    assert await db.write(lambda tx: media.send_words_first(tx, row, words, PICTURE, START)) is None
    assert len(await db.read(states)) == 1
    assert fresh.call == Outbound("o1", Image(PICTURE))
