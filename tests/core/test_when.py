"""Moments as people write them after ``--since``."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.when import parse_when
from orchestrator.model.problem import Fault

HOUR = 3600.0
SUMMER = datetime.fromisoformat("2026-03-29T01:00:00Z").timestamp()


def berlin(at: float) -> float:
    """The offset of a place that has summer time, in the year 2026 before October."""
    return 2 * HOUR if at >= SUMMER else HOUR


NOW = datetime.fromisoformat("2026-07-01T14:00:00+02:00").timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", "2026-07-01T11:50:00Z"),
        ("1h30m", "2026-07-01T10:30:00Z"),
        ("0s", "2026-07-01T12:00:00Z"),
        ("2026-06-30", "2026-06-30T00:00:00+02:00"),
        ("2026-01-31", "2026-01-31T00:00:00+01:00"),
        ("2026-01-31 12:30", "2026-01-31T12:30:00+01:00"),
        ("2026-01-31T12:30:15", "2026-01-31T12:30:15+01:00"),
        ("2026-01-31T12:30:15.25Z", "2026-01-31T12:30:15.25Z"),
        ("2026-01-31t12:30:15z", "2026-01-31T12:30:15Z"),
        ("2026-01-31T12:30:15-03:30", "2026-01-31T16:00:15Z"),
        ("13:59", "2026-07-01T13:59:00+02:00"),
        ("14:00:00", "2026-07-01T14:00:00+02:00"),
        ("14:00:01", "2026-06-30T14:00:01+02:00"),
        ("2026-03-29 01:59", "2026-03-29T01:59:00+01:00"),
        ("2026-03-29 03:00", "2026-03-29T03:00:00+02:00"),
    ],
)
def test_a_moment(text: str, moment: str) -> None:
    assert parse_when(text, NOW, berlin) == datetime.fromisoformat(moment).timestamp()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" is no date, time or duration'),
        ("yesterday", '"yesterday" is no date, time or duration'),
        ("2026-02-30", 'there is no such date or time: "2026-02-30"'),
        ("25:00", 'there is no such date or time: "25:00"'),
        ("2026-01-31T23:59:60Z", 'there is no such date or time: "2026-01-31T23:59:60Z"'),
        ("600", 'the duration "600" has no unit'),
        ("2026-W05", '"2026-W05" is no date, time or duration'),
        ("-10m", '"-10m" is no date, time or duration'),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    fault = parse_when(text, NOW, berlin)
    assert isinstance(fault, Fault)
    assert fault.message == message
    assert fault.hint


def test_the_hint_tells_how_a_bare_number_is_meant() -> None:
    fault = parse_when("600", NOW, berlin)
    assert isinstance(fault, Fault)
    assert fault.hint == 'write "10m"'


@given(st.text(max_size=12) | st.from_regex(r"\A[0-9:TZ+. -]{1,28}\Z"))
def test_any_text_is_a_moment_or_a_fault(text: str) -> None:
    assert isinstance(parse_when(text, NOW, berlin), float | Fault)


@given(st.integers(0, 86399))
def test_a_time_of_day_is_in_the_last_day(second: int) -> None:
    text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    moment = parse_when(text, NOW, berlin)
    assert isinstance(moment, float)
    assert NOW - 24 * HOUR < moment <= NOW
