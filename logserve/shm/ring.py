"""The ring: one producer process, one reader process, no syscall for a record.

The producer writes a frame beyond HEAD, where nobody looks, and publishes it by moving HEAD with one store.
The reader takes what lies between its cursor and HEAD and moves TAIL when the frames are where they belong.
x86 keeps stores in order, so a reader that sees HEAD sees the frames before it; elsewhere the lock's release
after a publish is the fence. The one pair that needs a fence everywhere (store HEAD, then load SLEEPING) has
the lock's acquire and release between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from logserve.shm import layout as at
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

# Bound at import, before a worker class may monkey-patch them: a wait for room must not switch greenlets.
_new_lock = threading.Lock
_new_reentrant_lock = threading.RLock
_sleep: Callable[[float], None] = time.sleep
_monotonic = time.monotonic

ROOM_POLL: float = 0.001
"""How often a producer that waits for room looks again, in seconds."""


class Producer:
    """The writing end. One for each process; threads share it through `lock`.

    Whoever places frames holds `lock` and says so in `placing`. A signal handler that logs may come in between,
    in the very thread that holds the lock: its records are put off until the frames are published.

    :param block_timeout: how long :meth:`emit` waits for room, in seconds; 0 drops at once.
    """

    __slots__ = (
        "_capacity",
        "_fence",
        "_given_up_at",
        "_mask",
        "_rested_at",
        "_ring",
        "_ring_words",
        "_tail",
        "_wakeup",
        "_words",
        "block_timeout",
        "head",
        "lock",
        "placing",
        "put_off",
        "segment",
    )

    def __init__(self, segment: Segment, wakeup: Wakeup, block_timeout: float) -> None:
        self.segment = segment
        self.block_timeout = block_timeout
        self.lock = _new_reentrant_lock()
        self.placing = False
        self.put_off: list[tuple[int, int, bytes]] = []
        """Records of signal handlers that came while frames were placed; :meth:`emit_put_off` takes them."""
        self._fence = _new_lock()
        self._ring = segment.ring
        self._ring_words = segment.ring_words
        self._words = segment.words
        self._capacity = segment.capacity
        self._mask = segment.capacity - 1
        self._wakeup = wakeup
        self.head = segment.words[at.W_HEAD]
        self._tail = segment.words[at.W_TAIL]
        self._given_up_at = -1
        self._rested_at = self.head

    @property
    def restless(self) -> bool:
        """Whether something was written since the last :meth:`rest`."""
        return self.head != self._rested_at

    def place(self, sink_kind: int, payload: bytes | memoryview, position: int) -> int:
        """Write a frame beyond HEAD and return the position of its end, or 0 where there is no room.

        The caller holds `lock` and has set `placing`. `position` is `head`, or the end of a frame placed before; `sink_kind` is
        ``frame_word(sink, kind, 0)``.
        """
        length = len(payload)
        advance = (length + 15) & ~7
        offset = position & self._mask
        if offset + advance > self._capacity:
            pad = self._capacity - offset
            if position + pad + advance - self._tail > self._capacity and not self._refresh(
                position + pad + advance
            ):
                return 0
            self._ring_words[offset >> 3] = pad
            position += pad
            offset = 0
        elif position + advance - self._tail > self._capacity and not self._refresh(position + advance):
            return 0
        self._ring[offset + 8 : offset + 8 + length] = payload
        self._ring_words[offset >> 3] = sink_kind | length
        return position + advance

    def _refresh(self, end: int) -> bool:
        self._tail = self._words[at.W_TAIL]
        return end - self._tail <= self._capacity

    def publish(self, end: int) -> None:
        """Make everything placed up to `end` the reader's; the caller holds `lock`."""
        self.head = self._words[at.W_HEAD] = end

    def rest(self) -> bool:
        """In a quiet moment: give the memory of a ring that has been read back; False where nothing was to be given.

        A ring is as large as a stalled reader needs it, and would stay in memory for ever once it was full.
        """
        with self.lock:
            if self.placing or self.head == self._rested_at or self._words[at.W_TAIL] != self.head:
                return False
            self.segment.forget_ring()
            self._rested_at = self.head
        return True

    def wake_reader(self) -> None:
        """Wake the reader if it sleeps; once per loop turn, or after a record made outside the loop."""
        with self._fence:
            pass
        if self._words[at.W_SLEEPING]:
            self._words[at.W_SLEEPING] = 0
            self._wakeup.wake()

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Publish one frame from any thread; False when it was dropped (and counted) for want of room."""
        with self.lock:
            if self.placing:
                self.put_off.append((sink, kind, payload))
                return True
            self.placing = True
            try:
                end = self.place(at.frame_word(sink, kind, 0), payload, self.head)
                if end:
                    self.publish(end)
            finally:
                self.placing = False
        if self.put_off:
            self.emit_put_off()
        if not end:
            if not self.wait_for_room(len(payload)):
                self.count_dropped(sink, too_long=self.never_fits(len(payload)))
                return False
            return self.emit(sink, kind, payload)
        self.wake_reader()
        return True

    def emit_put_off(self) -> None:
        """Emit what signal handlers logged while frames were placed; outside `lock`."""
        put_off, self.put_off = self.put_off, []
        for sink, kind, payload in put_off:
            self.emit(sink, kind, payload)

    def wait_for_room(self, length: int) -> bool:
        """Wait up to `block_timeout` seconds until a frame of this length fits; never called under `lock`.

        After a wait in vain nothing is waited for until the reader has moved: else each record would pay.
        """
        if self.never_fits(length):
            return False
        need = _room_for(length)
        words = self._words
        if words[at.W_TAIL] == self._given_up_at:
            return False
        self.wake_reader()
        deadline = _monotonic() + self.block_timeout
        while self.head + need - words[at.W_TAIL] > self._capacity:
            if _monotonic() >= deadline:
                self._given_up_at = words[at.W_TAIL]
                return False
            _sleep(ROOM_POLL)
        return True

    def never_fits(self, length: int) -> bool:
        """Whether a frame of this length is too long even for an empty ring."""
        return _room_for(length) > self._capacity

    def count_dropped(self, sink: int, *, too_long: bool = False) -> None:
        """Count one record of `sink` that could not be kept; the collector reports it in the log."""
        with self.lock:
            if too_long:
                self._words[at.W_TOO_LONG] += 1
            self._words[at.W_DROPPED + sink] += 1


def _room_for(length: int) -> int:
    """Bytes that a frame may need: its own size, and at worst as much again for the pad."""
    return 2 * at.align8(length + 8)


def frames(segment: Segment, start: int, end: int) -> Iterator[tuple[int, int, memoryview, int]]:
    """The frames between two positions: (sink, kind, payload, position of the frame's end)."""
    mask = segment.capacity - 1
    ring, words = segment.ring, segment.ring_words
    while start < end:
        offset = start & mask
        word = words[offset >> 3]
        length = word & 0xFFFFFFFF
        if word >> 32 == at.Kind.PAD:
            start += length or 8  # never 0, but for a producer that ran wild
            continue
        start += (length + 15) & ~7
        yield word >> 48, word >> 32 & 0xFFFF, ring[offset + 8 : offset + 8 + length], start
