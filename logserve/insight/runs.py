"""Sets of sequence numbers, kept as runs: a million numbers without a hole are two integers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Run = tuple[int, int]
"""First and last number of a run, both of them in it."""


class Runs:
    """A set of whole numbers that mostly come in order.

    A number that extends the run of the one before is added fastest by the caller itself::

        if number == runs.next and number != runs.limit:
            runs.next += 1
        else:
            was_new = runs.add(number)
    """

    __slots__ = ("_current", "_ends", "_starts", "limit", "next")

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # the first number behind each run; of the current one, `next` is newer
        self._current = -1
        self.next = -1
        """What extends the current run; -1 while there is none."""
        self.limit = -1
        """What would join the current run to the one behind it, which takes :meth:`add`."""
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> bool:
        """Add a number; False if it was there already."""
        starts, ends = self._starts, self._ends
        self._settle()
        before = bisect_right(starts, number) - 1
        if before >= 0 and number < ends[before]:
            return False
        joins_before = before >= 0 and ends[before] == number
        joins_behind = before + 1 < len(starts) and starts[before + 1] == number + 1
        if joins_before and joins_behind:
            ends[before] = ends.pop(before + 1)
            del starts[before + 1]
        elif joins_before:
            ends[before] = number + 1
        elif joins_behind:
            before += 1
            starts[before] = number
        else:
            before += 1
            starts.insert(before, number)
            ends.insert(before, number + 1)
        self._current = before
        self.next = ends[before]
        self.limit = starts[before + 1] - 1 if before + 1 < len(starts) else -1
        return True

    def _settle(self) -> None:
        if self._current >= 0:
            self._ends[self._current] = self.next

    def runs(self) -> list[Run]:
        """The runs in order; between any two at least one number is missing."""
        self._settle()
        return [(start, end - 1) for start, end in zip(self._starts, self._ends, strict=True)]


def count(runs: Iterable[Run]) -> int:
    """How many numbers these runs have."""
    return sum(last - first + 1 for first, last in runs)


def union(*sets: Sequence[Run]) -> list[Run]:
    """The runs of all numbers that any of the sets has."""
    merged: list[Run] = []
    for first, last in sorted(run for runs in sets for run in runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def common(one: Sequence[Run], other: Sequence[Run]) -> list[Run]:
    """The runs of the numbers that both sets have."""
    found: list[Run] = []
    here = there = 0
    while here < len(one) and there < len(other):
        first, last = max(one[here][0], other[there][0]), min(one[here][1], other[there][1])
        if first <= last:
            found.append((first, last))
        if one[here][1] <= other[there][1]:
            here += 1
        else:
            there += 1
    return found


def missing(runs: Sequence[Run], first: int, last: int) -> list[Run]:
    """The runs of the numbers from `first` to `last` that a set does not have."""
    holes: list[Run] = []
    for start, end in common(runs, [(first, last)]):
        if start > first:
            holes.append((first, start - 1))
        first = end + 1
    if first <= last:
        holes.append((first, last))
    return holes


def numbers(runs: Iterable[Run], limit: int | None = None) -> list[int]:
    """The numbers of these runs, at most `limit`."""
    found: list[int] = []
    for first, last in runs:
        if limit is not None:
            last = min(last, first + limit - len(found) - 1)
        found += range(first, last + 1)
    return found
