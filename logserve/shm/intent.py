"""The collector's intents: what a sink is about to write, so that its successor neither repeats nor loses it.

One memfd, made by the arbiter, outlives every collector. A row of 128 bytes for each sink:

    word  what
    0     STATE: 0 nothing under way, else a :class:`State`; stored last, cleared last
    1     device of the file
    2     inode of the file
    3     size of the file before the write, bytes
    4     bytes to be written
    5     slot << 32 | incarnation of the ring that the frames come from
    6     sink number whose cursor (or REPORTED word) moves
    7     that word before the write
    8     that word after it
    9     OPENED: 1 once a collector has opened the handler's file (a file of mode "w" is truncated only once)
    10    SHED: records of this sink that the collector could not keep
    11    SHED_REPORTED: how many of them were reported in the log
    12    BACKLOG: records that are only in the collector's memory; lost, and reported, if it dies
          (frames that were put aside are not: :mod:`logserve.shm.backlog`)

The order is: row, STATE, write, the cursor, STATE = 0, and only then the ring's tail. So an intent whose cursor
still stands where it stood says: look at the file to see how much of the write happened.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from logserve.shm.layout import MAX_SINKS
from logserve.shm.segment import make_memory

ROW_WORDS: Final = 16
MEMORY_SIZE: Final = MAX_SINKS * ROW_WORDS * 8
_STATE, _FIELDS, _OPENED, _SHED, _SHED_REPORTED, _BACKLOG = 0, 1, 9, 10, 11, 12


class State(IntEnum):
    """What kind of write is under way."""

    NONE = 0
    FRAMES = 1
    """Frames of a ring: they can be taken from it again."""
    REPORT = 2
    """A report of lost records: REPORTED moves with it, a cut one is removed and made again."""
    LOCAL = 3
    """Bytes that stand in no ring; a cut rest is removed."""


class Intent(NamedTuple):
    """A write that was begun; the fields are words 0 to 8 of the row."""

    state: int
    device: int
    inode: int
    size: int
    length: int
    source: int
    sink: int
    start: int
    target: int


class Verdict(NamedTuple):
    """What is to be done about a write that was begun: None leaves the file, or the word, as it is."""

    truncate_to: int | None
    word: int | None


def settle(intent: Intent, size_now: int, word: int, frames: Sequence[tuple[int, int]]) -> Verdict:
    """Decide what a write that was begun has come to.

    :param size_now: the file's size as found, bytes.
    :param word: the cursor (or REPORTED word) as found.
    :param frames: for :attr:`State.FRAMES`, (payload length, end position) of each frame of the write.
    """
    done = size_now - intent.size
    cut = 0 < done < intent.length
    if word > intent.start:
        # Accounted for: nothing is left to do, but where its frames had been moved out of the ring meanwhile.
        return Verdict(intent.size if cut and word >= intent.target else None, None)
    if done >= intent.length:
        return Verdict(None, intent.target if intent.state != State.LOCAL else None)
    if not cut:
        return Verdict(None, None)
    whole, reached = 0, None
    for length, end in frames:
        if whole + length > done:
            break
        whole, reached = whole + length, end
    return Verdict(intent.size + whole, reached)


class Intents:
    """The rows, mapped into this process. A row has one writer at a time: its sink's thread."""

    __slots__ = ("_map", "_words", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, MEMORY_SIZE)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls) -> Intents:
        """Make empty rows; the arbiter does, and gives them to each collector."""
        return cls(make_memory("logserve-intents", MEMORY_SIZE))

    def begin(self, row: int, intent: Intent) -> None:
        """Say what is going to be written; `row` must be clear."""
        base = row * ROW_WORDS
        words = self._words
        for offset in range(_FIELDS, _FIELDS + 8):
            words[base + offset] = intent[offset]
        words[base + _STATE] = intent.state

    def clear(self, row: int) -> None:
        """Say that the write is done and accounted for."""
        self._words[row * ROW_WORDS + _STATE] = State.NONE

    def read(self, row: int) -> Intent | None:
        """Return the write under way, or None."""
        base = row * ROW_WORDS
        if not self._words[base + _STATE]:
            return None
        return Intent(*self._words[base : base + _FIELDS + 8])

    def pending(self) -> list[tuple[int, Intent]]:
        """Every row with a write under way."""
        return [(row, intent) for row in range(MAX_SINKS) if (intent := self.read(row))]

    def opened(self, row: int) -> bool:
        """Whether some collector has opened this sink's file before."""
        return bool(self._words[row * ROW_WORDS + _OPENED])

    def set_opened(self, row: int) -> None:
        """Remember that this sink's file was opened."""
        self._words[row * ROW_WORDS + _OPENED] = 1

    def shed(self, row: int) -> tuple[int, int]:
        """Records that the collector could not keep for this sink: (all, of them reported)."""
        base = row * ROW_WORDS
        return self._words[base + _SHED], self._words[base + _SHED_REPORTED]

    def add_shed(self, row: int, count: int) -> None:
        """Count records that could not be kept."""
        self._words[row * ROW_WORDS + _SHED] += count

    def set_shed_reported(self, row: int, count: int) -> None:
        """Remember how many of them stand in the log as lost."""
        self._words[row * ROW_WORDS + _SHED_REPORTED] = count

    def add_backlog(self, row: int, count: int) -> None:
        """Count records that are (or, negative, are no longer) in this process's memory only."""
        self._words[row * ROW_WORDS + _BACKLOG] += count

    def in_memory(self, row: int) -> int:
        """Records that are in the collector's memory only."""
        return self._words[row * ROW_WORDS + _BACKLOG]

    def inherit_backlog(self, row: int) -> None:
        """Count what a predecessor had in its memory when it died as lost."""
        base = row * ROW_WORDS
        lost = self._words[base + _BACKLOG]
        if lost:
            self._words[base + _SHED] += lost
            self._words[base + _BACKLOG] = 0

    def move(self, row: int, other: int) -> None:
        """Give everything in a row, in which no write is under way, to another one."""
        base, to = row * ROW_WORDS, other * ROW_WORDS
        self._words[to + _OPENED : to + ROW_WORDS] = self._words[base + _OPENED : base + ROW_WORDS]
        self.forget(row)

    def forget(self, row: int) -> None:
        """Empty a row, before its number is given to another handler."""
        for offset in range(ROW_WORDS):
            self._words[row * ROW_WORDS + offset] = 0

    def close(self) -> None:
        """Unmap and let go."""
        self._words.release()
        self._map.close()
        os.close(self.fd)
