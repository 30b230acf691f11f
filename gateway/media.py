"""Files of messages: fetched from the platform while it has them, kept by their content, and waited for by what sends them on."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeGuard

import structlog
from sqlalchemy import Connection

from domain.calls import MINUTE, SECOND, Outbound
from domain.ids import AccountId, BrandId, MediaId
from domain.messages import Image, Text, Voice
from gateway.channels.contract import Channel, FetchesMedia, MediaFile
from gateway.channels.errors import Refused, Retry, SendError
from gateway.channels.files import named
from gateway.retry import MEDIA_ATTEMPTS, media_wait
from gateway.runner import Pump, Taken, Wakeup
from gateway.telemetry import Metrics
from services.world import World
from storage import media
from storage.calls import OutboxRow
from storage.delivery import postpone
from storage.engine import Database, now
from storage.errors import StorageError
from storage.leases import Damaged
from storage.media import MediaRow, MediaState

log = structlog.get_logger(__name__)

SLOTS = 4
LEASE_MS = 2 * MINUTE
FETCH_SECONDS = 60.0

WAIT_MS = 20 * SECOND
"""How long a message waits for its file before words go ahead of it."""

LOOK_AGAIN_MS = 500


class MediaStore:
    """Bytes under a folder, named by their SHA-256. What `put` has returned survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256. Keeping it again changes nothing. Raises OSError."""
        sha256 = hashlib.sha256(content).hexdigest()
        await asyncio.to_thread(self._write, sha256, content)
        return sha256

    async def get(self, sha256: str) -> bytes:
        """The bytes of that name. Raises FileNotFoundError, OSError, or Damaged when they are not what was kept."""
        content = await asyncio.to_thread(self._path(sha256).read_bytes)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Damaged(f"media file {self._path(sha256)} is damaged: restore it from a backup")
        return content

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _write(self, sha256: str, content: bytes) -> None:
        path = self._path(sha256)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{sha256}.{secrets.token_hex(4)}.part")
        try:
            with open(draft, "xb", opener=_private) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        # Each folder may have been made just now, which is an entry in the one above.
        for folder in (path.parent, self._folder, self._folder.parent):
            _sync_folder(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Library:
    """Our files for those who send or show them."""

    def __init__(self, db: Database, store: MediaStore) -> None:
        self._db = db
        self._store = store

    async def read(self, brand: BrandId, media_id: MediaId) -> MediaFile:
        """A stored file, under a name of our own. Raises Retry while it is wanted, Refused when it cannot be had."""
        row = await self._find(brand, media_id)
        if row is None or row.state is MediaState.LOST:
            raise Refused("media_lost", f"media {media_id} could not be fetched while the platform had it")
        if row.state is MediaState.WANTED:
            raise Retry("media_awaited", f"media {media_id} is still being fetched", after_ms=2 * SECOND)
        try:
            return named(await self._store.get(row.sha256))
        except FileNotFoundError as error:
            raise Refused("media_missing", f"media {media_id}: its file {row.sha256} is gone", alarm=True) from error
        except Damaged as error:
            raise Refused("media_damaged", str(error), alarm=True) from error
        except OSError as error:
            raise Retry("media_unreadable", f"media {media_id}: {error}") from error

    async def _find(self, brand: BrandId, media_id: MediaId) -> MediaRow | None:
        try:
            return await self._db.read(lambda tx: media.find(tx, brand, media_id))
        except StorageError as error:
            raise Retry("storage_unavailable", str(error)) from error


class MediaFetcher:
    """Fetches wanted files, a few at a time; one that cannot be had after many attempts is lost, and whoever waits is told."""

    def __init__(
        self,
        db: Database,
        channels: Mapping[AccountId, Channel],
        store: MediaStore,
        metrics: Metrics,
        settled: Callable[[], None],
    ) -> None:
        self._db = db
        self._channels = channels
        self._store = store
        self._metrics = metrics
        self._settled = settled
        self.wakeup = Wakeup()
        self.pump = Pump("media", SLOTS, self._take, self._work, self.wakeup)

    async def _take(self, n: int) -> Taken[MediaRow]:
        rows = await self._db.write(lambda tx: media.lease_wanted(tx, n, now(tx), LEASE_MS))
        return Taken(rows, more=len(rows) == n)

    async def _work(self, row: MediaRow) -> None:
        try:
            state = await self._fetch(row)
        except (StorageError, OSError) as error:
            # Wanted again when its lease ends.
            log.error("media_not_kept", media_id=row.id, error=str(error))
            return
        self._metrics.media.labels(row.account, state).inc()
        if state is not MediaState.WANTED:
            self._settled()

    async def _fetch(self, row: MediaRow) -> MediaState:
        try:
            file = await self._ask(row)
        except Refused as error:
            return await self._lose(row, str(error))
        except (SendError, TimeoutError) as error:
            if row.attempts >= MEDIA_ATTEMPTS:
                return await self._lose(row, str(error))
            await self._db.write(lambda tx: media.retry_wanted(tx, row, now(tx) + media_wait(row.attempts)))
            return MediaState.WANTED
        sha256 = await self._store.put(file.content)
        size = len(file.content)
        await self._db.write(lambda tx: media.keep_stored(tx, row, sha256, file.content_type, size, now(tx)))
        return MediaState.STORED

    async def _ask(self, row: MediaRow) -> MediaFile:
        channel = self._channels.get(row.account)
        if channel is None or not _fetches_media(channel):
            raise Refused("account_gone", f"account {row.account} is not configured, or keeps no files")
        async with asyncio.timeout(FETCH_SECONDS):
            return await channel.fetch(row.origin)

    async def _lose(self, row: MediaRow, why: str) -> MediaState:
        log.warning("media_lost", media_id=row.id, account=row.account, attempts=row.attempts, error=why)
        await self._db.write(lambda tx: media.keep_lost(tx, row, now(tx)))
        return MediaState.LOST


def _fetches_media(channel: object) -> TypeGuard[FetchesMedia]:
    return hasattr(channel, "fetch")


class Say(Protocol):
    """A text of the catalogue in a language."""

    def __call__(self, key: str, language: str, /) -> str:
        """The text."""


_WORDS = {Image: "picture", Voice: "voice"}


class MediaGate:
    """Looks, before a message with a file is called, whether the file is there."""

    def __init__(self, world: World, say: Say) -> None:
        self._world = world
        self._say = say

    def admit(self, tx: Connection, row: OutboxRow, at: int) -> OutboxRow | None:
        """The row as it may be called now; None when it was handed back, because its file is still being fetched.

        After WAIT_MS words go ahead and the file follows them; a lost file is replaced by words that say so.
        """
        try:
            call = row.call
        except Damaged:
            # Whoever records the call ends the row.
            return row
        if not isinstance(call, Outbound) or not isinstance(call.content, Image | Voice):
            return row
        found = media.find(tx, row.brand, call.content.media)
        if found is not None and found.state is MediaState.STORED:
            return row
        if found is None or found.state is MediaState.LOST:
            return media.replace_call(tx, row, self._words(row, call, "lost"))
        if at < row.created_at + WAIT_MS:
            postpone(tx, row, at + LOOK_AGAIN_MS)
            return None
        return media.send_words_first(tx, row, self._words(row, call, "follows"), found.id, at)

    def _words(self, row: OutboxRow, call: Outbound, what: str) -> Outbound:
        language = self._world.brands[row.brand].language
        text = self._say(f"relay.{_WORDS[type(call.content)]}_{what}", language)
        return Outbound(call.to, Text(text), call.persona, call.task)
