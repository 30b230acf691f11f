"""A platform that takes everything at once: every request gets the same answer, without a look at it.

Its own process, below any HTTP framework, so that it is never what is measured: `python -m tests.load.platform PORT`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

from tests.load import loops

_BODY = b'{"errcode":0,"errmsg":"ok","msgid":"1","access_token":"a-token-for-the-bench","expires_in":7200}'
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Platform(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _CONTENT_LENGTH.search(self._buffer, 0, end + 2)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            self._buffer = self._buffer[size:]
            self._transport.write(_ANSWER)


async def serve(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Platform, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    loops.run(serve(int(sys.argv[1])))
