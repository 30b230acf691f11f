"""Our files on the platforms: each uploaded once per account and life, whatever the number of callers and nodes."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from domain.calls import HOUR, SECOND
from domain.ids import BrandId, MediaId
from domain.messages import Content, Image, MiniProgram, Voice
from domain.people import Account
from gateway.channels.books import Books
from gateway.channels.codes import Codes, Reaction, asks
from gateway.channels.contract import MediaDesk, MediaFile, Upload
from gateway.channels.errors import Refused, Retry, SendError
from storage import uploads
from storage.engine import Database, now
from storage.uploads import Stored, UploadKey, UploadRow

CLAIM_MS = 60 * SECOND
"""How long one upload may take before somebody else may try."""

MARGIN_MS = 6 * HOUR
"""An id is not used in the last hours of its life: it must still live when the call arrives."""

_PAUSE_S = 0.2
_PAUSES = 40

ReadMedia = Callable[[BrandId, MediaId], Awaitable[MediaFile]]
"""Reads one of our stored files. Raises SendError when it cannot be had."""

T = TypeVar("T")


class Uploads:
    """The media desk of the channels. Belongs to one event loop; `pause` waits seconds."""

    def __init__(
        self, db: Database, read: ReadMedia, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._books = Books(db)
        self._read = read
        self._pause = pause
        self._running: dict[UploadKey, asyncio.Task[str]] = {}

    async def platform_id(self, account: Account, media: MediaId, upload: Upload) -> str:
        """See MediaDesk.platform_id."""
        key = await self._key(account, media)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._obtain(key, media, upload), name="upload")
            self._running[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # A caller that is cancelled leaves the others' upload alone.
        return await asyncio.shield(task)

    async def forget(self, account: Account, media: MediaId, platform_id: str) -> None:
        """See MediaDesk.forget."""
        key = await self._key(account, media)
        await self._books.write(lambda tx: uploads.forget(tx, key, platform_id))

    async def close(self) -> None:
        """Give up the uploads that still run."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _finished(self, key: UploadKey, task: asyncio.Task[str]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            # Looked at here, in case every caller went away before it failed.
            task.exception()

    async def _key(self, account: Account, media: MediaId) -> UploadKey:
        match await self._books.read(lambda tx: uploads.file_of(tx, account.brand, media)):
            case Stored("stored", sha256):
                return UploadKey(account.brand, account.id, sha256)
            case Stored("wanted", _):
                raise Retry("media_awaited", "the file is still being fetched", after_ms=2 * SECOND)
            case _:
                raise Refused("media_lost", "the file could not be fetched while the platform had it")

    async def _obtain(self, key: UploadKey, media: MediaId, upload: Upload) -> str:
        for _ in range(_PAUSES):
            row, at = await self._books.read(partial(_look, key=key))
            if row.expires_at > at:
                return row.platform_id
            if row.claimed_until <= at and await self._books.write(partial(_claim, key=key)):
                return await self._upload(key, media, upload)
            await self._pause(_PAUSE_S)
        raise Retry("upload_awaited", "somebody else is uploading this file", after_ms=2 * SECOND)

    async def _upload(self, key: UploadKey, media: MediaId, upload: Upload) -> str:
        try:
            platform_id, ends_at = await upload(await self._read(key.brand, media))
            await self._books.write(lambda tx: uploads.store(tx, key, platform_id, ends_at - MARGIN_MS))
        except BaseException:
            await asyncio.shield(self._release(key))
            raise
        return platform_id

    async def _release(self, key: UploadKey) -> None:
        try:
            await self._books.write(lambda tx: uploads.release(tx, key))
        except Retry:
            # The claim ends by itself a minute later.
            return


def media_of(content: Content) -> MediaId | None:
    """The file a content cannot be sent without."""
    match content:
        case Image(media) | Voice(media):
            return media
        case MiniProgram(thumb=thumb):
            return thumb
        case _:
            return None


async def with_media(
    desk: MediaDesk,
    account: Account,
    content: Content,
    upload: Upload,
    codes: Codes,
    deliver: Callable[[str], Awaitable[T]],
) -> T:
    """Call `deliver` with the platform's id of the content's file, or with "" where it has none. When the platform has lost
    the file, it is uploaded and delivered once more. Raises SendError."""
    media = media_of(content)
    if media is None:
        return await deliver("")
    platform_id = await desk.platform_id(account, media, upload)
    try:
        return await deliver(platform_id)
    except SendError as error:
        if not asks(codes, error, Reaction.UPLOAD):
            raise
    await desk.forget(account, media, platform_id)
    return await deliver(await desk.platform_id(account, media, upload))


def _look(tx: Connection, key: UploadKey) -> tuple[UploadRow, int]:
    return uploads.find(tx, key), now(tx)


def _claim(tx: Connection, key: UploadKey) -> bool:
    at = now(tx)
    return uploads.claim(tx, key, at + CLAIM_MS, at)
