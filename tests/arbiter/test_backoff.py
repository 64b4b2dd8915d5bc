"""A process that dies is replaced at once; one that keeps dying never makes the arbiter spin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logserve.arbiter.backoff import LONGEST, SHORT_LIFE, delay, failures_after


def test_the_first_replacements() -> None:
    assert [delay(failures) for failures in range(10)] == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_huge_count_is_no_overflow() -> None:
    assert delay(10**6) == LONGEST


def test_a_worker_that_worked_or_lived_is_replaced_at_once() -> None:
    assert failures_after(7, SHORT_LIFE, worked=False) == 0
    assert failures_after(7, 0.1, worked=True) == 0
    assert failures_after(7, 0.1, worked=False) == 8


@given(st.lists(st.floats(0, SHORT_LIFE, exclude_max=True), min_size=20, max_size=200))
def test_no_more_than_a_few_starts_in_any_minute(lifetimes: list[float]) -> None:
    now, failures = 0.0, 0
    starts = []
    for lifetime in lifetimes:
        starts.append(now)
        failures = failures_after(failures, lifetime, worked=False)
        now += lifetime + delay(failures)
    assert all(later - earlier >= 60 for earlier, later in zip(starts, starts[10:], strict=False))
