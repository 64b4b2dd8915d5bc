"""The ring: whatever is written, in whatever order and size, the reader gets it once, whole and in order."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from logserve.shm import layout as at
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup
from tests.collector.harness import fork, wait_until

CAPACITY = at.PAGE


def make_segment(capacity: int = CAPACITY) -> Segment:
    return Segment.create(capacity=capacity, entries=2, slot=1, incarnation=1, boot_id=b"0" * 12)


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = make_segment()
    yield made
    made.close()


class RingMachine(RuleBasedStateMachine):
    """A producer that places, publishes and forgets; a reader that takes pieces and starts again at TAIL."""

    def __init__(self) -> None:
        super().__init__()
        self.segment = make_segment()
        self.wakeup = Wakeup()
        self.producer = Producer(self.segment, self.wakeup, 0.0)
        self.published: deque[tuple[int, bytes]] = deque()
        self.dropped = 0
        self.position = 0
        self.taken: list[tuple[int, bytes, int]] = []
        self.number = 0

    def teardown(self) -> None:
        self.segment.close()
        self.wakeup.close()

    def payload(self, length: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(4, "big") + b"." * length

    @rule(sink=st.integers(0, 255), length=st.integers(0, CAPACITY // 3))
    def emit(self, sink: int, length: int) -> None:
        payload = self.payload(length)
        if self.producer.emit(sink, at.Kind.LINE, payload):
            self.published.append((sink, payload))
        else:
            self.dropped += 1

    @rule(length=st.integers(0, CAPACITY // 3), again=st.booleans())
    def prepare_and_die_or_publish(self, length: int, again: bool) -> None:
        """What stands beyond HEAD is nobody's until HEAD moves; a new producer writes over it."""
        payload = self.payload(length)
        end = self.producer.place(at.frame_word(7, at.Kind.RECORD, 0), payload, self.producer.head)
        if end and again:
            self.producer.publish(end)
            self.published.append((7, payload))
        else:
            self.producer = Producer(self.segment, self.wakeup, 0.0)

    @rule(size=st.integers(1, CAPACITY))
    def read(self, size: int) -> None:
        end = min(self.segment.words[at.W_HEAD], self.position + size)
        for sink, _, payload, position in frames(self.segment, self.position, end):
            self.taken.append((sink, bytes(payload), position))
            self.position = position

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        """The reader's handlers took some of it: TAIL moves."""
        count = data.draw(st.integers(1, len(self.taken)))
        for sink, payload, position in self.taken[:count]:
            assert self.published.popleft() == (sink, payload)
            self.segment.words[at.W_TAIL] = position
        del self.taken[:count]

    @rule()
    def reader_restarts(self) -> None:
        self.position = self.segment.words[at.W_TAIL]
        self.taken.clear()

    @invariant()
    def everything_published_is_there(self) -> None:
        words = self.segment.words
        assert words[at.W_HEAD] - words[at.W_TAIL] <= CAPACITY
        found = [
            (sink, bytes(payload))
            for sink, _, payload, _ in frames(self.segment, words[at.W_TAIL], words[at.W_HEAD])
        ]
        assert found == list(self.published)
        assert sum(words[at.W_DROPPED : at.W_DROPPED + at.MAX_SINKS]) == self.dropped


TestRing = RingMachine.TestCase
TestRing.settings = settings(max_examples=40, stateful_step_count=40)


@given(st.integers(0, 1 << 40))
def test_a_multiple_of_eight_is_the_next_one(size: int) -> None:
    assert at.align8(size) % 8 == 0
    assert size <= at.align8(size) < size + 8


def test_a_producer_killed_at_any_moment_leaves_only_whole_frames() -> None:
    """Each frame carries its own checksum; 20 kills, the reader's view is never torn nor has it a gap."""
    segment = make_segment(1 << 16)
    wakeup = Wakeup()
    position, number = 0, 0

    def produce() -> None:
        producer = Producer(segment, wakeup, 5.0)
        count = segment.words[at.W_APP_SEQ]
        while True:
            body = (count + 1).to_bytes(8, "big") + os.urandom(count % 300)
            end = 0
            while not end:
                end = producer.place(
                    at.frame_word(1, 1, 0), zlib.crc32(body).to_bytes(4, "big") + body, producer.head
                )
            segment.words[at.W_APP_SEQ] = count = count + 1
            producer.publish(end)

    def drain() -> None:
        nonlocal position, number
        for _, _, payload, end in frames(segment, position, segment.words[at.W_HEAD]):
            body = bytes(payload[4:])
            assert zlib.crc32(body) == int.from_bytes(payload[:4], "big"), "torn"
            found = int.from_bytes(body[:8], "big")
            assert found in (number + 1, number + 2), "a gap"  # 2: killed between the count and HEAD
            number, position = found, end
        segment.words[at.W_TAIL] = position

    for round_number in range(20):
        pid = fork(produce)
        until = time.monotonic() + 0.005 + 0.001 * round_number
        while time.monotonic() < until:
            drain()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        drain()
    assert number > 1000
    segment.close()
    wakeup.close()


def test_a_sleeping_reader_is_woken_and_a_waking_one_is_not(segment: Segment) -> None:
    wakeup = Wakeup()
    producer = Producer(segment, wakeup, 0.0)
    producer.emit(1, at.Kind.LINE, b"awake\n")
    assert not wakeup.drain()
    segment.words[at.W_SLEEPING] = 1
    producer.emit(1, at.Kind.LINE, b"asleep\n")
    assert wakeup.drain()
    assert segment.words[at.W_SLEEPING] == 0
    wakeup.close()


def test_a_full_ring_drops_at_once_or_waits_for_room(segment: Segment) -> None:
    wakeup = Wakeup()
    producer = Producer(segment, wakeup, 0.0)
    while producer.emit(3, at.Kind.LINE, b"x" * 100):
        pass
    assert segment.words[at.W_DROPPED + 3] == 1
    patient = Producer(segment, wakeup, 20.0)

    def make_room() -> None:
        wait_until(wakeup.drain, "the producer's wake-up")
        segment.words[at.W_TAIL] = segment.words[at.W_HEAD]

    segment.words[at.W_SLEEPING] = 1
    pid = fork(make_room)
    assert patient.emit(3, at.Kind.LINE, b"y" * 100)
    assert os.waitpid(pid, 0)[1] == 0
    wakeup.close()


def test_a_frame_that_never_fits_is_counted_not_waited_for(segment: Segment) -> None:
    wakeup = Wakeup()
    producer = Producer(segment, wakeup, 60.0)
    assert not producer.emit(9, at.Kind.LINE, b"x" * CAPACITY)
    assert segment.words[at.W_DROPPED + 9] == 1
    wakeup.close()
