"""The backlogs: what a sink that has fallen behind still has to take, in memory that outlives every collector.

One memfd, made by the arbiter and never read by it, of :data:`REGIONS` regions. It is sparse: a region takes
memory only while it is used. A region has a segment's layout without entries (:mod:`logserve.shm.layout`), so
what goes for a worker's ring goes for it: HEAD publishes, one cursor (CURSORS[0]) says what was taken, a write
to a file has an intent that names it. All its frames are one sink's, whatever number they say. In its header:

    word  what
    832   STATE: 0 free, 1 in use, 2 in use by a handler that no configuration names any more
    833   SERIAL: regions in use are counted, so that the older one is taken first
    834   SINK: a number that leads to the sink
    835   MOVING: 1 while frames move here from a ring; words 836 to 839 say which
    836   slot << 32 | incarnation of that ring
    837   the sink number whose cursor moves there
    838   that cursor after the move
    839   HEAD here after the move
    840   WAS: an intent that was under way while its frames moved: source, sink, start, target
    844   NOW: start and target of the same write here

Frames move in this order: placed beyond HEAD, the words above, MOVING, HEAD (from here on they stand here), the
ring's cursor, MOVING = 0. So a collector that finds MOVING knows by HEAD whether the ring's cursor has to follow.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from logserve.shm import layout as at
from logserve.shm.intent import Intent, State
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment, make_memory, write_header
from logserve.shm.wake import Wakeup

CAPACITY: Final = 8 << 20
"""Bytes that one sink may have put aside."""
REGIONS: Final = 32
"""Sinks that may lag at the same time; of one more the records are dropped, and counted."""
SLOT: Final = 1 << 16
"""The slot under which intents name a region, with its index as incarnation: no worker's."""

FREE, IN_USE, RETIRED = 0, 1, 2
_SIZE: Final = at.segment_size(CAPACITY, 0)
_STRIDE: Final = CAPACITY + (64 << 10)
"""A multiple of every page size."""
_STATE, _SERIAL, _SINK, _MOVING, _MOVE, _WAS, _NOW = 832, 833, 834, 835, 836, 840, 844


class Region:
    """One region, mapped into this process."""

    def __init__(self, segment: Segment, wakeup: Wakeup) -> None:
        self.segment = segment
        self._words = segment.words
        self._producer = Producer(segment, wakeup, 0.0)

    @property
    def state(self) -> int:
        """FREE, IN_USE or RETIRED."""
        return self._words[_STATE]

    @property
    def serial(self) -> int:
        """Which came first."""
        return self._words[_SERIAL]

    @property
    def sink(self) -> int:
        """A number that leads to the sink whose frames these are."""
        return self._words[_SINK]

    @sink.setter
    def sink(self, number: int) -> None:
        self._words[_SINK] = number

    @property
    def moving(self) -> bool:
        """Whether a ring's cursor has still to follow a move."""
        return bool(self._words[_MOVING])

    def claim(self, number: int, serial: int) -> None:
        """Use it for this sink from now on."""
        for word in (_MOVING, *range(_WAS, _NOW + 2)):
            self._words[word] = 0
        self._words[_SINK] = number
        self._words[_SERIAL] = serial
        self._words[_STATE] = IN_USE

    def retire(self) -> None:
        """No configuration names its sink any more, and its number may become another's."""
        self._words[_STATE] = RETIRED

    def release(self) -> None:
        """All frames are taken: give the memory back."""
        self._words[at.W_TAIL] = self._words[at.W_CURSORS] = self._words[at.W_HEAD]
        self._words[_STATE] = FREE
        self.segment.forget_ring()

    def place(self, kind: int, payloads: list[memoryview | bytes]) -> list[int]:
        """Write frames beyond HEAD; the positions of their ends, empty where there is no room for all."""
        ends = []
        position = self._producer.head
        word = at.frame_word(0, kind, 0)
        for payload in payloads:
            position = self._producer.place(word, payload, position)
            if not position:
                return []
            ends.append(position)
        return ends

    def take_over(self, ring: memoryview, source: int, sink: int, cursor: int, end: int) -> None:
        """Make placed frames, up to `end`, this region's own, and move the ring's cursor past them.

        :param ring: the words of the segment from which they come.
        """
        words = self._words
        words[_MOVE], words[_MOVE + 1], words[_MOVE + 2], words[_MOVE + 3] = source, sink, cursor, end
        words[_MOVING] = 1
        self._producer.publish(end)
        ring[at.W_CURSORS + sink] = cursor
        words[_MOVING] = 0

    def complete_move(self, ring: memoryview, source: int) -> None:
        """Do the rest of a move from this ring in which a collector was killed."""
        words = self._words
        if not words[_MOVING] or words[_MOVE] != source:
            return
        cursor = at.W_CURSORS + words[_MOVE + 1]
        if words[at.W_HEAD] >= words[_MOVE + 3]:
            ring[cursor] = max(ring[cursor], words[_MOVE + 2])
        words[_MOVING] = 0

    def carry(self, intent: Intent, target: int) -> None:
        """Remember, before the move, that a write is under way of frames that will end here at `target`."""
        words = self._words
        words[_WAS], words[_WAS + 1] = intent.source, intent.sink
        words[_WAS + 2], words[_WAS + 3] = intent.start, intent.target
        words[_NOW], words[_NOW + 1] = words[at.W_CURSORS], target

    def translated(self, intent: Intent) -> Intent:
        """The same intent, by this region's positions where its frames stand here now."""
        words = self._words
        was = tuple(words[_WAS : _WAS + 4])
        moved = words[_NOW + 1] and words[at.W_HEAD] >= words[_NOW + 1]
        if not moved or intent.state != State.FRAMES or was != intent[5:]:
            return intent
        source = self.segment.slot << 32 | self.segment.incarnation
        return intent._replace(source=source, sink=0, start=words[_NOW], target=words[_NOW + 1])


class Backlogs:
    """The memory of all regions; a region is mapped when it is asked for."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def create(cls) -> Backlogs:
        """Make it, all regions free."""
        return cls(make_memory("logserve-backlogs", REGIONS * _STRIDE))

    def used(self) -> list[int]:
        """The indices of the regions in which something may stand."""
        found = []
        for index in range(REGIONS):
            # By read(2), for which a hole takes no memory.
            state = os.pread(self.fd, 8, index * _STRIDE + _STATE * 8)
            if any(state):
                found.append(index)
        return found

    def region(self, index: int, wakeup: Wakeup) -> Region:
        """Map one region; `wakeup` is not used, a producer wants one."""
        offset = index * _STRIDE
        with mmap.mmap(self.fd, at.HEADER_SIZE, offset=offset) as head, memoryview(head) as memory:
            if not any(memory[:8]):
                write_header(memory, CAPACITY, 0, SLOT, index, bytes(at.BOOT_ID_SIZE))
        return Region(Segment(self.fd, offset, _SIZE), wakeup)

    def close(self) -> None:
        """Let go."""
        os.close(self.fd)
