"""A ring that has been read gives its memory back, and nothing that is still to be read."""

from __future__ import annotations

import os

from logserve.shm import layout as at
from logserve.shm.layout import Kind
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup


def resident(segment: Segment) -> int:
    """Bytes that the memory takes, whoever has mapped it."""
    return os.fstat(segment.fd).st_blocks * 512


def test_a_ring_rests_only_once_it_has_been_read() -> None:
    segment = Segment.create(capacity=1 << 20, entries=4, slot=0, incarnation=1, boot_id=b"rest-of-ring")
    wakeup = Wakeup()
    producer = Producer(segment, wakeup, 0.0)
    assert not producer.restless
    for _ in range(900):
        assert producer.emit(3, Kind.LINE, b"x" * 1000)
    full = resident(segment)
    assert full > 900_000
    assert not producer.rest(), "the reader has not read it"
    assert resident(segment) == full
    assert sum(len(payload) for _, _, payload, _ in frames(segment, 0, producer.head)) == 900_000
    segment.words[at.W_TAIL] = segment.words[at.W_HEAD]
    assert producer.rest()
    assert resident(segment) < 100_000
    start = producer.head
    for number in range(900):  # over the ring's end, into pages that were given back
        assert producer.emit(3, Kind.LINE, b"%d" % number)
    read = [bytes(payload) for _, _, payload, _ in frames(segment, start, producer.head)]
    assert read == [b"%d" % number for number in range(900)]
    segment.close()
    wakeup.close()
