"""The tables of codes: every documented code has a rule, and every rule does what its name says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calls import DAY, HOUR, MINUTE
from gateway.channels.codes import UNKNOWN_CODE, Codes, Reaction, Rule, asks, judge
from gateway.channels.errors import Refused, Retry, SendError, WindowClosed
from gateway.channels.wechat.codes import CODES as WECHAT
from gateway.channels.wecom.codes import CODES as WECOM
from tests.clock import START

OK, RETRY, REFRESH, WAIT, UPLOAD = "ok", "retry", "refresh", "wait", "upload"
WINDOW, GIVE_UP, ALARM, BUG = "window", "give up", "alarm", "bug"

WAYS: dict[Reaction, str] = {
    Reaction.OK: OK,
    Reaction.RETRY: RETRY,
    Reaction.REFRESH: REFRESH,
    Reaction.WINDOW: WINDOW,
    Reaction.MINUTE: WAIT,
    Reaction.HOUR: WAIT,
    Reaction.TOMORROW: WAIT,
    Reaction.UPLOAD: UPLOAD,
    Reaction.GIVE_UP: GIVE_UP,
    Reaction.STOP: ALARM,
    Reaction.ALARM: ALARM,
    Reaction.BUG: BUG,
}

WECHAT_DOCUMENTED: dict[str, list[int]] = {
    OK: [45065, 45080, 45081],
    RETRY: [-1, 61450],
    REFRESH: [40001, 40014, 42001],
    WAIT: [45009, 45011, 44991, 44990, 45066, 42010, 45028, 89504, 89505],
    UPLOAD: [40007],
    WINDOW: [45015, 45047],
    BUG: [
        *(41001, 43002, 43003, 76003, 76022, 40033, 47002, 65318, 44004, 45008, 45086, 45072, 40036, 40037, 40039),
        *(40165, 40166, 45067, 40052, 40053, 40032, 9410010, 9410011),
    ],
    ALARM: [
        *(40013, 40125, 40164, 89503, 89501, 89506, 89507, 61004, 61007, 40200, 48001, 48004, 48008, 45087, 40249),
        *(43116, 45103, 200012, 45029, 65400, 65401, 65402, 61452),
    ],
    GIVE_UP: [
        *(48006, 40003, 43004, 50005, 43019, 48002, 50002, 70000, 45002, 47003, 43101, 40130, 40152, 45113, 48021),
        *(48022, 45056, 45157, 45158, 45058, 45057, 45059, 45064, 65320, 65303, 40163, 40029, 42007),
        *range(65403, 65418),
        *(61451, 61453, 61454, 61455, 61456, 61457),
    ],
}

WECOM_DOCUMENTED: dict[str, list[int]] = {
    OK: [42022],
    RETRY: [-1, 301022, 45035, 41096, 95007],
    REFRESH: [40014, 42001],
    WAIT: [45009, 45033, 41063, 41094, 40129],
    UPLOAD: [40007],
    WINDOW: [95001, 95002],
    ALARM: [
        *(40001, 40013, 41001, 48002, 48009, 50003, 60020, 301002, 301007, 40056, 40057, 43012, 95011, 95012, 95017),
        *(95021, 95023, 93000, 701008, 41045, 41095, 95003, 50001, 80001, 40093, 42012),
    ],
    GIVE_UP: [
        *(40003, 46004, 60011, 60111, 81013, 84061, 84084, 40096, 50002, 95014),
        *(40008, 40033, 40035, 40058, 40063, 41072, 44001, 44004, 45001, 45002, 45007, 45008, 90207, 90208, 830002),
        *(42014, 42015, 42016, 42017, 41050, 41051, 41053, 41047, 41048, 41064, 41065, 41093),
        *(41041, 41044, 41054, 41091, 81017, 40097, 40098, 40099, 40100, 40128, 40130),
        *(95030, 95031, 95013, 95016, 95018, 95019, 95000, 95004, 95005, 95006, 95026, 95027),
        *(846605, 846608, 93006, 40029, 84014, 84015),
    ],
    BUG: [],
}


@pytest.mark.parametrize(("codes", "documented"), [(WECHAT, WECHAT_DOCUMENTED), (WECOM, WECOM_DOCUMENTED)])
def test_every_documented_code_has_the_documented_rule(codes: Codes, documented: dict[str, list[int]]) -> None:
    expected = {code: way for way, codes_ in documented.items() for code in codes_}
    assert {code: WAYS[rule.reaction] for code, rule in codes.items()} == expected


@pytest.mark.parametrize("codes", [WECHAT, WECOM])
def test_reasons_are_stable_words(codes: Codes) -> None:
    assert all(rule.reason.replace("_", "").isalpha() and rule.reason.islower() for rule in codes.values())


SECOND_TO_MINUTE = 40 * 1000
"""START is 14:13:20 UTC, 22:13:20 in China."""

MEANINGS: list[tuple[Reaction, type[SendError], dict[str, Any]]] = [
    (Reaction.RETRY, Retry, {"block": "", "alarm": False}),
    (Reaction.REFRESH, Retry, {"block": "*", "alarm": True, "after_ms": MINUTE}),
    (Reaction.STOP, Retry, {"block": "*", "alarm": True, "after_ms": 5 * MINUTE}),
    (Reaction.WINDOW, WindowClosed, {}),
    (Reaction.MINUTE, Retry, {"block": "/api", "alarm": False, "after_ms": SECOND_TO_MINUTE + 1000}),
    (Reaction.HOUR, Retry, {"block": "/api", "alarm": False, "after_ms": HOUR}),
    (
        Reaction.TOMORROW,
        Retry,
        {"block": "/api", "alarm": True, "after_ms": HOUR + 46 * MINUTE + SECOND_TO_MINUTE + MINUTE},
    ),
    (Reaction.UPLOAD, Refused, {"alarm": False}),
    (Reaction.GIVE_UP, Refused, {"alarm": False}),
    (Reaction.ALARM, Refused, {"alarm": True}),
    (Reaction.BUG, Refused, {"alarm": True}),
]


@pytest.mark.parametrize(("reaction", "kind", "facts"), MEANINGS)
def test_a_rule_does_what_its_name_says(reaction: Reaction, kind: type[SendError], facts: dict[str, Any]) -> None:
    error = judge({7: Rule(reaction, "because")}, 7, "their words", "/api", START)
    assert type(error) is kind
    assert (error.reason, error.code, error.message) == ("because", 7, "/api answered 7 their words")
    assert {name: getattr(error, name) for name in facts} == facts
    assert asks({7: Rule(reaction, "because")}, error, reaction)


def test_every_reaction_is_covered() -> None:
    assert {reaction for reaction, _, _ in MEANINGS} == set(Reaction) - {Reaction.OK}


def test_success_is_no_error() -> None:
    assert judge({}, 0, "ok", "/api", START) is None
    assert judge({7: Rule(Reaction.OK, "done_already")}, 7, "", "/api", START) is None


def test_our_own_errors_ask_for_nothing() -> None:
    assert not any(asks({0: Rule(reaction, "x")}, Refused("ours"), reaction) for reaction in Reaction)


@given(st.integers(), st.sampled_from([WECHAT, WECOM]))
def test_an_unknown_code_is_final_and_wants_a_person(code: int, codes: Codes) -> None:
    if code in codes or code == 0:
        return
    error = judge(codes, code, "?", "/api", START)
    assert isinstance(error, Refused)
    assert (error.reason, error.alarm) == (UNKNOWN_CODE.reason, True)


@given(st.integers(0, 10**13))
def test_tomorrow_is_within_a_day_and_a_minute(now: int) -> None:
    error = judge({7: Rule(Reaction.TOMORROW, "x")}, 7, "", "/api", now)
    assert isinstance(error, Retry)
    assert MINUTE < error.after_ms <= DAY + MINUTE
    assert (now + error.after_ms - MINUTE + 8 * HOUR) % DAY == 0
