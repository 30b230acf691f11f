"""The breaker as a value: when calls go through, and when not."""

import pytest

from gateway.breaker import FAILURES, FIRST_REST_MS, LONGEST_REST_MS, Breaker, Circuit

NOW = 1_000_000


def opened() -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker = breaker.failed(NOW)
    return breaker


def test_a_few_failures_open_nothing() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker = breaker.failed(NOW)
        assert breaker.circuit(NOW) is Circuit.CLOSED
        assert breaker.allows(9, NOW) == 9
    assert breaker.answered() == Breaker(), "an answer in between starts the count anew"


def test_failures_in_a_row_open_it_for_a_while() -> None:
    breaker = opened()
    assert breaker.circuit(NOW) is Circuit.OPEN
    assert breaker.allows(9, NOW + FIRST_REST_MS - 1) == 0
    assert not breaker.is_closed


def test_then_one_probe_goes_out_and_no_second() -> None:
    later = NOW + FIRST_REST_MS
    breaker = opened()
    assert breaker.circuit(later) is Circuit.HALF_OPEN
    assert breaker.allows(9, later) == 1
    assert breaker.allows(0, later) == 0
    assert breaker.called(later).allows(9, later) == 0
    assert breaker.called(later).not_called().allows(9, later) == 1


def test_a_probe_that_is_answered_closes_it() -> None:
    assert opened().called(NOW + FIRST_REST_MS).answered() == Breaker()


def test_a_probe_that_fails_opens_it_twice_as_long_up_to_a_limit() -> None:
    breaker, at, rests = opened(), NOW, [FIRST_REST_MS]
    for _ in range(8):
        at = breaker.open_until
        breaker = breaker.called(at).failed(at)
        rests.append(breaker.rest_ms)
    assert rests[:4] == [FIRST_REST_MS, 2 * FIRST_REST_MS, 4 * FIRST_REST_MS, 8 * FIRST_REST_MS]
    assert rests[-1] == LONGEST_REST_MS


def test_calls_from_before_it_opened_do_not_prolong_its_rest() -> None:
    assert opened().failed(NOW + 1) == opened()


@pytest.mark.parametrize("breaker", [Breaker(), opened()])
def test_a_call_that_is_no_probe_changes_nothing(breaker: Breaker) -> None:
    assert breaker.called(NOW) == breaker
