"""Files that travel by id: fetched from a platform, recognised by their first bytes, uploaded under a name of our own.

https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia
https://developer.work.weixin.qq.com/document/path/90253
"""

import hashlib
import re
from collections.abc import Callable, Mapping

from domain.calls import DAY, SECOND
from gateway.channels.calls import Api, Request
from gateway.channels.contract import MediaFile
from gateway.channels.errors import Refused, Retry

LIFE_MS = 3 * DAY
"""How long both platforms keep an uploaded file."""

UPLOAD = "/cgi-bin/media/upload"
FETCH = "/cgi-bin/media/get"

UNKNOWN_TYPE = "application/octet-stream"

_MEDIA_ID = re.compile(r"[\x21-\x7e]{1,512}")
_CREATED = re.compile(r"[0-9]{10}")
# Prefix at the offset -> type. What a file says it is does not count.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftyp", "video/mp4"),
)
_EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/amr": "amr",
    "audio/mpeg": "mp3",
    "audio/ogg": "spx",
    "video/mp4": "mp4",
}


def sniff(content: bytes) -> str:
    """The type of a file by its first bytes; `application/octet-stream` when they are none we know."""
    for offset, prefix, content_type in _MAGIC:
        if content.startswith(prefix, offset):
            return content_type
    return UNKNOWN_TYPE


def named(content: bytes) -> MediaFile:
    """A file under a name of our own, which says nothing of where it came from."""
    content_type = sniff(content)
    extension = _EXTENSIONS.get(content_type, "bin")
    return MediaFile(content, content_type, f"{hashlib.sha256(content).hexdigest()[:16]}.{extension}")


async def fetch(api: Api, origin: str) -> MediaFile:
    """The file behind a platform's media id, 20 MiB at most. Raises SendError; Refused when it is gone."""
    # A video comes as a link, which is not followed.
    request = Request(FETCH, query={"media_id": origin}, repeatable=True, proof="video_url")
    content = await api.download(request)
    if not content:
        raise Retry("file_empty", f"{FETCH} answered with no bytes")
    return named(content)


async def upload(api: Api, kinds: Mapping[str, str], file: MediaFile, clock: Callable[[], int]) -> tuple[str, int]:
    """Upload a file as the platform's kind for its type; returns the platform's id and when that ends. Raises SendError."""
    kind = kinds.get(file.content_type)
    if kind is None:
        raise Refused("media_type_refused", f"the platform takes no {file.content_type}")
    # The name travels in a header, and the receiver may see it: ours is plain ASCII whatever the file was called.
    ours = named(file.content)
    request = Request(UPLOAD, query={"type": kind}, file=ours, repeatable=True, proof="media_id")
    started_at = clock()
    answer = await api.ask(request)
    media_id = answer.get("media_id")
    if not isinstance(media_id, str) or not _MEDIA_ID.fullmatch(media_id):
        raise Retry("media_id_unreadable", f"{UPLOAD} answered with no usable id")
    return media_id, _created_at(str(answer.get("created_at")), started_at) + LIFE_MS


def _created_at(text: str, started_at: int) -> int:
    # The platform may answer with an older upload of the same bytes, never with a younger one.
    created_at = int(text) * SECOND if _CREATED.fullmatch(text) else started_at
    return min(created_at, started_at)
