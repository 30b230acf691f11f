"""Uploads: one per account, content and life, whatever the number of callers and nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection

from domain.calls import DAY
from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Image, Text
from domain.people import Account, Side
from gateway.channels.contract import MediaFile
from gateway.channels.errors import Refused, Retry, SendError, Unknown
from gateway.channels.uploads import CLAIM_MS, MARGIN_MS, Uploads, with_media
from gateway.channels.wechat.codes import CODES
from storage import uploads
from storage.engine import Database
from storage.errors import Unavailable
from storage.tables.talk import media
from storage.uploads import UploadKey
from tests.clock import FakeClock

OA = Account(AccountId("oa"), BrandId("tea"), "wechat", Side.CUSTOMER)
OTHER = Account(AccountId("oa2"), BrandId("tea"), "wechat", Side.CUSTOMER)
PICTURE, SAME_PICTURE, WANTED, LOST = (MediaId(name) for name in ("m1", "m2", "m3", "m4"))
KEY = UploadKey(OA.brand, OA.id, "sha-1")


async def read(brand: BrandId, media_id: MediaId) -> MediaFile:
    return MediaFile(f"{brand}/{media_id}".encode(), "image/png", "x.png")


@dataclass(slots=True)
class Platform:
    """Takes files for three days, counts them, and may be made to wait or fail."""

    clock: FakeClock
    files: list[MediaFile] = field(default_factory=list)
    problem: SendError | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def upload(self, file: MediaFile) -> tuple[str, int]:
        self.files.append(file)
        self.started.set()
        await self.open.wait()
        if self.problem:
            raise self.problem
        return f"id-{len(self.files)}", self.clock.now + 3 * DAY


@pytest.fixture
def platform(clock: FakeClock) -> Platform:
    return Platform(clock)


Desks = Callable[..., Uploads]


@pytest.fixture
async def desks(db: Database) -> AsyncIterator[Desks]:
    """Makes desks, one for each node, over four files, and closes them."""
    made: list[Uploads] = []

    def files(tx: Connection) -> None:
        for media_id, state, sha in (
            (PICTURE, "stored", "sha-1"),
            (SAME_PICTURE, "stored", "sha-1"),
            (WANTED, "wanted", ""),
            (LOST, "lost", ""),
        ):
            row = {"brand": "tea", "id": media_id, "account": "work", "origin": "o", "type": "image", "state": state}
            tx.execute(media.insert().values(sha256=sha, next_at=0, created_at=0, **row))

    def make(pause: Callable[[float], Any] = asyncio.sleep) -> Uploads:
        made.append(Uploads(db, read, pause=pause))
        return made[-1]

    await db.write(files)
    yield make
    for desk in made:
        await desk.close()


async def test_the_same_content_is_uploaded_once_per_account(desks: Desks, platform: Platform) -> None:
    desk = desks()
    wanted = [PICTURE, SAME_PICTURE] * 10
    ids = await asyncio.gather(*(desk.platform_id(OA, media_id, platform.upload) for media_id in wanted))
    assert set(ids) == {"id-1"}
    assert len(platform.files) == 1
    assert await desks().platform_id(OA, PICTURE, platform.upload) == "id-1"
    assert await desk.platform_id(OTHER, PICTURE, platform.upload) == "id-2"


async def test_many_nodes_share_one_upload(desks: Desks, platform: Platform) -> None:
    stored = asyncio.Event()

    async def until_stored(_: float) -> None:
        await stored.wait()

    platform.open.clear()
    first = asyncio.create_task(desks().platform_id(OA, PICTURE, platform.upload))
    await platform.started.wait()
    second = asyncio.create_task(desks(until_stored).platform_id(OA, PICTURE, platform.upload))
    platform.open.set()
    await first
    stored.set()
    assert await second == "id-1"
    assert len(platform.files) == 1


async def test_an_id_near_its_end_is_not_used(desks: Desks, platform: Platform, clock: FakeClock) -> None:
    desk = desks()
    await desk.platform_id(OA, PICTURE, platform.upload)
    clock.advance(3 * DAY - MARGIN_MS - 1)
    assert await desk.platform_id(OA, PICTURE, platform.upload) == "id-1"
    clock.advance(1)
    assert await desk.platform_id(OA, PICTURE, platform.upload) == "id-2"


@pytest.mark.parametrize(
    ("media_id", "kind", "reason"),
    [(WANTED, Retry, "media_awaited"), (LOST, Refused, "media_lost"), (MediaId("m9"), Refused, "media_lost")],
)
async def test_a_file_that_is_not_there_is_not_uploaded(
    desks: Desks, platform: Platform, media_id: MediaId, kind: type[SendError], reason: str
) -> None:
    with pytest.raises(kind) as failed:
        await desks().platform_id(OA, media_id, platform.upload)
    assert failed.value.reason == reason
    assert platform.files == []


@pytest.mark.parametrize("problem", [Retry("not_connected"), Refused("media_type_refused"), Unknown("x")])
async def test_a_failed_upload_leaves_no_claim(desks: Desks, platform: Platform, problem: SendError) -> None:
    desk = desks()
    platform.problem = problem
    with pytest.raises(type(problem)):
        await desk.platform_id(OA, PICTURE, platform.upload)
    platform.problem = None
    assert await desk.platform_id(OA, PICTURE, platform.upload) == "id-2"


async def test_a_cancelled_caller_leaves_the_others_alone(desks: Desks, platform: Platform) -> None:
    desk = desks()
    platform.open.clear()
    first, second = (asyncio.create_task(desk.platform_id(OA, PICTURE, platform.upload)) for _ in range(2))
    await platform.started.wait()
    first.cancel()
    platform.open.set()
    assert await second == "id-1"
    assert len(platform.files) == 1


async def test_an_upload_given_up_at_the_end_leaves_no_claim(db: Database, desks: Desks, platform: Platform) -> None:
    desk = desks()
    platform.open.clear()
    waiting = asyncio.create_task(desk.platform_id(OA, PICTURE, platform.upload))
    await platform.started.wait()
    await desk.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await db.read(lambda tx: uploads.find(tx, KEY))).claimed_until == 0


async def test_the_claim_of_a_dead_node_lapses(
    db: Database, desks: Desks, platform: Platform, clock: FakeClock
) -> None:
    async def later(_: float) -> None:
        clock.advance(CLAIM_MS)

    now = clock.now
    assert await db.write(lambda tx: uploads.claim(tx, KEY, now + CLAIM_MS, now))
    assert await desks(later).platform_id(OA, PICTURE, platform.upload) == "id-1"


async def test_a_node_that_waits_in_vain_asks_to_be_tried_again(
    db: Database, desks: Desks, platform: Platform, clock: FakeClock
) -> None:
    async def no_time(_: float) -> None:
        return

    now = clock.now
    await db.write(lambda tx: uploads.claim(tx, KEY, now + CLAIM_MS, now))
    with pytest.raises(Retry, match="uploading"):
        await desks(no_time).platform_id(OA, PICTURE, platform.upload)
    assert platform.files == []


async def test_one_of_many_claims_wins(db: Database, clock: FakeClock) -> None:
    now = clock.now
    claims = [db.write(lambda tx: uploads.claim(tx, KEY, now + CLAIM_MS, now)) for _ in range(20)]
    assert sum(await asyncio.gather(*claims)) == 1


async def test_a_forgotten_id_is_uploaded_again_and_a_newer_one_is_kept(desks: Desks, platform: Platform) -> None:
    desk = desks()
    await desk.platform_id(OA, PICTURE, platform.upload)
    await desk.forget(OA, PICTURE, "id-1")
    assert await desk.platform_id(OA, PICTURE, platform.upload) == "id-2"
    await desk.forget(OA, PICTURE, "id-1")
    assert await desk.platform_id(OA, PICTURE, platform.upload) == "id-2"


def gone() -> Refused:
    error = Refused("media_gone")
    error.code = 40007
    return error


async def test_a_file_the_platform_lost_is_uploaded_and_delivered_once_more(desks: Desks, platform: Platform) -> None:
    used: list[str] = []

    async def deliver(platform_id: str) -> str:
        used.append(platform_id)
        if platform_id == "id-1":
            raise gone()
        return "done"

    desk = desks()
    assert await with_media(desk, OA, Image(PICTURE), platform.upload, CODES, deliver) == "done"
    assert used == ["id-1", "id-2"]


async def test_a_file_the_platform_loses_again_is_given_up(desks: Desks, platform: Platform) -> None:
    used: list[str] = []

    async def deliver(platform_id: str) -> str:
        used.append(platform_id)
        raise gone()

    with pytest.raises(Refused):
        await with_media(desks(), OA, Image(PICTURE), platform.upload, CODES, deliver)
    assert used == ["id-1", "id-2"]


async def test_other_refusals_and_words_upload_nothing_more(desks: Desks, platform: Platform) -> None:
    async def refuse(_: str) -> str:
        raise Refused("not_following")

    async def echo(platform_id: str) -> str:
        return platform_id

    desk = desks()
    with pytest.raises(Refused, match="not_following"):
        await with_media(desk, OA, Image(PICTURE), platform.upload, CODES, refuse)
    assert await with_media(desk, OA, Text("hi"), platform.upload, CODES, echo) == ""
    assert len(platform.files) == 1


async def test_a_database_that_cannot_answer_sends_nothing(platform: Platform) -> None:
    class Broken:
        async def read(self, unit: object) -> Any:
            raise Unavailable("disk full")

    desk = Uploads(Broken(), read)  # type: ignore[arg-type]
    with pytest.raises(Retry, match="disk full"):
        await desk.platform_id(OA, PICTURE, platform.upload)
