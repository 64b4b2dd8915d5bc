"""How soon a process that died is replaced: at once, but never in a spin.

A process that lived for :data:`SHORT_LIFE`, or that did some work and ended in order, is replaced at once. Any
other has died young and counts as a failure: the first is replaced at once too, each one after it waits twice as
long as the one before, up to :data:`LONGEST`; but where they do some work before they die (one kind of request
kills them, the others are answered) up to :data:`LONGEST_WORKED` only. A process that lives resets the count.
"""

from __future__ import annotations

from typing import Final

SHORT_LIFE: Final = 10.0
"""A process that ends sooner than this, in seconds, has died young."""
FIRST: Final = 0.5
"""The wait before the second replacement in a row, in seconds."""
LONGEST: Final = 30.0
"""No wait is longer than this, in seconds."""
LONGEST_WORKED: Final = 0.2
"""Nor than this, where the process that died had done some work."""


def failures_after(failures: int, lifetime: float, *, in_order: bool) -> int:
    """The number of young deaths in a row, after a process that lived `lifetime` seconds has ended.

    :param in_order: it did some work, and ended by itself without an error.
    """
    if in_order or lifetime >= SHORT_LIFE:
        return 0
    return failures + 1


def delay(failures: int, *, worked: bool = False) -> float:
    """Seconds to wait before the next process is started, after this many young deaths in a row.

    :param worked: the last one had done some work.
    """
    if failures <= 1:
        return 0.0
    return min(LONGEST_WORKED if worked else LONGEST, FIRST * 2.0 ** min(failures - 2, 16))
