"""Captured output on its way from a pipe to a ring: in memory that outlives the collector that reads the pipe.

One memfd, made by the arbiter beside the two pipes of a worker; an area for each of them:

    offset    what
    0         POSITION: start << 32 | end of the bytes that are no record yet, counted from DATA
    8         READING: 1 while a read may have put bytes behind `end`
    16        LEFT_OUT: bytes of the line at `start` that are left out, beyond :data:`LONGEST_LINE`
    64        DATA

A read(2) puts the bytes straight into DATA, behind `end`, over zeros. So whatever a collector that was killed had
taken out of the pipe is found by the next one: up to `end`, and where READING is set up to the last byte that is
not zero. `start` moves once the line stands in a ring: a kill between the two doubles that line, and loses none.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from logserve.shm import layout as at
from logserve.shm.segment import make_memory

LONGEST_LINE: Final = 1 << 20
"""Of a line that is longer (bytes) the rest is left out."""
READ_SIZE: Final = 64 * 1024
"""Bytes of one read; as many as a pipe of Linux holds (pipe(7))."""
AREAS: Final = 2

_POSITION, _READING, _LEFT_OUT = 0, 1, 2
_DATA: Final = 64
_CAPACITY: Final = 2 * LONGEST_LINE + READ_SIZE
"""A rest may be moved to the beginning where another read would not fit: it never overlaps itself there."""
_STRIDE: Final = _CAPACITY + at.PAGE
MEMORY_SIZE: Final = AREAS * _STRIDE
"""Bytes of the whole; sparse, so that what is never used takes no memory."""
_ZEROS: Final = bytes(READ_SIZE)


def make_captured_memory() -> int:
    """A descriptor of memory for one worker's output."""
    return make_memory("logserve-captured", MEMORY_SIZE)


class Captured:
    """The area of one pipe, mapped into this process; its one user reads, takes lines, and reads again."""

    __slots__ = ("_base", "_map", "_memory", "_words")

    def __init__(self, fd: int, index: int) -> None:
        """Map area `index` of a memory of :func:`make_captured_memory`, and find what a predecessor had read."""
        self._map = mmap.mmap(fd, MEMORY_SIZE)
        self._base = index * _STRIDE + _DATA
        self._memory = memoryview(self._map)[index * _STRIDE : (index + 1) * _STRIDE]
        self._words = self._memory[:_DATA].cast("Q")
        if self._words[_READING]:
            start, end = self._position()
            read = bytes(self._memory[_DATA + end : _DATA + end + READ_SIZE]).rstrip(b"\0")
            self._store(start, end + len(read))
            self._words[_READING] = 0

    def _position(self) -> tuple[int, int]:
        return self._words[_POSITION] >> 32, self._words[_POSITION] & 0xFFFFFFFF

    def _store(self, start: int, end: int) -> None:
        self._words[_POSITION] = start << 32 | end

    def __len__(self) -> int:
        """Bytes that are no record yet."""
        start, end = self._position()
        return end - start

    def read(self, fd: int) -> int:
        """Take what a pipe has, as os.read does: how many bytes, 0 at its end.

        :raises BlockingIOError: there is nothing now.
        """
        start, end = self._make_room()
        space = self._memory[_DATA + end : _DATA + end + READ_SIZE]
        space[:] = _ZEROS
        self._words[_READING] = 1
        try:
            count = os.readv(fd, [space])
            self._store(start, end + count)
        finally:
            self._words[_READING] = 0
            space.release()
        return count

    def _make_room(self) -> tuple[int, int]:
        start, end = self._position()
        if start == end:
            start = end = 0
        elif end + READ_SIZE > _CAPACITY:
            rest = end - start
            self._memory[_DATA : _DATA + rest] = self._memory[_DATA + start : _DATA + end]
            start, end = 0, rest
        self._store(start, end)
        return start, end

    def line(self, *, rest: bool = False) -> tuple[bytes, int, int] | None:
        """The first line: its bytes without the ending, how many were left out, and what :meth:`take` has to take.

        None while its ending has not come; with `rest` what is there of it counts as a line, if there is something.
        """
        start, end = self._position()
        found = self._map.find(b"\n", self._base + start, self._base + end)
        if found < 0 and not (rest and end > start):
            self._cut(start, end)
            return None
        length = (found - self._base if found >= 0 else end) - start
        line = bytes(self._memory[_DATA + start : _DATA + start + min(length, LONGEST_LINE)])
        left_out = self._words[_LEFT_OUT] + max(0, length - LONGEST_LINE)
        return line, left_out, length + (found >= 0)

    def _cut(self, start: int, end: int) -> None:
        """Keep no more of a line without an ending than a record may have of it."""
        beyond = end - start - LONGEST_LINE
        if beyond > 0:
            self._store(start, end - beyond)
            self._words[_LEFT_OUT] += beyond

    def take(self, count: int) -> None:
        """The first line, `count` bytes with its ending, stands in a ring."""
        start, end = self._position()
        self._store(start + count, end)
        self._words[_LEFT_OUT] = 0

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._memory.release()
        self._map.close()
