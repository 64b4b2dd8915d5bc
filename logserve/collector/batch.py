"""What travels from the rings to the sinks: frames that still stand in a ring, and records made in here."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from logserve.shm import layout as at
from logserve.shm.segment import Segment


class Worker(NamedTuple):
    """A producer, as reports name it; `origin` is how its records' ``event.id`` begins."""

    slot: int
    pid: int
    origin: str

    def __str__(self) -> str:
        return f"worker {self.slot} (pid {self.pid})"


class RingReader:
    """The reading end of one segment.

    `position` is how far the frames were handed to sinks; what a sink has finished stands in its cursor in the
    segment, and TAIL is the least of what any sink has still pending. Sink threads finish batches, the main
    thread hands them over; `lock` is held for a few stores.
    """

    __slots__ = (
        "blocked_since",
        "is_backlog",
        "lock",
        "pending",
        "pid",
        "position",
        "replay_until",
        "segment",
        "words",
    )

    def __init__(self, segment: Segment, pid: int | None, *, is_backlog: bool = False) -> None:
        self.segment = segment
        self.is_backlog = is_backlog
        """Whether this is no producer's ring, but where a sink's frames were put aside."""
        self.words = segment.words
        self._set_pid(pid)
        self.position = segment.words[at.W_TAIL]
        cursors = segment.words[at.W_CURSORS : at.W_CURSORS + at.MAX_SINKS]
        self.replay_until = max(cursors)
        """Up to here some sink may have taken frames from a collector that died."""
        self.lock = threading.Lock()
        self.pending: dict[int, deque[Batch]] = {}
        self.blocked_since = 0.0

    def _set_pid(self, pid: int | None) -> None:
        self.pid = pid

    @property
    def key(self) -> tuple[int, int]:
        """(slot, incarnation)."""
        return self.segment.slot, self.segment.incarnation

    @property
    def source(self) -> int:
        """The same in one word, as intents name a ring."""
        return self.segment.slot << 32 | self.segment.incarnation

    @property
    def head(self) -> int:
        """The end of what the producer has published."""
        return self.words[at.W_HEAD]

    @property
    def worker(self) -> Worker:
        """Whose ring it is."""
        segment = self.segment
        origin = f"{segment.boot_id.hex()}-{segment.slot:x}-{segment.incarnation:x}"
        return Worker(segment.slot, self.process_id(), origin)

    def process_id(self) -> int:
        """The producer's process id, 0 if it never began."""
        return self.pid or self.words[at.W_PID]

    def add(self, batch: Batch) -> None:
        """Count a batch as pending, before it is handed to its sink."""
        with self.lock:
            self.pending.setdefault(batch.sink, deque()).append(batch)

    def remove(self, batch: Batch) -> None:
        """A batch stands here no longer: it was put aside, or given up."""
        with self.lock:
            self.pending[batch.sink].remove(batch)

    def advance_tail(self) -> None:
        """Give back to the producer what every sink has taken."""
        with self.lock:
            self._store_tail()

    def _store_tail(self) -> None:
        tail = self.position
        for batches in self.pending.values():
            if batches:
                tail = min(tail, batches[0].floor)
        self.words[at.W_TAIL] = tail

    def take(self, batch: Batch, cursor: int, *, done: bool) -> None:
        """A sink has taken the frames of `batch` up to `cursor`, `done`: all of them."""
        self.words[at.W_CURSORS + batch.sink] = cursor
        if done:
            with self.lock:
                self.pending[batch.sink].popleft()

    def lag(self, sink: int) -> int:
        """Bytes of the ring that this sink holds back."""
        batches = self.pending.get(sink)
        try:
            return self.position - batches[0].floor if batches else 0
        except IndexError:  # its thread has just finished the last one
            return 0

    def settled(self) -> bool:
        """Whether every frame that was published has been taken by its sink."""
        return self.position == self.head and not any(self.pending.values())

    def release(self) -> None:
        """Let go of the memory; views that a thread still holds for a moment keep it mapped."""
        try:
            self.segment.close()
        except BufferError:
            pass


class Batch:
    """Frames of one ring for one sink, in order, from one drain.

    Under its sink's lock: `payloads[index:]` are still to be taken. `sink` is the number by which the ring's
    cursor is found. `reader` is None once the frames were given up.
    """

    __slots__ = ("ends", "index", "kind", "payloads", "reader", "sink", "start")

    def __init__(
        self,
        reader: RingReader | None,
        sink: int,
        kind: int,
        payloads: list[memoryview | bytes],
        ends: list[int],
        start: int,
    ) -> None:
        self.reader = reader
        self.sink = sink
        self.kind = kind
        self.payloads = payloads
        self.ends = ends
        self.start = start
        self.index = 0

    def move(
        self, reader: RingReader, sink: int, payloads: list[memoryview | bytes], ends: list[int]
    ) -> None:
        """What is still to be taken stands in another ring now, behind everything else there."""
        self.reader, self.sink, self.payloads, self.ends = reader, sink, payloads, ends
        self.start, self.index = reader.position, 0

    def empty(self) -> None:
        """Nothing is to be taken any more."""
        self.reader, self.payloads, self.ends, self.index = None, [], [], 0

    @property
    def floor(self) -> int:
        """The position in the ring from which on this batch needs it."""
        return self.ends[self.index - 1] if self.index else self.start


@dataclass(slots=True)
class Local:
    """Records made in the collector, or sent by a worker's child: they stand in no ring."""

    records: list[logging.LogRecord]
    payloads: list[bytes]
    """Finished lines, beside `records`."""
    state: int
    """:attr:`State.REPORT` or :attr:`State.LOCAL`."""
    source: int = 0
    sink: int = 0
    start: int = 0
    target: int = 0
    written: Callable[[], None] | None = None
    """Called once the sink has taken it."""
    counted: int = 0
    """As how many records it counts that are lost if this process dies."""

    @property
    def count(self) -> int:
        """How many records and lines it is."""
        return len(self.records) + len(self.payloads)

    @property
    def size(self) -> int:
        """About the bytes of their texts."""
        return sum(map(len, self.payloads)) + sum(
            len(record.msg) for record in self.records if isinstance(record.msg, str)
        )
