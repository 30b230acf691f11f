"""Small files a person can send without choosing one: drawn pictures, a second of silence, an empty clip."""

import struct
import zlib

from emulator.api import Upload

PICTURES = {"tea": (122, 158, 89), "cup": (176, 126, 84), "receipt": (226, 221, 208)}
WIDTH, HEIGHT = 240, 180
AMR_FRAME = b"\x04" + b"\x00" * 12  # 20 ms at 4.75 kbit/s
MP4 = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp41") + struct.pack(">I4s", 8, b"mdat")


def names(kind: str) -> list[str]:
    """The samples of a kind, the default first."""
    return {"image": list(PICTURES), "voice": ["hello"], "video": ["clip"]}[kind]


def sample(kind: str, name: str) -> Upload:
    """One sample. Raises KeyError when there is none of that name."""
    if name not in names(kind):
        raise KeyError(name)
    if kind == "image":
        return Upload(f"{name}.png", "image/png", _picture(PICTURES[name]))
    if kind == "voice":
        return Upload(f"{name}.amr", "audio/amr", b"#!AMR\n" + AMR_FRAME * 50)
    return Upload(f"{name}.mp4", "video/mp4", MP4)


def _picture(colour: tuple[int, int, int]) -> bytes:
    """A PNG: a disc of the colour on a lighter ground."""
    light = bytes((channel + 255) // 2 for channel in colour)
    rows = b"".join(b"\x00" + b"".join(_pixel(x, y, bytes(colour), light) for x in range(WIDTH)) for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pixel(x: int, y: int, inside: bytes, outside: bytes) -> bytes:
    return inside if (x - WIDTH // 2) ** 2 + (y - HEIGHT // 2) ** 2 < (HEIGHT // 3) ** 2 else outside


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
