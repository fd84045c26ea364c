"""Marks of a log: as text and back, what they tell of a moment and of an instance, and which are kept."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.marks import (
    KEPT_STARTS,
    MOST_MARKS,
    Mark,
    Section,
    decode_marks,
    encode_mark,
    find_previous,
    find_since,
    thin_marks,
)

MARKS = (Mark(100.0, 0, "web-1"), Mark(110.0, 50), Mark(200.0, 90), Mark(300.0, 90, "web-2"), Mark(310.0, 120))


@given(st.floats(0, 4e9), st.integers(0, 2**62), st.sampled_from([None, "web-1", "a.b_c-0123456789"]))
def test_a_mark_is_read_as_it_was_written_and_never_claims_an_earlier_time(
    at: float, position: int, instance: str | None
) -> None:
    (mark,) = decode_marks(encode_mark(Mark(at, position, instance)))
    assert (mark.position, mark.instance) == (position, instance)
    assert 0 <= mark.at - at <= 0.0011


def test_damaged_lines_are_left_out() -> None:
    text = (
        "100.000 0 web-1\n110.000 5\x00\n\n120.000\nnonsense\n130.000 -4 -\n140.000 60 -\n150.000 70 -170.000 80 -\n16"
    )
    assert decode_marks(text) == (Mark(100.0, 0, "web-1"), Mark(140.0, 60))
    assert decode_marks("") == ()


@pytest.mark.parametrize(
    ("when", "position"), [(99.9, None), (100.0, 0), (150.0, 50), (200.0, 90), (299.0, 90), (310.0, 120), (9999.0, 120)]
)
def test_what_was_written_since_a_moment_begins_at_the_latest_mark_before_it(when: float, position: int | None) -> None:
    assert find_since(MARKS, when) == position


def test_a_clock_that_was_set_back_makes_more_be_shown_and_never_less() -> None:
    marks = (Mark(1000.0, 0), Mark(2000.0, 10), Mark(1100.0, 20), Mark(2100.0, 30))
    assert find_since(marks, 1500.0) == 0
    assert find_since(marks, 2050.0) == 20


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20)), max_size=30), st.floats(-1, 101))
def test_nothing_that_was_written_since_is_left_out(steps: list[tuple[float, int]], when: float) -> None:
    """Whatever the clock does: a byte written between two marks may be as late as the later of their times."""
    marks, position = [], 0
    for at, written in steps:
        position += written
        marks.append(Mark(at, position))
    begin = find_since(marks, when) or 0
    assert all(mark.at <= when for mark in marks if mark.position < begin)


def test_the_instance_before_the_last_that_began() -> None:
    assert find_previous(MARKS) == Section("web-1", 0, 90, 100.0, 300.0)
    assert find_previous(MARKS[:3]) is None
    assert find_previous(()) is None


def test_many_marks_are_thinned_out_the_older_the_more() -> None:
    kept: tuple[Mark, ...] = ()
    for number in range(20 * MOST_MARKS):
        kept = (*kept, Mark(float(number), number, f"web-{number}" if number % 1000 == 0 else None))
        if len(kept) > MOST_MARKS:
            kept = thin_marks(kept, 0)
            assert len(kept) <= MOST_MARKS // 2
    assert list(kept) == sorted(kept, key=lambda mark: mark.position)
    assert kept[-1].position == 20 * MOST_MARKS - 1
    starts = [mark.position for mark in kept if mark.instance is not None]
    assert starts[-KEPT_STARTS:] == [1000 * number for number in range(20 - KEPT_STARTS + 1, 21)]
    gaps = [later.position - earlier.position for earlier, later in pairwise(kept)]
    assert max(gaps[: len(gaps) // 10]) > 10 * max(gaps[-len(gaps) // 10 :])


def test_a_crash_loop_does_not_fill_it_with_beginnings() -> None:
    marks = [Mark(float(number), number, f"web-{number}") for number in range(MOST_MARKS + 1)]
    kept = thin_marks(marks, 0)
    assert len(kept) <= MOST_MARKS // 2
    assert kept[-KEPT_STARTS:] == tuple(marks[-KEPT_STARTS:])


def test_marks_of_what_was_dropped_go_but_for_the_one_that_says_when_the_rest_began() -> None:
    assert thin_marks(MARKS[:1] * (KEPT_STARTS - 2) + MARKS, 100)[-3:] == MARKS[-3:]
    without_starts = tuple(Mark(mark.at, mark.position) for mark in MARKS)
    assert thin_marks(without_starts, 100) == without_starts[2:]
    assert thin_marks(without_starts, 50) == without_starts[1:]
    assert thin_marks(MARKS, 100) == (MARKS[0], *MARKS[2:]), "the beginnings of the last instances stay"
