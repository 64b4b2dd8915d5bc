"""What comes to the collector by other ways than a ring, put into a ring of its own before it counts as received.

The ring is the arbiter's memory, as those of the workers are: a collector that is killed leaves what it had taken
from a pipe or a socket to its successor. Where a sink holds that ring back, no more is taken until there is room
again: it waits in the pipe, or the socket.
"""

from __future__ import annotations

import logging
import socket
from typing import Final

from logserve.collector.batch import Local
from logserve.collector.pipeline import Pipeline
from logserve.collector.report import Reporter
from logserve.logs.emitters import drop_child_frame, peek_child_frame, read_lost
from logserve.logs.forward import stamp
from logserve.logs.record import decode_record, encode_record
from logserve.shm import layout as at
from logserve.shm.intent import State
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

RING_SIZE: Final = 2 << 20
"""Bytes of the ring, where the arbiter gives none."""
_DATAGRAMS: Final = 1000
"""Datagrams that are taken in one turn of the loop."""


def make_ring(boot_id: bytes, capacity: int = RING_SIZE) -> Segment:
    """Memory for the collector's own ring."""
    return Segment.create(
        capacity=capacity, entries=0, slot=at.COLLECTOR_SLOT, incarnation=0, boot_id=boot_id
    )


class Intake:
    """The main thread's, which is the ring's producer and its reader."""

    def __init__(self, segment: Segment, wakeup: Wakeup, pipeline: Pipeline, reporter: Reporter) -> None:
        self.reader = pipeline.add_segment(segment, None)
        self._producer = Producer(segment, wakeup, 0.0)
        self._pipeline = pipeline
        self._reporter = reporter

    @property
    def has_room(self) -> bool:
        """Whether anything is to be taken: at least half of the ring is free."""
        segment = self.reader.segment
        return self._producer.head - segment.words[at.W_TAIL] <= segment.capacity // 2

    @property
    def settled(self) -> bool:
        """Whether the handlers took everything."""
        return self.reader.settled()

    def rest(self) -> None:
        """In a quiet moment: give memory back."""
        if self._producer.restless:
            self._producer.rest()

    def drain(self) -> None:
        """Hand everything over to the sinks: their numbers may mean another one afterwards."""
        self._pipeline.drain_all_of(self.reader)

    def put_record(self, record: logging.LogRecord) -> bool:
        """Put a record for the handlers of the server's own ones; False where there is no room now."""
        sinks = self._reporter.takers(record)
        if not sinks:
            return True
        if not self.has_room:
            return False
        stamp(record)
        payload = encode_record(record, None)
        if not self._put([(min(sink.numbers), at.Kind.RECORD) for sink in sinks], payload):
            self._reporter.emit(record)  # too long for the ring
        return True

    def receive(self, channel: socket.socket) -> None:
        """Take the records that children of workers have sent, as far as there is room.

        A datagram is taken off its socket once it stands in the ring: a kill in between doubles it, which its
        ``event.id`` shows.
        """
        for _ in range(_DATAGRAMS):
            if not self.has_room:
                return
            found = peek_child_frame(channel)
            if found is None:
                return
            self._accept(*found)
            drop_child_frame(channel)

    def _accept(self, number: int, kind: int, payload: bytes) -> None:
        """Put a frame into the ring, where it waits for its sink should that not be known yet."""
        if kind == at.Kind.LOST:
            sink = self._pipeline.sinks.get(number)
            name = sink.name if sink is not None else f"number {number}"
            record = self._reporter.lost_by_child(name, *read_lost(payload))
            kind, payload = at.Kind.RECORD, encode_record(record, None)
        if not self._put([(number, kind)], payload):
            self._keep_here(number, kind, payload)

    def _put(self, targets: list[tuple[int, int]], payload: bytes) -> bool:
        """Publish one payload for several sinks at once; False where the ring cannot hold that."""
        producer = self._producer
        with producer.lock:
            end = producer.head
            for number, kind in targets:
                end = producer.place(at.frame_word(number, kind, 0), payload, end)
                if not end:
                    return False
            producer.publish(end)
        return True

    def _keep_here(self, number: int, kind: int, payload: bytes) -> None:
        """What is too long for the ring waits in this process, counted as lost should it be killed."""
        sink = self._pipeline.sinks.get(number)
        if sink is None:
            self._reporter.say(
                logging.WARNING,
                f"lost 1 record of a child process for handler number {number}: it is unknown",
            )
            return
        if kind != at.Kind.RECORD:
            sink.put_local(Local([], [payload], State.LOCAL))
            return
        try:
            record = decode_record(payload)
        except Exception as error:  # whatever a child process sent
            self._reporter.failed(sink, error)
        else:
            sink.put_local(Local([record], [], State.LOCAL))
