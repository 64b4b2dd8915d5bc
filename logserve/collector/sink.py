"""One handler, its queue and its thread: what blocks or raises here holds up nobody else.

The main thread hands over a batch for each ring and drain. The sink's thread takes it, moves the sink's cursor in
the ring after the handler took the frames, and then the ring's tail. A sink that falls behind has its frames
copied to this process's memory (:meth:`Sink.detach`), bounded by :data:`BACKLOG_LIMIT`; what that cannot hold is
dropped, counted and reported for this sink alone. What stands only in memory is counted in shared memory too, so
that a successor can say how many records a collector that was killed had with it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

from logserve.collector.batch import Batch, Local, RingReader
from logserve.shm import layout as at
from logserve.shm.intent import Intents

BACKLOG_LIMIT: Final = 8 << 20
"""Bytes of frames that a sink which has fallen behind may keep in memory."""
LOCAL_LIMIT: Final = 10_000
"""Records made in the collector that may wait for one sink."""

_Item = Batch | Local | Callable[[], None] | None


class Reports(Protocol):
    """Who hears of a sink's failures, from its thread."""

    def failed(self, sink: Sink, error: BaseException) -> None:
        """The handler raised, or its file cannot be written."""

    def worked(self, sink: Sink) -> None:
        """The handler did its work."""


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
        intents.inherit_backlog(number)
        self._early: list[Local] = []
        self._intents = intents
        self._reporter = reporter
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._outstanding = 0
        self._locals = 0
        self._held = 0
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
        self._enqueue(batch)

    def put_local(self, local: Local) -> bool:
        """Hand over records made in here; False where too many wait already (then they are counted as lost)."""
        count = len(local.records) + len(local.payloads)
        with self.lock:
            if self._locals + count > LOCAL_LIMIT:
                self._intents.add_shed(self.row, count)
                return False
            self._locals += count
            if not self.settled:
                self._early.append(local)
                return True
        self._enqueue(local)
        return True

    def begin(self) -> None:
        """What a predecessor had begun is settled: take what has come meanwhile, and what comes."""
        with self.lock:
            self.settled = True
            early, self._early = self._early, []
        for local in early:
            self._enqueue(local)

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
        return self._held > 0

    @property
    def waiting(self) -> int:
        """Records that this sink still has to take."""
        return self._given - self.taken + self._locals

    patience: float = 0.25
    """Seconds for which a sink may hold back more than half of a ring; less than a producer waits for room."""
    counts_progress: bool = True
    """Whether they count from when it last took something: a file that is busy holds its producers back, as the
    setting for a full ring says; a handler that is slow does not."""

    def detach(self, reader: RingReader) -> None:
        """Copy this sink's pending frames out of the ring, so that the others can go on."""
        for number in self.numbers:
            with self.lock:
                batches = list(reader.pending.get(number, ()))
                for batch in batches:
                    self._detach_batch(batch, keep=batch is self._current)
                if batches:
                    reader.words[at.W_CURSORS + number] = batches[-1].end
                    with reader.lock:
                        reader.pending[number].clear()
        reader.advance_tail()

    def _detach_batch(self, batch: Batch, *, keep: bool) -> None:
        rest = batch.payloads[batch.index :]
        size = sum(map(len, rest))
        if keep or self._held + size <= BACKLOG_LIMIT:
            self._intents.add_backlog(self.row, len(rest))
            self._held += size
            batch.payloads = [b""] * batch.index
            batch.payloads += [bytes(payload) for payload in rest]
        else:
            self._intents.add_shed(self.row, len(rest))
            self.taken += len(rest)
            batch.payloads = batch.payloads[:0]
            batch.ends = batch.ends[:0]
        batch.reader = None

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

        self.call(close)
        self._enqueue(None)

    def finish(self) -> None:
        """Flush and close the handler once everything queued is taken, and end the thread."""
        self._stopping.set()
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
                return
            if isinstance(item, Batch):
                self._guarded(self._take_batch, item)
            elif isinstance(item, Local):
                self._guarded(self._take_local, item)
                with self.lock:
                    self._locals -= len(item.records) + len(item.payloads)
            else:
                self._guarded(item)
            item = self._current = None  # while this thread waits it holds no view of a ring
            self.moved_at = time.monotonic()
            with self.lock:
                self._outstanding -= 1

    def _guarded(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            function(*arguments)
        except Exception as error:
            self._reporter.failed(self, error)

    def _take_batch(self, batch: Batch) -> None:
        try:
            self.take(batch)
        finally:  # an error of ours must not hold the ring back for ever
            if batch.index < len(batch.payloads):
                self.drop(batch)
            reader = batch.reader
            if reader is not None:
                reader.advance_tail()

    def commit(self, batch: Batch, count: int) -> None:
        """The handler took `count` more frames; the caller holds `lock`."""
        if batch.reader is None:
            self._intents.add_backlog(self.row, -count)
            self._held -= sum(map(len, batch.payloads[batch.index : batch.index + count]))
            batch.index += count
        else:
            batch.index += count
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
