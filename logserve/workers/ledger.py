"""The worker's half of the promise that each request has one access record.

A request's scoreboard entry is set before its first byte is read. Its finished record is *prepared*: it stands
in the ring beyond HEAD, and the entry says where it ends, before the answer's last bytes are sent. It is
*published* after them, by one store that moves HEAD. Whoever dies at any instruction leaves either an entry
from which the collector makes a record, or a prepared record, or a published one, and never two of these:

    begin     entry: seq, times, PREPARED = 0, then PHASE = HEADER
    prepare   frames beyond HEAD, then PREPARED = their end
    send      the answer's last bytes; where the kernel does not take all, PREPARED = 0 and later again
    publish   HEAD = end, then PHASE = NONE, then PREPARED = 0

The ring's lock is held from prepare to publish: the ring has one producer position, and a non-blocking send
is all that happens in between.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Final

from logserve.logs.access.exchange import Exchange
from logserve.shm import layout as at
from logserve.shm.layout import Phase

if TYPE_CHECKING:
    from logserve.logs.access.plan import AccessPlan
    from logserve.logs.origin import Origin
    from logserve.shm.ring import Producer
    from logserve.workers.connection import Connection

_monotonic_ns = time.monotonic_ns
_pack_begin = struct.Struct(
    "=8Q"
).pack_into  # PREPARED, seq, begin, begin wall, connection, number, sent, lengths

NONE: Final = int(Phase.NONE)
HEADER: Final = int(Phase.HEADER)
BODY: Final = int(Phase.BODY)
QUEUED: Final = int(Phase.QUEUED)
APPLICATION: Final = int(Phase.APPLICATION)
SENDING: Final = int(Phase.SENDING)


class Ledger:
    """The scoreboard entries of this worker, and the way of each record into the ring."""

    def __init__(self, producer: Producer, plan: AccessPlan, origin: Origin) -> None:
        segment = producer.segment
        self._producer = producer
        self._origin = origin
        self._words = segment.words
        self._memory = segment.memory
        first = at.HEADER_SIZE // 8
        self._free = [first + entry * at.ENTRY_WORDS for entry in range(segment.entries - 1, -1, -1)]
        self._next_seq = 1
        self._spare_seqs: list[int] = []
        self._wall_offset = 0
        self.unrecorded = 0
        """Records that the full ring had no room for; the collector reports them."""
        self.use(plan)
        self.set_clock()

    def use(self, plan: AccessPlan) -> None:
        """Make records as this plan says from now on."""
        self._plan = plan
        self.enabled = plan.enabled

    def set_clock(self) -> None:
        """Take the wall clock's distance from the monotonic one anew; once per loop turn is often enough."""
        self._wall_offset = time.time_ns() - _monotonic_ns()

    # -- entries

    def open(self) -> int:
        """An entry for a new connection; the loop never holds more connections than there are entries."""
        return self._free.pop()

    def close(self, entry: int) -> None:
        """Give a connection's entry back."""
        self._free.append(entry)

    @property
    def full(self) -> bool:
        """Whether every entry is taken."""
        return not self._free

    # -- a request's way

    def begin(self, connection: Connection) -> Exchange:
        """Before the first byte of a request is read: set its entry."""
        now = _monotonic_ns()
        wall = now + self._wall_offset
        seq = self._spare_seqs.pop() if self._spare_seqs else self._draw()
        connection.requests += 1
        exchange = Exchange(self._origin, seq, connection.serial, connection.requests, now, wall)
        exchange.client_ip, exchange.client_port = connection.peer
        exchange.server_address, exchange.server_port = connection.server
        entry = connection.entry
        # While PHASE is NONE nobody looks, so the words need no stores of their own.
        _pack_begin(
            self._memory, entry * 8 + 8, 0, seq, now, wall, connection.serial, connection.requests, 0, 0
        )
        self._words[entry] = HEADER
        return exchange

    def _draw(self) -> int:
        seq = self._next_seq
        self._next_seq = seq + 1
        return seq

    def cancel(self, connection: Connection, exchange: Exchange) -> None:
        """No byte came after all: there was no request, and its number goes to the next one."""
        self._words[connection.entry] = NONE
        self._spare_seqs.append(exchange.seq)
        connection.requests -= 1

    def describe(
        self, connection: Connection, line: bytes, trace: bytes, request_id: bytes, phase: int
    ) -> None:
        """What a record would say if the worker died now: the request line, who asks, under which id.

        `request_id` is empty for a minted one, which follows from the entry's seq. Too long texts are cut.
        """
        if len(line) > at.MAX_LINE_TEXT:
            line = line[: at.MAX_LINE_TEXT]
        peer = connection.peer_text
        text = line + trace[: at.MAX_TRACE_TEXT] + peer[: at.MAX_PEER_TEXT] + request_id[: at.MAX_ID_TEXT]
        entry = connection.entry
        start = entry * 8 + at.E_TEXT_OFFSET
        self._words[entry + at.E_LENGTHS] = 0  # a death in between leaves no text rather than another's
        self._memory[start : start + len(text)] = text
        self._words[entry + at.E_LENGTHS] = (
            min(len(request_id), at.MAX_ID_TEXT) << 48
            | min(len(peer), at.MAX_PEER_TEXT) << 32
            | min(len(trace), at.MAX_TRACE_TEXT) << 16
            | len(line)
        )
        self._words[entry] = phase

    def phase(self, connection: Connection, phase: int) -> None:
        """Note where the request stands."""
        self._words[connection.entry] = phase

    def progress(self, connection: Connection, status: int, body_sent: int) -> None:
        """Note what has gone out of the answer so far."""
        self._words[connection.entry + at.E_SENT] = status << 48 | body_sent & 0xFFFFFFFFFFFF

    # -- the record

    def answer(self, connection: Connection, exchange: Exchange, data: bytes) -> int:
        """Prepare the record, send the answer's last bytes, publish the record if all of them went out.

        :returns: how many bytes the kernel took.
        :raises OSError: the client is gone; nothing is published then.
        """
        frames = self._plan.frames(exchange)
        producer, words, entry = self._producer, self._words, connection.entry
        lock = producer.lock
        while True:
            lock.acquire()
            producer.placing = True
            try:
                end = producer.head
                for sink_kind, payload in frames:
                    end = producer.place(sink_kind, payload, end)
                    if not end:
                        break
                else:
                    words[entry + at.E_PREPARED] = end
                    sent = 0
                    try:
                        sent = connection.sock.send(data)
                    except (BlockingIOError, InterruptedError):
                        pass
                    finally:
                        if sent == len(data):
                            producer.publish(end)
                            words[entry] = NONE
                        words[entry + at.E_PREPARED] = 0
                    break
            finally:
                producer.placing = False
                lock.release()
            frames = self._make_room(frames)
        if producer.put_off:
            producer.emit_put_off()
        if self._plan.foreign and sent == len(data):
            self._plan.handle_foreign(exchange)
        return sent

    def record(self, connection: Connection, exchange: Exchange) -> None:
        """Publish the record of a request that has nothing more to send."""
        frames = self._plan.frames(exchange)
        producer, words, entry = self._producer, self._words, connection.entry
        while True:
            with producer.lock:
                producer.placing = True
                try:
                    end = producer.head
                    for sink_kind, payload in frames:
                        end = producer.place(sink_kind, payload, end)
                        if not end:
                            break
                    else:
                        words[entry + at.E_PREPARED] = end
                        producer.publish(end)
                        words[entry] = NONE
                        words[entry + at.E_PREPARED] = 0
                        break
                finally:
                    producer.placing = False
            frames = self._make_room(frames)
        if producer.put_off:
            producer.emit_put_off()
        if self._plan.foreign:
            self._plan.handle_foreign(exchange)

    def _make_room(self, frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """The ring is full: wait as ``--log-overflow`` says, else count the record as dropped for each sink."""
        if self._producer.wait_for_room(sum(len(payload) + 16 for _, payload in frames)):
            return frames
        for sink_kind, _ in frames:
            self._producer.count_dropped(sink_kind >> 48)
        self.unrecorded += 1
        return []

    def flush(self) -> None:
        """Wake the collector if it sleeps; once per loop turn."""
        self._producer.wake_reader()
