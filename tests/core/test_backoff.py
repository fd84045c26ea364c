"""Backoff: the numbers that the reference promises, and its limits for any policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.backoff import (
    count_failures,
    delay_after,
    describe_exhaustion,
    is_exhausted,
    note_restart,
)
from orchestrator.model.policy import Restart
from orchestrator.model.types import Duration


def test_default_delays_double_up_to_a_minute() -> None:
    delays = [delay_after(Restart(), failures, 0.5) for failures in range(1, 13)]
    assert delays[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert delays[9] == pytest.approx(51.2)
    assert delays[10:] == [60.0, 60.0]


def test_jitter_is_a_fifth_to_either_side() -> None:
    assert delay_after(Restart(), 1, 0.0) == pytest.approx(0.08)
    assert delay_after(Restart(), 1, 0.999999) == pytest.approx(0.12, abs=1e-6)


def test_factor_one_never_grows() -> None:
    policy = Restart(factor=1.0, jitter=0.0)
    assert delay_after(policy, 1_000_000, 0.5) == pytest.approx(0.1)


@given(
    delay=st.floats(0, 86400),
    factor=st.floats(1, 100),
    cap=st.floats(0, 86400),
    jitter=st.floats(0, 1),
    failures=st.integers(1, 10**9),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_any_delay_lies_between_nothing_and_its_cap(
    delay: float, factor: float, cap: float, jitter: float, failures: int, chance: float
) -> None:
    policy = Restart(delay=Duration(delay), factor=factor, max_delay=Duration(cap), jitter=jitter)
    assert 0 <= delay_after(policy, failures, chance) <= cap


def test_a_minute_of_readiness_forgives() -> None:
    assert count_failures(Restart(), 7, 60.0) == 1
    assert count_failures(Restart(), 7, 59.9) == 8
    assert count_failures(Restart(), 7, None) == 8


@given(st.lists(st.floats(0, 1000), max_size=30).map(sorted), st.integers(0, 5), st.floats(1, 500))
def test_what_is_kept_of_restarts_is_little_and_enough(times: list[float], most: int, window: float) -> None:
    policy = Restart(max_restarts=most, window=Duration(window))
    kept: tuple[float, ...] = ()
    for count, now in enumerate(times):
        assert is_exhausted(policy, kept, now) is is_exhausted(policy, tuple(times[:count]), now)
        kept = note_restart(policy, kept, now)
        assert len(kept) <= most


def test_without_a_bound_nothing_is_kept_and_nothing_gives_up() -> None:
    assert note_restart(Restart(), (1.0, 2.0), 3.0) == ()
    assert not is_exhausted(Restart(), (1.0, 2.0), 3.0)


def test_giving_up_in_words() -> None:
    policy = Restart(max_restarts=5, window=Duration(90.0))
    assert describe_exhaustion(policy, "why") == "gave up: 5 restarts within 1m30s; last: why"
