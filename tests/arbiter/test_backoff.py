"""A process that dies is replaced at once; one that keeps dying never makes the arbiter spin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logserve.arbiter.backoff import LONGEST, SHORT_LIFE, delay, failures_after


def test_the_first_replacements() -> None:
    assert [delay(failures) for failures in range(10)] == [0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_huge_count_is_no_overflow() -> None:
    assert delay(10**6) == LONGEST


def test_whoever_lived_or_ended_in_order_is_replaced_at_once() -> None:
    assert failures_after(7, SHORT_LIFE, in_order=False) == 0
    assert failures_after(7, 0.1, in_order=True) == 0
    assert failures_after(7, 0.1, in_order=False) == 8


def test_one_kind_of_request_that_kills_does_not_keep_the_others_waiting_for_long() -> None:
    assert [delay(failures, worked=True) for failures in range(5)] == [0, 0, 0.2, 0.2, 0.2]


@given(st.lists(st.floats(0, SHORT_LIFE, exclude_max=True), min_size=20, max_size=200), st.booleans())
def test_starts_never_spin(lifetimes: list[float], worked: bool) -> None:
    now, failures = 0.0, 0
    starts = []
    for lifetime in lifetimes:
        starts.append(now)
        failures = failures_after(failures, lifetime, in_order=False)
        now += lifetime + delay(failures, worked=worked)
    for earlier, later in zip(starts, starts[10:], strict=False):
        assert later - earlier >= (1.5 if worked else 60)
