"""From which number on a log can be relied on, where older files of it are gone.

Records come in the order in which requests end, numbers in which they begin: so behind the first record that is
left, numbers above its own may be missing because theirs had ended before. A request that began after that
record's end has a number from which on all are here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

MARGIN: Final = timedelta(milliseconds=100)
"""Between a record's end and its being written other records may come; by now none does."""


class _Event(Struct, frozen=True, gc=False):
    duration: int = 0


class _Timed(Struct, frozen=True, gc=False):
    at: datetime | None = msgspec.field(default=None, name="@timestamp")
    timestamp: datetime | None = None
    event: _Event = _Event()


_decode: Final = msgspec.json.Decoder(_Timed).decode


class Beginning:
    """One worker's numbers of one kind in one log; told of its first records in each file.

    A log's files may come in any order: the oldest file is the one whose first record is.
    """

    __slots__ = ("_cut", "_found", "seeking")

    def __init__(self) -> None:
        self._cut: datetime | None = None
        self._found: list[tuple[datetime, int]] = []
        self.seeking = True
        """Whether it wants to be told of the next record."""

    def next_file(self) -> None:
        """What comes now stands in another file."""
        self._cut = None
        self.seeking = True

    def look(self, line: bytes, number: int) -> None:
        """Be told of a record, in the order of the file."""
        try:
            timed = _decode(line)
        except msgspec.DecodeError:
            return  # times of a layout of its own
        begin = timed.at or timed.timestamp
        if begin is None or begin.tzinfo is None:
            return
        if self._cut is None:
            self._cut = begin + timedelta(microseconds=timed.event.duration // 1000) + MARGIN
        elif begin > self._cut:
            self._found.append((self._cut, number))
            self.seeking = False

    def number(self, last: int) -> int:
        """The number from which on all are here; behind `last`, the greatest, where none is known."""
        return min(self._found)[1] if self._found else last + 1
