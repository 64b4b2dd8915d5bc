"""Waiting for a condition, bounded: never a pause that is followed by an assertion."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout: float = 10.0, what: str | Callable[[], str] = "") -> T:
    """Return the first true value of `condition`.

    :param timeout: seconds after which the test has failed; generous, since it only ends a failing test.
    :param what: what is waited for, or a function that tells the state at the end.
    :raises AssertionError: the condition stayed false.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            state = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s: {state or condition!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
