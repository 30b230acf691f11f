"""The contract of a channel plug-in: everything the gateway knows about a platform passes through here.

What `verify` and `send` raise is drawn in gateway/channels/errors.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from domain.calls import Call
from domain.ids import MediaId
from domain.messages import Inbound
from domain.people import Account, Side


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A callback as it came: method, query pairs in order (doubles kept), body bytes, remote address."""

    method: str
    query: tuple[tuple[str, str], ...]
    body: bytes
    remote: str


@dataclass(frozen=True, slots=True)
class RawResponse:
    """What is answered to the platform, byte for byte."""

    body: bytes
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Handshake:
    """The platform checks our address; this is what it wants to hear."""

    response: RawResponse


@dataclass(frozen=True, slots=True)
class Verified:
    """A callback whose envelope is proven: the clear payload, and which key opened it (0 current, 1 previous)."""

    payload: bytes
    key_index: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The platform took it. `platform_id` is its own id of the message, where it gives one."""

    platform_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file with its sniffed type and a safe name."""

    content: bytes
    content_type: str
    name: str


class MediaDesk(Protocol):
    """How a channel gets at our media when it sends some: the platform's id of a file, uploaded at most once per life."""

    async def platform_id(self, account: Account, media: MediaId, upload: "Upload") -> str:
        """The platform's id of `media`, calling `upload` when there is none that still lives. Raises SendError."""

    async def forget(self, account: Account, media: MediaId, platform_id: str) -> None:
        """The platform does not know `platform_id` any more: upload `media` again when it is asked for. Raises SendError."""


class Upload(Protocol):
    """Uploads one file to the platform; returns its id and when that ends (ms)."""

    async def __call__(self, file: MediaFile) -> tuple[str, int]:
        """Upload. Raises SendError."""


class Channel(Protocol):
    """One configured account of one platform."""

    account: Account
    side: Side

    def verify(self, request: RawRequest, now: int) -> Verified | Handshake:
        """Prove the envelope; pure and constant time. Raises Rejected, or Malformed after a good envelope."""

    def parse(self, verified: Verified, now: int) -> list[Inbound]:
        """Read the payload; pure. What it cannot read becomes kind `unparsed`, kept raw.

        Raises Malformed when there is no message at all."""

    def acknowledge(self, verified: Verified) -> RawResponse:
        """The platform's own "success"."""

    async def send(self, call: Call) -> Accepted:
        """Carry out one call within its time limit. Raises SendError."""

    async def check(self) -> str:
        """Try the credentials against the platform; a line for people. Raises SendError."""


class FetchesMedia(Protocol):
    """A channel whose inbound media must be fetched by id."""

    async def fetch(self, origin: str) -> MediaFile:
        """The file behind the platform's media id. Raises SendError; Refused when it is gone."""
