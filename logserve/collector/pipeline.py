"""From the rings to the sinks: frames are grouped by sink in one tight loop and handed over in one piece each."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from logserve.collector.backlog import Pool
from logserve.collector.batch import Batch, RingReader
from logserve.collector.recordsink import RecordSink
from logserve.collector.report import NO_RING, Reporter
from logserve.collector.settlement import inherited_by, settle_sink
from logserve.collector.sink import Sink
from logserve.shm import layout as at
from logserve.shm.intent import Intents, State
from logserve.shm.segment import Segment

BLOCK: Final = 256 * 1024
"""Bytes of a ring that are taken in one drain."""
SINK_PATIENCE: Final = 2.0
"""Seconds that a ring waits for the definition of a sink that its next frame names."""

STALLED_TURNS: Final = 25
"""Turns of the loop without progress after which a sink may count as stalled."""

_Group = tuple[int, int, "list[memoryview | bytes]", "list[int]"]  # sink, kind, payloads, ends


class _Behind:
    """A sink that holds back much of a ring: since when, at what progress, for how many turns of the loop."""

    __slots__ = ("progress", "since", "turns")

    def __init__(self, since: float, progress: int) -> None:
        self.since = since
        self.progress = progress
        self.turns = 0


class Pipeline:
    """All rings and all sinks; the main thread's."""

    def __init__(self, intents: Intents, reporter: Reporter, pool: Pool) -> None:
        self.readers: dict[tuple[int, int], RingReader] = {}
        self.sinks: dict[int, Sink] = {}
        """By frame number; several numbers may lead to one sink (one file in two configurations)."""
        self._ready: dict[int, Sink] = {}
        self._intents = intents
        self._reporter = reporter
        self._pool = pool
        self._inherited = {row: pool.translated(intent) for row, intent in intents.pending()}
        """What a predecessor had begun to write."""
        self._fence = threading.Lock()
        self._behind: dict[tuple[tuple[int, int], int], _Behind] = {}

    def add_segment(self, segment: Segment, pid: int | None) -> RingReader:
        """Drain this segment from now on; one that is known already stays as it is."""
        self._pool.complete_moves(segment)
        reader = RingReader(segment, pid)
        known = self.readers.get(reader.key)
        if known is not None:
            reader.release()
            return known
        self.readers[reader.key] = reader
        return reader

    def remove_segment(self, reader: RingReader) -> None:
        """Let go of a segment that is settled."""
        del self.readers[reader.key]
        self._behind = {key: seen for key, seen in self._behind.items() if key[0] != reader.key}
        reader.release()

    def is_defined(self, number: int) -> bool:
        """Whether a handler goes by this number."""
        return number in self.sinks and not isinstance(self.sinks[number], Missing)

    def add_sink(self, number: int, sink: Sink) -> None:
        """Frames with this number go to this sink."""
        missing = self.sinks.get(number)
        if isinstance(missing, Missing):
            missing.finish()
        sink.numbers.add(number)
        self._ready.pop(number, None)
        self.sinks[number] = sink

    def remove_number(self, number: int) -> Sink | None:
        """No frame names this number any more; the sink if no other number leads to it."""
        sink = self.sinks.pop(number, None)
        self._ready.pop(number, None)
        if sink is None:
            return None
        sink.numbers.discard(number)
        if not sink.numbers:
            return sink
        sink.give_up_row(number)
        sink.rename_backlog()
        return None

    def all_sinks(self) -> list[Sink]:
        """Each sink once."""
        return list(dict.fromkeys(self.sinks.values()))

    # ------------------------------------------------------------------------------------------ draining

    def drain(self) -> int:
        """Take up to a block from each ring; how many bytes were taken in all.

        What a predecessor had put aside comes first: it is older than what stands in the rings.
        """
        taken = 0
        if self._pool.inherited and not self._take_inherited():
            return 0
        for reader in self.readers.values():
            if reader.words[at.W_HEAD] != reader.position:
                taken += self._drain_ring(reader)
        return taken

    def _take_inherited(self) -> bool:
        """Hand what a predecessor had put aside to its sinks; False while one of them is not known."""
        for backlog in list(self._pool.inherited):
            number = backlog.region.sink
            if backlog.is_retired:
                lost = backlog.give_up()
                self._reporter.say(
                    logging.WARNING, f"lost {lost:,} records of a handler that is not configured any more"
                )
            elif number in self._ready or self._make_ready(number):
                self._ready[number].inherit(backlog)
            else:
                self._unknown_sink(backlog.reader, number)
                return False
            self._pool.inherited.remove(backlog)
        return True

    def drain_all_of(self, reader: RingReader) -> None:
        """Hand over everything that stands in one ring now, as far as it names sinks that are known."""
        while not self._pool.inherited and reader.position != reader.head and self._drain_ring(reader):
            pass

    def _drain_ring(self, reader: RingReader) -> int:
        start = reader.position
        end = min(reader.head, start + BLOCK)
        groups, position, unknown = self._collect(reader, start, end)
        position = min(position, reader.head)
        if start < reader.replay_until:
            groups = _not_yet_taken(reader, groups)
        batches = [Batch(reader, *group, start=start) for group in groups]
        for batch in batches:
            reader.add(batch)
        reader.position = position
        for batch in batches:
            self._ready[batch.sink].put(batch)
        if not batches:
            reader.advance_tail()
        if unknown >= 0:
            self._unknown_sink(reader, unknown)
        else:
            reader.blocked_since = 0.0
        return position - start

    def _collect(self, reader: RingReader, position: int, end: int) -> tuple[list[_Group], int, int]:
        """Group frames by sink: (groups, position reached, number of the unknown sink that stopped it or -1)."""
        segment = reader.segment
        ring, words, mask = segment.ring, segment.ring_words, segment.capacity - 1
        groups: list[_Group] = []
        current: dict[int, _Group] = {}
        last = -1
        payloads: list[memoryview | bytes] = []
        ends: list[int] = []
        while position < end:
            offset = position & mask
            word = words[offset >> 3]
            key = word >> 32
            if key != last:
                if key & 0xFFFF == at.Kind.PAD:
                    position += (word & 0xFFFFFFFF) or 8  # never 0, but for a producer that ran wild
                    continue
                number = key >> 16
                if number not in self._ready and not self._make_ready(number):
                    return groups, position, number
                group = current.get(number)
                if group is None or group[1] != key & 0xFFFF:
                    group = current[number] = (number, key & 0xFFFF, [], [])
                    groups.append(group)
                payloads, ends = group[2], group[3]
                last = key
            length = word & 0xFFFFFFFF
            offset += 8
            position += (length + 15) & ~7
            payloads.append(ring[offset : offset + length])
            ends.append(position)
        return groups, position, -1

    def _make_ready(self, number: int) -> bool:
        sink = self.sinks.get(number)
        if sink is None:
            return False
        if not sink.settled:
            settle_sink(sink, self._inherited, self._intents, self._all_readers())
        self._ready[number] = sink
        return True

    def settle_waiting(self) -> None:
        """Let sinks begin for which no frame has come, once what their predecessor had begun can be settled."""
        now, readers = time.monotonic(), self._all_readers()
        for sink in self.all_sinks():
            if sink.settled:
                continue
            intents = [intent for _, intent in inherited_by(sink, self._inherited)]
            known = all(
                intent.source == NO_RING
                or intent.state == State.LOCAL
                or (intent.source >> 32, intent.source & 0xFFFFFFFF) in readers
                for intent in intents
            )
            if known or now - sink.moved_at > SINK_PATIENCE:
                settle_sink(sink, self._inherited, self._intents, readers)

    def _all_readers(self) -> Mapping[tuple[int, int], RingReader]:
        return {**self.readers, **self._pool.readers()}

    def _unknown_sink(self, reader: RingReader, number: int) -> None:
        """The next frame names a sink that nobody has defined: wait for it, then say so and go on without."""
        now = time.monotonic()
        if not self.sinks:
            return  # no configuration has come yet
        if not reader.blocked_since:
            reader.blocked_since = now
        elif now - reader.blocked_since > SINK_PATIENCE:
            reader.blocked_since = 0.0
            self.sinks[number] = self._ready[number] = Missing(number, self._intents, self._reporter)

    # ------------------------------------------------------------------------------------------- waiting

    def prepare_sleep(self) -> bool:
        """Tell every producer that the reader is about to sleep; False (and awake) if there is work."""
        for reader in self.readers.values():
            reader.words[at.W_SLEEPING] = 1
        with self._fence:  # the stores above, then the loads below
            pass
        if any(reader.words[at.W_HEAD] != reader.position for reader in self.readers.values()):
            self.awake()
            return False
        return True

    def awake(self) -> None:
        """Spare the producers the wake-up while the reader is awake."""
        for reader in self.readers.values():
            reader.words[at.W_SLEEPING] = 0

    def relieve(self) -> bool:
        """Take frames of sinks that have fallen behind out of the rings; True while one lags."""
        self._pool.release_settled()
        lagging = False
        for key, reader in self.readers.items():
            for number in tuple(reader.pending):
                lag = reader.lag(number)
                if lag <= reader.segment.capacity // 2:
                    if not lag:
                        self._behind.pop((key, number), None)
                    continue
                lagging = True
                sink = self._ready.get(number)
                if sink is not None and (sink.has_backlog or self._stalls(key, number, sink)):
                    sink.put_aside(reader, self._pool)
                    self._behind.pop((key, number), None)
        return lagging

    def _stalls(self, key: tuple[int, int], number: int, sink: Sink) -> bool:
        """Whether a sink has not moved for long, and for many turns of this loop.

        The turns tell a sink that hangs from a process that did not run: then nobody had a turn.
        """
        now, progress = time.monotonic(), sink.taken if sink.counts_progress else 0
        seen = self._behind.get((key, number))
        if seen is None or seen.progress != progress:
            seen = self._behind[key, number] = _Behind(now, progress)
        seen.turns += 1
        return seen.turns > STALLED_TURNS and now - seen.since > sink.patience

    def set_free(self, reader: RingReader) -> None:
        """Take the frames of stalled sinks out of a ring that is to be let go."""
        for number in tuple(reader.pending):
            sink = self._ready.get(number)  # None: retired; then nothing is pending
            if sink is not None and reader.pending[number] and self._stalls(reader.key, number, sink):
                sink.put_aside(reader, self._pool)

    def report_losses(self) -> None:
        """Have what was lost since the last time reported."""
        self.settle_waiting()
        for reader in self.readers.values():
            self._reporter.losses(reader, self.sinks)
        for sink in self.all_sinks():
            self._reporter.shed(sink)

    def idle(self) -> bool:
        """Whether every sink has taken everything."""
        return not self._pool.inherited and all(sink.idle for sink in self.all_sinks())


def _not_yet_taken(reader: RingReader, groups: list[_Group]) -> list[_Group]:
    """Where a predecessor has been: leave out a sink's frames below its cursor."""
    left = []
    for number, kind, payloads, ends in groups:
        first = bisect_right(ends, reader.words[at.W_CURSORS + number])
        if first < len(ends):
            left.append((number, kind, payloads[first:], ends[first:]))
    return left


class Missing(RecordSink):
    """Takes and counts the frames of a number that no configuration names."""

    def __init__(self, number: int, intents: Intents, reporter: Reporter) -> None:
        super().__init__(number, f"number {number}", logging.NullHandler(), intents, reporter)
        self._console = reporter
        self.said = False

    def take(self, batch: Batch) -> None:
        """Count them as lost."""
        count = len(batch.payloads)
        with self.lock:
            self.commit(batch, count)
        if not self.said:
            self.said = True
            self._console.say(
                logging.ERROR, f"records for handler number {self.row} are lost: no configuration names it"
            )
