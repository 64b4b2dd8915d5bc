"""One handler, its queue and its thread: what blocks or raises here holds up nobody else.

The main thread hands over a batch for each ring and drain. The sink's thread takes it, moves the sink's cursor in
the ring after the handler took the frames, and then the ring's tail. A sink that falls behind has its frames put
aside (:meth:`Sink.put_aside`) in a memory of its own, from which a successor goes on; what that cannot hold is
dropped, counted and reported for this sink alone. Records made in here stand only in this process's memory; they
are counted in shared memory, so that a successor can say how many a collector that was killed had with it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from logserve.collector.backlog import Backlog, Pool
from logserve.collector.batch import Batch, Local, RingReader, Worker
from logserve.logs.forward import stamp
from logserve.shm import layout as at
from logserve.shm.intent import Intents, State

LOCAL_LIMIT: Final = 10_000
LOCAL_SIZE: Final = 8 << 20
"""Records made in the collector, and bytes of their texts, that may wait for one sink."""

_Item = Batch | Local | Callable[[], None] | None


class Reports(Protocol):
    """Who hears of a sink's failures, from its thread."""

    def failed(self, sink: Sink, error: BaseException) -> None:
        """The handler raised, or its file cannot be written."""

    def worked(self, sink: Sink) -> None:
        """The handler did its work."""

    def ended(self, sink: Sink) -> None:
        """The handler is closed."""


class Sink(ABC):
    """A handler with its queue and thread; `numbers` are the frame's sink ids that lead here."""

    def __init__(self, number: int, name: str, intents: Intents, reporter: Reports) -> None:
        self.row = number
        self.numbers = {number}
        self.name = name
        self.lock = threading.Lock()
        self.moved_at = time.monotonic()
        """When this sink last took something."""
        self.settled = False
        """Whether what a predecessor had begun to write has been looked at; nothing is written before that."""
        self.taken = 0
        self._given = 0
        self._batches: deque[Batch] = deque()
        """What is not taken yet, in order."""
        self._backlog: Backlog | None = None
        self._under_way = 0
        """Frames of the first batch whose write has begun and is not accounted for."""
        self._given_up: dict[Worker, int] = {}
        """Of whom the frames were that could not be kept, since that was last reported."""
        self._early: list[Local] = []
        self._intents = intents
        self._reporter = reporter
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._outstanding = 0
        self._locals = 0
        self._locals_size = 0
        self._closing = False
        self._current: _Item = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------------------------- main thread's side

    @property
    @abstractmethod
    def handler(self) -> logging.Handler:
        """The real handler."""

    def put(self, batch: Batch) -> None:
        """Hand over frames, already counted as pending in their ring."""
        if self.idle:
            self.moved_at = time.monotonic()
        self._given += len(batch.payloads)
        with self.lock:
            self._batches.append(batch)
        self._enqueue(batch)

    def put_local(self, local: Local) -> bool:
        """Hand over records made in here; False where too many wait already (then they are counted as lost).

        False also once the handler is closing: nobody would take them.
        """
        count, size = local.count, local.size
        with self.lock:
            if self._closing:
                return False
            if self._locals + count > LOCAL_LIMIT or (self._locals and self._locals_size + size > LOCAL_SIZE):
                self._intents.add_shed(self.row, count)
                return False
            self._locals += count
            self._locals_size += size
            for record in local.records:
                stamp(record)  # numbered only now: a number that no sink gets would be a hole
            if not self.settled:
                self._early.append(local)
                return True
            self._count(local)
        self._enqueue(local)
        return True

    def begin(self) -> None:
        """What a predecessor had begun is settled: take what has come meanwhile, and what comes."""
        with self.lock:
            self._intents.inherit_backlog(self.row)
            self.settled = True
            early, self._early = self._early, []
            for local in early:
                self._count(local)
        for local in early:
            self._enqueue(local)

    def _count(self, local: Local) -> None:
        """It is in this process's memory only; a report is not counted: one that is lost is made again."""
        if local.state == State.LOCAL:
            local.counted = local.count
            self._intents.add_backlog(self.row, local.counted)

    def call(self, function: Callable[[], None]) -> None:
        """Run `function` in this sink's thread, after what is queued."""
        self._enqueue(function)

    def _enqueue(self, item: _Item) -> None:
        with self.lock:
            self._outstanding += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"sink {self.name}", daemon=True)
                self._thread.start()
        self._queue.put(item)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or under way."""
        return self._outstanding == 0 and not self._early

    @property
    def has_backlog(self) -> bool:
        """Whether frames of this sink were taken out of their ring and still wait."""
        backlog = self._backlog
        return backlog is not None and not backlog.released and not backlog.reader.settled()

    @property
    def waiting(self) -> int:
        """Records that this sink still has to take; reports of losses are none."""
        early = sum(local.count for local in self._early if local.state == State.LOCAL)
        return self._given - self.taken + self._intents.in_memory(self.row) + early

    patience: float = 0.25
    """Seconds for which a sink may hold back more than half of a ring; less than a producer waits for room."""
    counts_progress: bool = True
    """Whether they count from when it last took something: a file that is busy holds its producers back, as the
    setting for a full ring says; a handler that is slow does not."""

    def put_aside(self, reader: RingReader, pool: Pool) -> None:
        """Move this sink's frames out of the rings, so that the others can go on.

        :param reader: the ring that is in need: from it even those go that cannot be kept. Only what the handler
            works on just now stays, and what stands behind it.
        """
        rings = {reader}
        with self.lock:
            kept = True
            for batch in list(self._batches):
                ring = batch.reader
                if ring is None or ring.is_backlog:
                    continue
                kept = kept and self._keep(batch, pool)
                if not kept and batch is self._current:
                    break  # what comes after it in its ring must not be accounted for before it
                if not kept and ring is reader:
                    self._give_up(batch, ring)
                rings.add(ring)
        for ring in rings:
            ring.advance_tail()

    def _keep(self, batch: Batch, pool: Pool) -> bool:
        if batch.index >= len(batch.payloads):
            return True  # its thread is just done with it
        if self._backlog is None or self._backlog.released:
            self._backlog = pool.claim(min(self.numbers))
        if self._backlog is None:
            return False
        under_way = self._under_way if batch is self._batches[0] else 0
        intent = self._intents.read(self.row) if under_way else None
        return self._backlog.put_aside(batch, intent, under_way)

    def _give_up(self, batch: Batch, ring: RingReader) -> None:
        rest = len(batch.payloads) - batch.index
        self._intents.add_shed(self.row, rest)
        self.taken += rest
        if ring.segment.slot != at.COLLECTOR_SLOT:  # whose records stand there, nobody has counted
            worker = ring.worker
            self._given_up[worker] = self._given_up.get(worker, 0) + rest
        ring.remove(batch)
        ring.words[at.W_CURSORS + batch.sink] = batch.ends[-1]
        batch.empty()

    def given_up(self) -> dict[Worker, int]:
        """How many frames of whom could not be kept, since it was asked last; the main thread's."""
        with self.lock:
            given_up, self._given_up = self._given_up, {}
        return given_up

    def inherit(self, backlog: Backlog) -> None:
        """Take what a predecessor had put aside for this sink, before anything else; the main thread's."""
        self._backlog = backlog
        for batch in backlog.left():
            self.put(batch)

    def rename_backlog(self) -> None:
        """One of this sink's numbers goes to another handler; what was put aside is found by another one."""
        if self._backlog is not None and not self._backlog.released:
            self._backlog.region.sink = min(self.numbers)

    def give_up_row(self, number: int) -> None:
        """The number after which this sink's row is named goes to another handler: take the row of one it keeps."""

        def move() -> None:
            with self.lock:
                self._intents.move(self.row, min(self.numbers))
                self.row = min(self.numbers)

        if number == self.row:
            self.call(move)

    def retire(self) -> None:
        """No frame will come any more: close the handler, and empty the row for whoever gets its number."""

        def close() -> None:
            self._close()
            self._intents.forget(self.row)

        if self._backlog is not None and not self._backlog.released:
            self._backlog.region.retire()
        self.call(close)
        self._end()

    def finish(self) -> None:
        """Flush and close the handler once everything queued is taken, and end the thread."""
        self._stopping.set()
        self._end()

    def _end(self) -> None:
        with self.lock:
            self._closing = True
        self._enqueue(None)

    def join(self, timeout: float) -> bool:
        """Wait for the thread after :meth:`finish`; False where it did not end in time."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    # ------------------------------------------------------------------------------ the thread's own side

    def _run(self) -> None:
        while True:
            item = self._current = self._queue.get()
            if item is None:
                self._guarded(self._close)
                self._reporter.ended(self)
                return
            if isinstance(item, Batch):
                self._guarded(self._take_batch, item)
            elif isinstance(item, Local):
                self._guarded(self._take_local, item)
                self._account_for(item)
                with self.lock:
                    self._locals -= item.count
                    self._locals_size -= item.size
            else:
                self._guarded(item)
            item = self._current = None  # while this thread waits it holds no view of a ring
            self.moved_at = time.monotonic()
            with self.lock:
                self._outstanding -= 1

    def _guarded(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            function(*arguments)
        except BaseException as error:  # SystemExit, too: it would end this thread, and nothing else
            self._reporter.failed(self, error)

    def _take_batch(self, batch: Batch) -> None:
        try:
            self.take(batch)
        finally:  # an error of ours must not hold the ring back for ever
            if batch.index < len(batch.payloads):
                self.drop(batch)
            with self.lock:
                self._batches.remove(batch)
            reader = batch.reader
            if reader is not None:
                reader.advance_tail()

    def commit(self, batch: Batch, count: int) -> None:
        """The handler took `count` more frames; the caller holds `lock`."""
        batch.index += count
        if batch.reader is not None and count:
            batch.reader.take(batch, batch.ends[batch.index - 1], done=batch.index == len(batch.ends))
        self.taken += count
        self.moved_at = time.monotonic()

    def drop(self, batch: Batch) -> None:
        """Give up the rest of a batch: counted, and reported as lost."""
        with self.lock:
            rest = len(batch.payloads) - batch.index
            if rest > 0:
                self._intents.add_shed(self.row, rest)
                self.commit(batch, rest)

    def _account_for(self, local: Local) -> None:
        """It is no longer in this process's memory only."""
        with self.lock:
            self._intents.add_backlog(self.row, -local.counted)
            local.counted = 0

    def release(self, batch: Batch) -> None:
        """Give back the ring's room before the whole batch is taken."""
        if batch.reader is not None:
            batch.reader.advance_tail()

    @abstractmethod
    def take(self, batch: Batch) -> None:
        """Give the batch's frames to the handler, in this sink's thread."""

    @abstractmethod
    def _take_local(self, local: Local) -> None:
        """Give records made in the collector to the handler."""

    @abstractmethod
    def _close(self) -> None:
        """Flush and close the handler."""
