"""The internal listener: is it alive, can it take work, and its figures. Never reachable from outside."""

from collections import Counter
from collections.abc import Callable

from aiohttp import web
from sqlalchemy import Connection

from gateway.intake import Intake
from gateway.telemetry import Metrics
from storage import alarms, inbox
from storage.alarms import Alarm
from storage.engine import Database
from storage.errors import StorageError
from storage.inbox import Backlog

FAILED_LATELY_MS = 10_000
"""A node that could not keep an event is not ready for so long after; then it may try again."""


class Health:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, db: Database, intake: Intake, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._db = db
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self.draining = False

    def routes(self) -> list[web.RouteDef]:
        """What the internal listener serves."""
        return [
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._figures),
        ]

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        reason = await self.not_ready_because()
        return web.Response(text=f"{reason or 'ready'}\n", status=503 if reason else 200)

    async def not_ready_because(self) -> str:
        """Why no work should be sent here now; empty when it should."""
        if self.draining:
            return "stopping"
        if self._intake.failed_at and self._clock() - self._intake.failed_at < FAILED_LATELY_MS:
            return "events could not be stored a moment ago"
        try:
            await self._db.read(lambda tx: inbox.backlog(tx, 1))
        except StorageError as error:
            return f"storage does not answer: {error}"
        return ""

    async def _figures(self, _request: web.Request) -> web.Response:
        try:
            self._note(*await self._db.read(_look))
        except StorageError:
            # The counters are worth having without the queues.
            self._metrics.storage.labels("unavailable").set(1)
        return web.Response(body=self._metrics.text(), content_type="text/plain", charset="utf-8")

    def _note(self, backlog: Backlog, open_alarms: list[Alarm]) -> None:
        self._metrics.storage.labels("unavailable").set(0)
        self._metrics.inbox_rows.set(backlog.rows)
        age = self._clock() - backlog.oldest_at if backlog.oldest_at else 0
        self._metrics.inbox_age.set(max(0, age) / 1000)
        by_severity = Counter(alarm.severity for alarm in open_alarms)
        for severity in ("info", "warning", "critical"):
            self._metrics.alarms_open.labels(severity).set(by_severity[severity])
        for name in self._db.stats.__slots__:
            self._metrics.storage.labels(name).set(getattr(self._db.stats, name))


def _look(tx: Connection) -> tuple[Backlog, list[Alarm]]:
    return inbox.backlog(tx), list(alarms.open_alarms(tx))
