"""No secret and no id of a person leaves through a log line, whatever a line is made of."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import Metrics, person, scrub, set_up_logs

CANARY = "CANARY4711"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log of this test, as JSON; logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    set_up_logs(json=True, stream=out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def last(lines: io.StringIO) -> dict[str, object]:
    """The last line."""
    read: dict[str, object] = json.loads(lines.getvalue().splitlines()[-1])
    return read


@pytest.mark.parametrize(
    "fields",
    [
        {"access_token": CANARY},
        {"app_secret": CANARY},
        {"encoding_aes_key": CANARY},
        {"password": CANARY},
        {"Authorization": CANARY},
        {"phone": CANARY},
        {"nested": {"corpsecret": CANARY}},
        {"listed": [{"token": CANARY}]},
        {"url": f"https://api.example/cgi-bin/x?access_token={CANARY}&a=1"},
        {"error": f"GET /cgi-bin/gettoken?corpid=1&corpsecret={CANARY}"},
        {"url": f"postgresql://tea:{CANARY}@db/tea"},
        {"body": f'{{"secret": "{CANARY}"}}'},
        {"url": f"https://x/oauth?code={CANARY}&state=1"},
        {"openid": CANARY},
        {"recipient": CANARY},
        {"external_id": CANARY},
    ],
    ids=str,
)
def test_a_secret_is_never_written(lines: io.StringIO, fields: dict[str, object]) -> None:
    structlog.get_logger("x").info("something", **fields)
    assert CANARY not in lines.getvalue()
    assert last(lines)["event"] == "something"


def test_a_library_s_line_takes_the_same_way(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("calling %s", f"https://x/?access_token={CANARY}")
    assert CANARY not in lines.getvalue()
    assert last(lines)["level"] == "warning"


def test_a_traceback_is_scrubbed_and_stays_one_line(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"secret={CANARY}")
    except ValueError:
        structlog.get_logger("x").exception("broken")
    assert CANARY not in lines.getvalue()
    assert len(lines.getvalue().splitlines()) == 1
    assert "ValueError" in str(last(lines)["exception"])


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "console"])
def test_a_name_cannot_forge_a_line(lines: io.StringIO, as_json: bool) -> None:
    set_up_logs(json=as_json, stream=lines)
    structlog.get_logger("x").info("named", name="x\n2026-01-01 ERROR admin logged in \x1b[2J\r")
    logging.getLogger("library").warning("customer %s wrote", "a\nb")
    assert len(lines.getvalue().splitlines()) == 2
    assert "\x1b[2J" not in lines.getvalue()


def test_what_is_no_secret_stays_readable(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("done", account="oa", count=3, ok=True, nothing=None, text="errcode=45009 你好")
    line = last(lines)
    assert (line["account"], line["count"], line["ok"], line["nothing"]) == ("oa", 3, True, None)
    assert line["text"] == "errcode=45009 你好"


def test_a_phone_number_is_hidden_also_as_a_number(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("called", phone=13812345678)
    assert "13812345678" not in lines.getvalue()


@pytest.mark.parametrize("phone", ["13812345678", "call 19912345678 now", "tel:13812345678."])
def test_phone_numbers_are_hidden(phone: str) -> None:
    assert not any(char.isdigit() for char in scrub(phone))


def test_ids_are_not_taken_for_phone_numbers() -> None:
    assert scrub("019a13812345678abc") == "019a13812345678abc"


def test_a_person_is_recognised_but_not_reached() -> None:
    assert person("o123") == person("o123") != person("o124")
    assert "o123" not in person("o123")


def test_a_long_text_is_cut() -> None:
    assert len(scrub("x" * 1_000_000)) < 5000


def test_debug_lines_are_not_written_by_default(lines: io.StringIO) -> None:
    structlog.get_logger("x").debug("chatter")
    assert lines.getvalue() == ""


def test_two_gateways_in_one_process_have_their_own_figures() -> None:
    one, two = Metrics(), Metrics()
    one.accepted.labels("oa", "message").inc()
    assert b'gateway_events_accepted_total{account="oa",kind="message"} 1.0' in one.text()
    assert b"gateway_events_accepted_total{" not in two.text()


def test_no_figure_names_a_person() -> None:
    labels = {label for metric in Metrics().registry.collect() for sample in metric.samples for label in sample.labels}
    assert labels <= {"account", "answer", "kind", "lane", "le", "name", "reason", "severity", "state", "why"}
