"""How soon a process that died is replaced: at once, but never in a spin.

A process that lived for :data:`SHORT_LIFE` or did some work is replaced at once, whatever ended it. One that
died young counts as a failure; the first is replaced at once too, each one after it waits twice as long as
the one before, up to :data:`LONGEST`. A process that lives resets the count.
"""

from __future__ import annotations

from typing import Final

SHORT_LIFE: Final = 10.0
"""A process that ends sooner than this, in seconds, without having done any work, has died young."""
FIRST: Final = 0.5
"""The wait before the second replacement in a row, in seconds."""
LONGEST: Final = 30.0
"""No wait is longer than this, in seconds."""


def failures_after(failures: int, lifetime: float, *, worked: bool) -> int:
    """The number of young deaths in a row, after a process that lived `lifetime` seconds has ended."""
    if worked or lifetime >= SHORT_LIFE:
        return 0
    return failures + 1


def delay(failures: int) -> float:
    """Seconds to wait before the next process is started, after this many young deaths in a row."""
    if failures <= 1:
        return 0.0
    return min(LONGEST, FIRST * 2.0 ** min(failures - 2, 16))
