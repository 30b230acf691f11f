"""Changes told to open pages as server-sent events."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WAITING = 1000  # changes a slow page may lag behind before it is told to reload


class Events:
    """Hands each change to every listener; a listener that lags too far is cut off and starts over."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def __bool__(self) -> bool:
        """Whether anyone listens: building a change nobody hears is wasted."""
        return bool(self._listeners)

    def publish(self, kind: str, **facts: Any) -> None:
        """Tell every listener."""
        for queue in list(self._listeners):
            if queue.qsize() < WAITING:
                queue.put_nowait({"kind": kind, **facts})
            else:
                self._end(queue)

    @contextmanager
    def listen(self) -> Iterator["asyncio.Queue[dict[str, Any] | None]"]:
        """A queue of the changes from now on; None is its end."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """End every listener."""
        for queue in list(self._listeners):
            self._end(queue)

    def _end(self, queue: "asyncio.Queue[dict[str, Any] | None]") -> None:
        self._listeners.discard(queue)
        queue.put_nowait(None)
