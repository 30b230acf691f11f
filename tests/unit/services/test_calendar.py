"""When things are due: cron lines as crontab(5) reads them, over two years of clocks that jump, and dates that people write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.campaign import Schedule
from domain.errors import InvalidError
from services.calendar import check_cron, local_day, local_time, next_due, next_dues, read_at, zone_of
from tests.clock import START

SHANGHAI = "Asia/Shanghai"
NEW_YORK = "America/New_York"
BERLIN = "Europe/Berlin"
LORD_HOWE = "Australia/Lord_Howe"
ZONES = (SHANGHAI, NEW_YORK, BERLIN, LORD_HOWE)

TWO_YEARS = 730


def dues(cron: str, zone: str, begin: str, end: str) -> list[str]:
    """Every due time later than `begin` and up to `end`, all in local time."""
    schedule, at, last = Schedule(zone, cron=cron), read_at(begin, zone), read_at(end, zone)
    found = []
    while (due := next_due(schedule, at)) is not None and due <= last:
        found.append(local_time(due, zone))
        at = due
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["00:00", "00:30", "01:30", "02:00", "02:15", "02:30", "03:00", "10:00", "23:59"])
def test_a_daily_time_is_due_exactly_once_on_each_day_of_two_years(zone: str, time: str) -> None:
    hour, minute = time.split(":")
    schedule, at = Schedule(zone, cron=f"{minute} {hour} * * *"), read_at("2026-01-01 00:00", zone) - 1
    day = datetime(2026, 1, 1).date()  # noqa: DTZ001 - a day on the calendar, of no zone
    for _ in range(TWO_YEARS):
        due = next_due(schedule, at)
        assert due is not None
        assert due > at
        assert local_day(due, zone) == day.isoformat()
        at, day = due, day + timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
def test_no_wall_time_of_two_years_is_due_twice_and_only_skipped_ones_are_moved(zone: str) -> None:
    nights = Schedule(zone, cron="*/15 0-3 * * *")
    at, end = read_at("2026-01-01 00:00", zone) - 1, read_at("2028-01-01 00:00", zone)
    walls = []
    while (due := next_due(nights, at)) is not None and due < end:
        walls.append(local_time(due, zone))
        at = due
    assert len(walls) == len(set(walls))
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    every = {
        (midnight + timedelta(days=day, minutes=15 * quarter)).strftime("%Y-%m-%d %H:%M")
        for day in range(TWO_YEARS)
        for quarter in range(4 * 4)
    }
    assert set(walls) <= every
    assert all(_is_skipped(wall, zone) for wall in every - set(walls))


def _is_skipped(wall: str, zone: str) -> bool:
    local = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") != wall


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "end", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            NEW_YORK,
            "2026-03-07 12:00",
            "2026-03-09 12:00",
            ["2026-03-08 03:00", "2026-03-09 02:30"],
            id="a skipped time is due when the clocks jump",
        ),
        pytest.param(
            "30 * * * *",
            NEW_YORK,
            "2026-03-08 00:45",
            "2026-03-08 04:00",
            ["2026-03-08 01:30", "2026-03-08 03:00", "2026-03-08 03:30"],
            id="hourly over the jump",
        ),
        pytest.param(
            "15,40 2 * * *",
            LORD_HOWE,
            "2026-10-03 12:00",
            "2026-10-04 12:00",
            ["2026-10-04 02:30", "2026-10-04 02:40"],
            id="half an hour is skipped and the other half is not",
        ),
        pytest.param(
            "*/10 2 * * *",
            BERLIN,
            "2026-03-28 12:00",
            "2026-03-29 12:00",
            ["2026-03-29 03:00"],
            id="all times of a skipped hour are one",
        ),
        pytest.param(
            "30 1,2 * * *",
            NEW_YORK,
            "2026-10-31 12:00",
            "2026-11-01 12:00",
            ["2026-11-01 01:30", "2026-11-01 02:30"],
            id="a time shown twice is due the first time",
        ),
        pytest.param(
            "0 10 * * 1",
            SHANGHAI,
            "2026-11-20 00:00",
            "2026-12-01 00:00",
            ["2026-11-23 10:00", "2026-11-30 10:00"],
            id="1 is Monday",
        ),
        pytest.param(
            "0 10 * * 0", SHANGHAI, "2026-11-20 00:00", "2026-11-27 00:00", ["2026-11-22 10:00"], id="0 is Sunday"
        ),
        pytest.param(
            "0 10 * * 7", SHANGHAI, "2026-11-20 00:00", "2026-11-27 00:00", ["2026-11-22 10:00"], id="7 is Sunday"
        ),
        pytest.param(
            "0 10 * * SUN",
            SHANGHAI,
            "2026-11-20 00:00",
            "2026-11-27 00:00",
            ["2026-11-22 10:00"],
            id="names in any case",
        ),
        pytest.param(
            "0 10 * * 5-7",
            SHANGHAI,
            "2026-11-23 00:00",
            "2026-11-30 00:00",
            ["2026-11-27 10:00", "2026-11-28 10:00", "2026-11-29 10:00"],
            id="a range up to Sunday",
        ),
        pytest.param(
            "0 10 * * fri-sun",
            SHANGHAI,
            "2026-11-23 00:00",
            "2026-11-30 00:00",
            ["2026-11-27 10:00", "2026-11-28 10:00", "2026-11-29 10:00"],
            id="a range of names",
        ),
        pytest.param(
            "0 10 * * 1-5/2",
            SHANGHAI,
            "2026-11-23 00:00",
            "2026-11-30 00:00",
            ["2026-11-23 10:00", "2026-11-25 10:00", "2026-11-27 10:00"],
            id="a range with a step",
        ),
        pytest.param(
            "0 10 * * 2,4",
            SHANGHAI,
            "2026-11-23 00:00",
            "2026-11-30 00:00",
            ["2026-11-24 10:00", "2026-11-26 10:00"],
            id="a list",
        ),
        pytest.param(
            "0 10 25 * 1",
            SHANGHAI,
            "2026-11-22 00:00",
            "2026-12-01 00:00",
            ["2026-11-23 10:00", "2026-11-25 10:00", "2026-11-30 10:00"],
            id="day and weekday: either is enough",
        ),
        pytest.param(
            "0 10 */2 * 1",
            SHANGHAI,
            "2026-11-22 00:00",
            "2026-12-07 00:00",
            ["2026-11-23 10:00"],
            id="a star is no restriction",
        ),
        pytest.param(
            "0 10 31 * *",
            SHANGHAI,
            "2026-09-01 00:00",
            "2026-11-30 00:00",
            ["2026-10-31 10:00"],
            id="short months are left out",
        ),
        pytest.param(
            "0 10 29 2 *", SHANGHAI, "2026-01-01 00:00", "2028-12-31 00:00", ["2028-02-29 10:00"], id="leap days"
        ),
        pytest.param(
            "0 9 1 jan,JUL *",
            SHANGHAI,
            "2026-06-01 00:00",
            "2027-01-02 00:00",
            ["2026-07-01 09:00", "2027-01-01 09:00"],
            id="months",
        ),
        pytest.param(
            "５ １０ * * *",
            SHANGHAI,
            "2026-11-22 00:00",
            "2026-11-23 00:00",
            ["2026-11-22 10:05"],
            id="typed full width",
        ),
    ],
)
def test_cron_lines(cron: str, zone: str, begin: str, end: str, expected: list[str]) -> None:
    assert dues(cron, zone, begin, end) == expected


def test_within_an_hour_that_is_shown_twice_the_second_pass_is_never_due() -> None:
    first = read_at("2026-11-01 01:30", NEW_YORK)
    schedule = Schedule(NEW_YORK, cron="*/20 * * * *")
    assert [local_time(due, NEW_YORK) for due in next_dues(schedule, first, 3)] == [
        "2026-11-01 01:40",
        "2026-11-01 02:00",
        "2026-11-01 02:20",
    ]
    in_second_pass = first + 60 * 60_000
    assert local_time(next_due(schedule, in_second_pass) or 0, NEW_YORK) == "2026-11-01 02:00"


def test_the_next_due_time_is_strictly_later() -> None:
    schedule = Schedule(SHANGHAI, cron="0 10 * * *")
    ten = read_at("2026-11-23 10:00", SHANGHAI)
    day = 24 * 3600 * 1000
    assert next_due(schedule, ten - 1) == ten
    assert next_due(schedule, ten) == ten + day
    assert next_due(schedule, ten + 1) == ten + day


def test_a_single_time_is_due_once() -> None:
    at = Schedule(SHANGHAI, at=START)
    assert next_due(at, START - 1) == START
    assert next_due(at, START) is None
    assert next_dues(at, START - 1, 5) == [START]


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 10 * *", 'not the five fields "minute hour day month weekday"'),
        ("", "not the five fields"),
        ("@daily", "not the five fields"),
        ("60 10 * * *", 'minute "60" is not 0-59'),
        ("0 24 * * *", 'hour "24" is not 0-23'),
        ("0 10 0 * *", 'day "0" is not 1-31'),
        ("0 10 * 13 *", 'month "13" is not 1-12 or jan, feb'),
        ("0 10 * * 8", 'weekday "8" is not 0-7 or sun, mon'),
        ("0 10 * * monday", 'weekday "monday" is not'),
        ("0 22-6 * * *", 'hour "22-6" runs backwards'),
        ("*/0 * * * *", 'minute "*/0" has a step of 0'),
        ("1,,2 10 * * *", 'minute "" cannot be read'),
        ("-1 10 * * *", 'minute "-1" cannot be read'),
        ("0 10 * * 1#2", 'weekday "1#2" cannot be read'),
        ("0 10 30 2 *", "is never due"),
    ],
)
def test_a_wrong_cron_line_is_refused_with_its_field_and_an_example(cron: str, told: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_cron(cron, START)
    assert caught.value.field == "cron"
    assert told in caught.value.message
    assert '"0 10 * * 1" is Mondays at 10:00' in caught.value.message


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-12-01 10:00", "2026-12-01 10:00"),
        ("2026-12-01T10:00", "2026-12-01 10:00"),
        ("2026-12-01  9:05", "2026-12-01 09:05"),
        ("2026-12-01 10:00:30", "2026-12-01 10:00:30"),
        (" ２０２６-１２-０１ １０：００ ", "2026-12-01 10:00"),
    ],
)
def test_dates_as_people_write_them(written: str, read: str) -> None:
    assert local_time(read_at(written, SHANGHAI), SHANGHAI) == read


@pytest.mark.parametrize(
    "written", ["2026-12-01", "10:00", "2026-02-30 10:00", "2026-12-01 25:00", "tomorrow", "2026/12/01 10:00", ""]
)
def test_what_is_no_date_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(InvalidError, match="2026-12-01 10:00") as caught:
        read_at(written, SHANGHAI)
    assert caught.value.field == "at"


def test_a_time_that_the_clocks_skip_is_refused_and_one_shown_twice_is_the_first() -> None:
    with pytest.raises(InvalidError, match="take 2026-03-08 03:00"):
        read_at("2026-03-08 02:30", NEW_YORK)
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert read_at("2026-11-01 01:30", NEW_YORK) == first.timestamp() * 1000


@pytest.mark.parametrize(
    ("name", "told"),
    [("Asia/Shangai", 'did you mean "Asia/Shanghai"'), ("Beijing", "for example"), ("../etc/passwd", "for example")],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(InvalidError, match=told) as caught:
        zone_of(name)
    assert caught.value.field == "timezone"
