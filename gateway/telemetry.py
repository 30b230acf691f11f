"""Logs and metrics. No token, secret, phone number or platform id of a person leaves the process through either.

One log line is one event: a stable name and ids. JSON on a server, colours on a terminal. Lines of libraries take the same way.
"""

import hashlib
import logging
import logging.config
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECRET_NAME = re.compile(
    r"token|secret|password|passwd|aes_?key|authorization|cookie|ciphertext|credential|phone|mobile", re.IGNORECASE
)
_PERSON_NAME = re.compile(r"openid|open_id|sender|recipient|external_id|unionid|work_id", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"(?i)\b((?:access_|refresh_)?token|(?:app|corp)?secret|(?:encoding_?)?aes_?key|password|signature|ticket|(?<=[?&])code)"
    r"([\"']?\s*[=:]\s*[\"']?)[^\s&\"',;)}\]]+"
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_PHONE = re.compile(r"(?<![0-9A-Za-z])1[3-9][0-9]{9}(?![0-9A-Za-z])")
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
}
"""Control characters as they are written in a program: nobody's nickname starts a line or moves the cursor."""

_LONGEST = 4000
HIDDEN = "***"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: hides secrets by the name of their field and inside texts, and replaces ids of people by a short hash."""
    for name, value in event.items():
        event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if _SECRET_NAME.search(name):
        return HIDDEN
    if _PERSON_NAME.search(name):
        return person(str(value))
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, inner) for inner in value]
    text = scrub(str(value))
    return text if name == "exception" else text.translate(_VISIBLE)


def scrub(text: str) -> str:
    """`text` without the secrets that addresses and error messages carry, cut to a sane length."""
    text = _SECRET_PARAMETER.sub(rf"\1\2{HIDDEN}", text)
    text = _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}@", text)
    text = _PHONE.sub(HIDDEN, text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def person(value: str) -> str:
    """A stand-in for a person's id: the same person has the same one in every line, and nobody can be written to with it."""
    return "p:" + hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:12]


_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def set_up_logs(*, json: bool | None = None, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line of the process to `stream` (standard error), as JSON or, on a terminal, in colours."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=[*_last_steps(as_json)])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiohttp.access", "apscheduler", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _last_steps(as_json: bool) -> Iterable[Any]:
    yield structlog.stdlib.ProcessorFormatter.remove_processors_meta
    yield structlog.processors.format_exc_info
    yield redact
    yield (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer(colors=True)
    )


_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Every figure of one gateway. No label ever names a person."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.callbacks = self._counter("callbacks", "Callbacks by answer.", "account", "answer")
        self.rejected = self._counter(
            "callbacks_rejected", "Callbacks whose envelope was not genuine.", "account", "why"
        )
        self.accept_seconds = self._histogram("accept_seconds", "Callback to answer.", _FAST, "account")
        self.accepted = self._counter("events_accepted", "Events kept.", "account", "kind")
        self.repeated = self._counter("events_repeated", "Events we had already.", "account")
        self.applied = self._counter("events_applied", "Events worked off.", "account", "kind")
        self.apply_seconds = self._histogram("apply_seconds", "Event received to worked off.", _SLOW, "account")
        self.apply_failures = self._counter("events_failed", "Attempts at an event that failed.", "account")
        self.parked = self._counter("events_parked", "Events that failed for good.", "account")
        self.outcomes = self._counter("sends", "Calls by outcome.", "account", "lane", "state")
        self.not_sent = self._counter("sends_stopped", "Rows that could not be called.", "account", "lane", "reason")
        self.send_seconds = self._histogram("send_seconds", "One call to a platform.", _SLOW, "account")
        self.wait_seconds = self._histogram("send_wait_seconds", "Queued to called.", _SLOW, "account", "lane")
        self.breaker_open = self._gauge("breaker_open", "1 while a platform is left alone.", "account")
        self.lost_callers = self._counter("sends_given_up", "Calls whose worker fell silent.")
        self.media = self._counter("media", "Files by what became of them.", "account", "state")
        self.inbox_rows = self._gauge("inbox_rows", "Events waiting (counted up to 10,000).")
        self.inbox_age = self._gauge("inbox_age_seconds", "Age of the oldest waiting event.")
        self.alarms_open = self._gauge("alarms_open", "Alarms that nobody has closed.", "severity")
        self.storage = self._gauge("storage", "Counters of the storage engine since start.", "name")

    def text(self) -> bytes:
        """Everything in the text format that Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"gateway_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"gateway_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"gateway_{name}", about, labels, buckets=buckets, registry=self.registry)
