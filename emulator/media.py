"""Files that travel: kept in the data directory under an id that lives three days, as both platforms do."""

from emulator.api import File, Refused, Upload
from emulator.core import Emulator
from emulator.state import Media, random_text
from emulator.world import Agent, OfficialAccount

KINDS = {
    "image": {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/gif": b"GIF8"},
    "voice": {"audio/amr": b"#!AMR", "audio/mpeg": b"ID3"},
    "video": {"video/mp4": b"ftyp"},
    "thumb": {"image/jpeg": b"\xff\xd8\xff"},
}


def owner(account: OfficialAccount | Agent) -> str:
    """Who may use a file: the official account, or every app of the corp."""
    return account.corp_id if isinstance(account, Agent) else account.app_id


def keep(emulator: Emulator, belongs_to: str, kind: str, upload: Upload) -> Media:
    """Store a file and give it an id. Raises OSError when it cannot be written."""
    media = Media(
        id=random_text(64),
        owner=belongs_to,
        type=kind,
        name=upload.name,
        content_type=sniff(kind, upload.data) or upload.content_type,
        size=len(upload.data),
        created_at=emulator.clock.now(),
    )
    (emulator.media_directory / media.id).write_bytes(upload.data)
    return emulator.state.media.put(media.id, media)


def find(emulator: Emulator, account: OfficialAccount | Agent, media_id: str, *kinds: str) -> Media:
    """A file this account may still use. Raises Refused 40007: unknown, another's, too old or of another type."""
    media = emulator.state.media.get(media_id)
    if media is None or media.owner != owner(account) or (kinds and media.type not in kinds):
        raise Refused(40007)
    life_ms = emulator.limit(f"{account.platform}.media_life").value * 1000
    if emulator.clock.now() >= media.created_at + life_ms:
        raise Refused(40007)
    return media


def read(emulator: Emulator, media: Media) -> File:
    """The bytes of a file."""
    return File(media.content_type, (emulator.media_directory / media.id).read_bytes(), media.name)


def sniff(kind: str, data: bytes) -> str | None:
    """The content type the first bytes prove, or None when the bytes are none of the kind's formats."""
    head = data[:16]
    for content_type, mark in KINDS.get(kind, {}).items():
        if head.startswith(mark) or (mark == b"ftyp" and mark in head):
            return content_type
    if kind == "voice" and len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return None
