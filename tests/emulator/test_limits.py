"""The limits file, and how limits are counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulator import limits
from emulator.limits import Counters, Limit

ALL = limits.load()
HOUR = 3600 * 1000
NOON = 1_790_049_600_000  # 2026-09-22 12:00:00 in UTC+8


def counters() -> tuple[Counters, dict[str, list[int]]]:
    saved: dict[str, list[int]] = {}
    return Counters({}, saved.__setitem__), saved


def fixed(value: int, window_s: int) -> Limit:
    return Limit("x.y", value, "calls", "https://example.com", "fixed", window_s)


def sliding(value: int, window_s: int) -> Limit:
    return Limit("x.y", value, "calls", "https://example.com", "sliding", window_s)


@pytest.mark.parametrize("limit", ALL.values(), ids=list(ALL))
def test_each_limit_says_where_it_is_written_and_what_it_counts(limit: Limit) -> None:
    assert re.match(r"https://[\w.]+/\S+\Z", limit.document)
    assert limit.value > 0
    assert limit.unit
    assert (limit.window is None) == (limit.window_s == 0)
    assert limit.window in (None, "fixed", "sliding")


@pytest.mark.parametrize(
    ("name", "value", "window_s"),
    [
        ("wechat.message_grant", 5, 48 * 3600),
        ("wechat.menu_grant", 3, 60),
        ("wechat.follow_grant", 3, 60),
        ("wechat.scan_grant", 3, 60),
        ("wechat.text_size", 2048, 0),
        ("wechat.articles", 1, 0),
        ("wechat.callback_deadline", 5000, 0),
        ("wechat.callback_retries", 3, 0),
        ("wecom.member_minute", 30, 60),
        ("wecom.member_hour", 1000, 3600),
        ("wecom.api_minute", 10_000, 60),
        ("wecom.media_life", 3 * 24 * 3600, 0),
    ],
)
def test_the_numbers_that_shape_the_product(name: str, value: int, window_s: int) -> None:
    assert (ALL[name].value, ALL[name].window_s) == (value, window_s)


def test_a_limit_without_a_document_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text('[wechat]\nnothing = { value = 1, unit = "calls" }\n')
    with pytest.raises(ValueError, match=r"\[wechat.nothing\].*document"):
        limits.load(file)


def test_changing_a_limit_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        limits.changed(ALL, wechat__nothing=1)


def test_a_daily_limit_begins_anew_at_midnight_utc_8() -> None:
    count, _ = counters()
    limit = fixed(2, 86400)
    assert [count.spend(limit, "wx1", NOON) for _ in range(3)] == [True, True, False]
    assert not count.spend(limit, "wx1", NOON + 12 * HOUR - 1)
    assert count.spend(limit, "wx1", NOON + 12 * HOUR)


def test_a_sliding_limit_frees_each_use_after_its_window() -> None:
    count, _ = counters()
    limit = sliding(2, 60)
    assert count.spend(limit, "lan", NOON)
    assert count.spend(limit, "lan", NOON + 30_000)
    assert not count.spend(limit, "lan", NOON + 59_999)
    assert count.spend(limit, "lan", NOON + 60_000)
    assert not count.spend(limit, "lan", NOON + 89_999)


def test_uses_that_have_slid_out_are_not_kept() -> None:
    count, saved = counters()
    for n in range(50):
        count.spend(sliding(2, 60), "lan", NOON + n * 60_000)
    assert [len(marks) for marks in saved.values()] == [1]


def test_subjects_do_not_share() -> None:
    count, _ = counters()
    limit = fixed(1, 60)
    assert count.spend(limit, "one", NOON)
    assert count.spend(limit, "other", NOON)
    assert count.left(limit, "one", NOON) == 0


def test_what_was_saved_counts_on() -> None:
    count, saved = counters()
    limit = fixed(2, 86400)
    count.spend(limit, "wx1", NOON)
    later = Counters(saved, saved.__setitem__)
    assert later.left(limit, "wx1", NOON) == 1
