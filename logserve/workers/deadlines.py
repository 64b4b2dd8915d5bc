"""Deadlines of many connections, each of a few kinds, in constant time.

Every deadline of one kind lies equally far ahead, so those of a kind expire in the order in which they were
set, and a dictionary, which keeps that order, is the whole data structure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Deadlines(Generic[Item]):
    """Deadlines of one kind.

    :param seconds: how far ahead each lies; 0 for never: then only the order is kept.
    """

    __slots__ = ("_ahead", "_due", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ahead = seconds or math.inf
        self._due: dict[Item, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def start(self, item: Item, now: float) -> None:
        """Set, or set anew, from `now` (CLOCK_MONOTONIC, seconds)."""
        self._due.pop(item, None)
        self._due[item] = now + self._ahead

    def cancel(self, item: Item) -> None:
        """Forget the item's deadline, if it has one."""
        self._due.pop(item, None)

    def oldest(self) -> Item | None:
        """The item whose deadline was set first."""
        return next(iter(self._due), None)

    def expired(self, now: float) -> Iterator[Item]:
        """Take the items whose deadline has passed."""
        while self._due:
            item = next(iter(self._due))
            if self._due[item] > now:
                return
            del self._due[item]
            yield item
