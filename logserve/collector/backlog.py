"""Where sinks that have fallen behind put their frames, so that the rings go on (:mod:`logserve.shm.backlog`).

The main thread's. A sink's frames wait in the order in which it takes them: first those that were put aside, then
those that still stand in rings. So they are put aside in that order, too, and never around one that is left.
"""

from __future__ import annotations

from collections.abc import Mapping

from logserve.collector.batch import Batch, RingReader
from logserve.shm.backlog import FREE, REGIONS, RETIRED, Backlogs, Region
from logserve.shm.intent import Intent
from logserve.shm.ring import frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

BLOCK = 1000
"""Frames in a batch, of what a predecessor had put aside."""


class Backlog:
    """A region, and the reading end of it."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.reader = RingReader(region.segment, None, is_backlog=True)
        self.released = False
        """Whether everything was taken, and the region is free."""

    @property
    def is_retired(self) -> bool:
        """Whether its frames are of a handler that no configuration names."""
        return self.region.state == RETIRED

    def give_up(self) -> int:
        """Take everything for nobody; how many frames that were."""
        count = sum(len(batch.ends) for batch in self.left())
        self.reader.pending.clear()
        return count

    def put_aside(self, batch: Batch, intent: Intent | None, under_way: int) -> bool:
        """Move what is to be taken of a batch here, out of its ring; False where there is no room for it.

        :param intent: what its sink has under way, if it writes `under_way` frames of this batch just now.
        """
        source, reader = batch.reader, self.reader
        assert source is not None
        rest = batch.payloads[batch.index :]
        ends = self.region.place(batch.kind, rest)
        if not ends:
            return False
        if intent is not None:
            self.region.carry(intent, ends[under_way - 1])
        self.region.take_over(source.words, source.source, batch.sink, batch.ends[-1], ends[-1])
        source.remove(batch)
        segment = self.region.segment
        views: list[memoryview | bytes] = [
            payload for _, _, payload, _ in frames(segment, reader.position, ends[-1])
        ]
        batch.move(reader, 0, views, ends)
        reader.add(batch)
        reader.position = ends[-1]
        return True

    def left(self) -> list[Batch]:
        """What a predecessor had put aside and its sink has not taken, as batches."""
        reader = self.reader
        cursor = reader.replay_until
        batches: list[Batch] = []
        for _, kind, payload, end in frames(reader.segment, reader.position, reader.head):
            if end <= cursor:
                reader.position = end
                continue
            last = batches[-1] if batches else None
            if last is None or last.kind != kind or len(last.ends) >= BLOCK:
                last = Batch(reader, 0, kind, [], [], start=reader.position)
                batches.append(last)
                reader.add(last)
            last.payloads.append(payload)
            last.ends.append(end)
            reader.position = end
        reader.position = reader.head
        return batches


class Pool:
    """All regions of this collector."""

    def __init__(self, backlogs: Backlogs, wakeup: Wakeup) -> None:
        self._backlogs = backlogs
        self._wakeup = wakeup
        self._free = list(range(REGIONS - 1, -1, -1))
        self._mapped: dict[int, Region] = {}
        self.inherited: list[Backlog] = []
        """What a predecessor had put aside, oldest first, until it is handed to its sinks."""
        for index in backlogs.used():
            region = self._map(index)
            if region.state != FREE:
                self._free.remove(index)
                self.inherited.append(Backlog(region))
        self.inherited.sort(key=lambda backlog: backlog.region.serial)
        self._in_use = [*self.inherited]
        self._serial = max((backlog.region.serial for backlog in self.inherited), default=0)

    def _map(self, index: int) -> Region:
        region = self._mapped.get(index)
        if region is None:
            region = self._mapped[index] = self._backlogs.region(index, self._wakeup)
        return region

    def claim(self, number: int) -> Backlog | None:
        """A free region for the sink to which this number leads; None if there is none."""
        if not self._free:
            return None
        region = self._map(self._free.pop())
        self._serial += 1
        region.claim(number, self._serial)
        backlog = Backlog(region)
        self._in_use.append(backlog)
        return backlog

    def release_settled(self) -> None:
        """Let go of regions of which everything is taken."""
        for backlog in [*self._in_use]:
            region = backlog.region
            if backlog not in self.inherited and backlog.reader.settled() and not region.moving:
                self._in_use.remove(backlog)
                backlog.released = True
                region.release()
                self._free.append(region.segment.incarnation)

    def complete_moves(self, segment: Segment) -> None:
        """A ring becomes known from which a predecessor was perhaps just moving frames."""
        source = segment.slot << 32 | segment.incarnation
        for backlog in self._in_use:
            backlog.region.complete_move(segment.words, source)

    def translated(self, intent: Intent) -> Intent:
        """A predecessor's intent, by where its frames stand now."""
        for backlog in self._in_use:
            intent = backlog.region.translated(intent)
        return intent

    def readers(self) -> Mapping[tuple[int, int], RingReader]:
        """The reading ends of what is in use."""
        return {backlog.reader.key: backlog.reader for backlog in self._in_use}
