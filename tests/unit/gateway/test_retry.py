"""When to try again: growing, spread, never sooner than asked, never for ever."""

import pytest

from domain.calls import DAY, MINUTE, SECOND, Lane, OutboxState
from domain.ids import AccountId, BrandId, OutboxId
from gateway import outcomes
from gateway.channels.contract import Accepted
from gateway.channels.errors import Refused, Retry, SendError, Unknown, WindowClosed
from gateway.retry import INBOX_ATTEMPTS, MEDIA_ATTEMPTS, SEND_ATTEMPTS, inbox_wait, media_wait, send_wait
from storage.calls import OutboxRow
from storage.settlement import Outcome

NOW = 1_000_000


def row(*, attempts: int = 0, lane: Lane = Lane.TALK, expires_at: int = NOW + DAY) -> OutboxRow:
    """A row that is being called."""
    return OutboxRow(
        brand=BrandId("tea"),
        id=OutboxId("1"),
        account=AccountId("oa"),
        stream="s",
        n=0,
        lane=lane,
        recipient="o1",
        payload="{}",
        crc=0,
        attempts=attempts,
        due_by=NOW,
        expires_at=expires_at,
        fence=1,
        reports=False,
        conversation_id=None,
        customer_id=None,
        advisor_id=None,
        message_id=None,
        run_id=None,
        created_at=NOW,
    )


def test_an_event_is_tried_again_ever_later() -> None:
    waits = [inbox_wait(attempts) for attempts in range(1, INBOX_ATTEMPTS)]
    assert waits == [1 * SECOND, 5 * SECOND, 25 * SECOND, 2 * MINUTE]


def test_calls_are_made_again_ever_later_up_to_five_minutes() -> None:
    waits = [send_wait(attempts, 0, 0.0) for attempts in range(1, 20)]
    assert waits[:4] == [1000, 2000, 4000, 8000]
    assert waits == sorted(waits)
    assert waits[-1] == 5 * MINUTE


def test_rows_that_failed_together_do_not_come_back_together() -> None:
    waits = {send_wait(3, 0, chance / 10) for chance in range(11)}
    assert len(waits) == 11
    assert min(waits) == 4000
    assert max(waits) == 5000


@pytest.mark.parametrize("asked_ms", [10 * SECOND, 10 * MINUTE])
def test_a_platform_s_own_wait_is_never_undercut(asked_ms: int) -> None:
    assert send_wait(1, asked_ms, 0.0) == asked_ms


def test_a_file_is_asked_for_over_hours_not_days() -> None:
    total = sum(media_wait(attempts) for attempts in range(1, MEDIA_ATTEMPTS))
    assert 60 * MINUTE < total < 12 * 60 * MINUTE


ENDS: list[tuple[SendError, OutboxRow, Outcome]] = [
    (Refused("blocked"), row(), Outcome(OutboxState.REFUSED, "blocked", took_nothing=True)),
    (Unknown("cut"), row(), Outcome(OutboxState.UNKNOWN, "cut")),
    (SendError("new_kind"), row(), Outcome(OutboxState.UNKNOWN, "new_kind")),
    (WindowClosed("w"), row(), Outcome(OutboxState.WAITING_WINDOW, "w", closes_window=True)),
    (WindowClosed("w"), row(lane=Lane.PUSH), Outcome(OutboxState.REFUSED, "w", closes_window=True)),
    (Retry("busy"), row(), Outcome(OutboxState.RETRY_AT, "busy", next_at=NOW + 1000, took_nothing=True)),
    (
        Retry("busy", after_ms=9000, block="*"),
        row(),
        Outcome(OutboxState.RETRY_AT, "busy", next_at=NOW + 9000, block="*", took_nothing=True),
    ),
    (
        Retry("busy"),
        row(expires_at=NOW + 1000),
        Outcome(OutboxState.EXPIRED, "busy", next_at=NOW + 1000, took_nothing=True),
    ),
    (
        Retry("busy"),
        row(attempts=SEND_ATTEMPTS - 1),
        Outcome(OutboxState.DEAD, "busy", next_at=NOW + 5 * MINUTE, took_nothing=True),
    ),
]


@pytest.mark.parametrize(("error", "one", "outcome"), ENDS)
def test_every_error_has_one_outcome(error: SendError, one: OutboxRow, outcome: Outcome) -> None:
    assert outcomes.failed(error, one, NOW, 0.0) == outcome


def test_what_was_accepted_keeps_what_the_platform_said() -> None:
    assert outcomes.accepted(Accepted("m1", {"url": "u"})) == Outcome(
        OutboxState.ACCEPTED, platform_id="m1", values={"url": "u"}
    )


@pytest.mark.parametrize(
    ("error", "state", "wanted"),
    [
        (Refused("x"), OutboxState.REFUSED, False),
        (Refused("x", alarm=True), OutboxState.REFUSED, True),
        (Retry("x"), OutboxState.RETRY_AT, False),
        (Retry("x", alarm=True), OutboxState.RETRY_AT, True),
        (Retry("x"), OutboxState.DEAD, True),
        (Unknown("x"), OutboxState.UNKNOWN, False),
    ],
)
def test_a_person_is_called_when_time_will_not_mend_it(error: SendError, state: OutboxState, wanted: bool) -> None:
    assert outcomes.wants_alarm(error, Outcome(state)) is wanted


def coded(error: SendError) -> SendError:
    """The same error as a platform's answer with a code."""
    error.code = 45009
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (None, False),
        (Refused("blocked"), False),
        (WindowClosed("w"), False),
        (Retry("media_awaited"), False),
        (Retry("storage_unavailable"), False),
        (coded(Retry("connection_broken")), False),
        (Retry("not_connected"), True),
        (Retry("http_502"), True),
        (Unknown("timeout"), True),
        (Unknown("answer_unreadable"), True),
        (Unknown("node_stopped"), False),
    ],
)
def test_a_platform_is_away_when_it_does_not_answer_like_itself(error: SendError | None, away: bool) -> None:
    assert outcomes.is_away(error) is away
