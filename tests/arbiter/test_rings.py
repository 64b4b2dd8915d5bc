"""What the arbiter can tell of a ring that nobody drains any more."""

from __future__ import annotations

import os

from logserve.arbiter.rings import Ring
from logserve.shm import layout as at
from logserve.shm.layout import Kind
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup


def test_what_each_handler_has_not_taken_is_counted() -> None:
    segment = Segment.create(capacity=1 << 12, entries=1, slot=0, incarnation=1, boot_id=bytes(12))
    producer = Producer(segment, Wakeup(), 0.0)
    ring = Ring(segment, os.getpid(), 1)
    assert ring.left() == 0
    for number in range(200):  # the ring wraps
        assert producer.emit(number % 2, Kind.LINE, b"x" * 40)
        segment.words[at.W_TAIL] = segment.words[at.W_HEAD]
    assert ring.left() == 0
    taken = segment.words[at.W_HEAD]
    for number in range(10):
        assert producer.emit(number % 2, Kind.LINE, b"x" * 40)
    segment.words[at.W_CURSORS] = segment.words[at.W_CURSORS + 1] = taken
    assert ring.left() == 10
    segment.words[at.W_CURSORS + 1] = segment.words[at.W_HEAD]
    assert ring.left() == 5
    ring.close()
