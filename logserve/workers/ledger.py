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

import logging
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

from logserve.logs.access.exchange import TRUNCATED, Exchange
from logserve.shm import layout as at
from logserve.shm.layout import Phase

if TYPE_CHECKING:
    from logserve.logs.access.plan import AccessPlan, Frames
    from logserve.logs.origin import Origin
    from logserve.shm.ring import Producer
    from logserve.workers.connection import Connection

log = logging.getLogger("logserve.error")

_monotonic_ns = time.monotonic_ns
# PREPARED, seq, begin, begin wall, connection, number, sent, lengths, received
_pack_begin = struct.Struct("=9Q").pack_into

PREPARED: Final = at.E_PREPARED
_LENGTHS: Final = at.E_LENGTHS
_TEXT: Final = at.E_TEXT_OFFSET
_MAX_LINE: Final = at.MAX_LINE_TEXT

TAKEN_WHOLE: Final = 16384
"""Bytes that a socket takes all at once if it takes any: they go into one buffer of the kernel's."""
MORE_COMES: Final = getattr(socket, "MSG_MORE", 0)
"""The last byte is about to follow: no packet of its own for it (send(2))."""

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
        self._fresh = first
        """The first entry that was never taken; a list of all would be memory that no two workers share."""
        self._end = first + segment.entries * at.ENTRY_WORDS
        self._free: list[int] = []
        """Those that were given back."""
        self._next_seq = 1
        self._spare_seqs: list[int] = []
        self._wall_offset = 0
        self._roomy = segment.capacity // 4
        """Bytes that the frames of one record may have together."""
        self.use(plan)
        self.set_clock()

    def use(self, plan: AccessPlan) -> None:
        """Make records as this plan says from now on."""
        self._plan = plan
        self._foreign = plan.foreign

    def set_clock(self) -> None:
        """Take the wall clock's distance from the monotonic one anew; once per loop turn is often enough."""
        self._wall_offset = time.time_ns() - _monotonic_ns()

    # -- entries

    def open(self, peer: bytes) -> int:
        """An entry for a new connection from `peer`; the loop never holds more connections than there are entries."""
        if self._free:
            entry = self._free.pop()
        else:
            entry = self._fresh
            self._fresh = entry + at.ENTRY_WORDS
        start = entry * 8 + at.E_PEER_OFFSET
        self._memory[start : start + len(peer)] = peer
        return entry

    def readdress(self, connection: Connection) -> None:
        """A connection that has begun turned out to be somebody else's: `peer` and `peer_length` are new."""
        entry = connection.entry
        self._words[entry + _LENGTHS] = 0  # a death in between leaves no half of an address
        start = entry * 8 + at.E_PEER_OFFSET
        self._memory[start : start + len(connection.peer)] = connection.peer
        self._words[entry + _LENGTHS] = connection.peer_length

    def close(self, entry: int) -> None:
        """Give a connection's entry back."""
        self._free.append(entry)

    @property
    def free(self) -> int:
        """How many entries are not taken."""
        return len(self._free) + (self._end - self._fresh) // at.ENTRY_WORDS

    @property
    def full(self) -> bool:
        """Whether every entry is taken."""
        return not self._free and self._fresh == self._end

    # -- a request's way

    def begin(self, connection: Connection) -> Exchange:
        """Before the first byte of a request is read: set its entry."""
        now = _monotonic_ns()
        wall = now + self._wall_offset
        if self._spare_seqs:
            seq = self._spare_seqs.pop()
        else:
            seq = self._next_seq
            self._next_seq = seq + 1
        connection.requests += 1
        serial, number, entry = connection.serial, connection.requests, connection.entry
        exchange = Exchange(self._origin, seq, serial, number, now, wall, connection.ends)
        # While PHASE is NONE nobody looks, so the words need no stores of their own.
        _pack_begin(
            self._memory, entry * 8 + 8, 0, seq, now, wall, serial, number, 0, connection.peer_length, 0
        )
        self._words[entry] = HEADER
        return exchange

    def cancel(self, connection: Connection, exchange: Exchange) -> None:
        """No byte came after all: there was no request, and its number goes to the next one."""
        self._words[connection.entry] = NONE
        # The greatest number of all entries is the last that has a record: the one before this one, if any.
        self._words[connection.entry + at.E_SEQ] = exchange.seq - 1
        self._spare_seqs.append(exchange.seq)
        connection.requests -= 1

    def is_newest(self, exchange: Exchange) -> bool:
        """Whether no request has begun since, so that :meth:`cancel` leaves no hole, even if no other ever does."""
        return exchange.seq == self._next_seq - 1 and not self._spare_seqs

    def describe(
        self, connection: Connection, line: bytes, trace: bytes, request_id: bytes, phase: int
    ) -> None:
        """What a record would say if the worker died now: the request line, who asks, under which id.

        `request_id` is empty for a minted one, which follows from the entry's seq. Too long texts are cut.
        """
        if len(line) > _MAX_LINE:
            line = line[:_MAX_LINE]
        text = line
        lengths = connection.peer_length | len(line)
        if trace or request_id:
            trace, request_id = trace[: at.MAX_TRACE_TEXT], request_id[: at.MAX_ID_TEXT]
            text = line + trace + request_id
            lengths |= len(request_id) << 32 | len(trace) << 16
        entry, words = connection.entry, self._words
        start = entry * 8 + _TEXT
        self._memory[start : start + len(text)] = text
        words[entry + _LENGTHS] = (
            lengths  # the peer's alone since begin: a death in between leaves no other text
        )
        words[entry] = phase

    def phase(self, connection: Connection, phase: int) -> None:
        """Note where the request stands."""
        self._words[connection.entry] = phase

    def received(self, connection: Connection, size: int) -> None:
        """Note how many bytes of the request's body have been read."""
        self._words[connection.entry + at.E_RECEIVED] = size

    def phase_of(self, connection: Connection) -> Phase:
        """Where it stands, as noted."""
        return Phase(self._words[connection.entry])

    def progress(self, connection: Connection, status: int, body_sent: int) -> None:
        """Note what has gone out of the answer so far."""
        self._words[connection.entry + at.E_SENT] = status << 48 | body_sent & 0xFFFFFFFFFFFF

    # -- the record

    def answer(self, connection: Connection, exchange: Exchange, data: bytes) -> int:
        """Prepare the record, send the answer's last bytes, publish the record if all of them went out.

        :returns: how many bytes the kernel took.
        :raises OSError: the client is gone; nothing is published then.
        """
        if len(data) > TAKEN_WHOLE or (data is connection.last and len(data) > 1):
            return self._answer_in_two(connection, exchange, data)
        frames = self._frames(exchange)
        producer, words, entry = self._producer, self._words, connection.entry
        sent = 0
        while True:
            producer.lock.acquire()
            producer.placing = True
            try:
                end = self._place(frames)
                if end >= 0:
                    words[entry + PREPARED] = end
                    try:
                        sent = connection.sock.send(data)
                    except (BlockingIOError, InterruptedError):
                        pass
                    finally:
                        if sent == len(data):
                            producer.publish(end)
                            words[entry] = NONE
                        words[entry + PREPARED] = 0
                    break
            finally:
                producer.placing = False
                producer.lock.release()
            frames = self._make_room(frames)
        if producer.put_off:
            producer.emit_put_off()
        if self._foreign and sent == len(data):
            self._plan.handle_foreign(exchange)
        return sent

    def _answer_in_two(self, connection: Connection, exchange: Exchange, data: bytes) -> int:
        """Of what the kernel may take in part only (much, or what it had no room for), the last byte alone is sent with
        the record prepared.

        Else a kill between a send that took a part and the next statement would leave a record that says `ok`.
        """
        first = len(data) - 1
        try:
            sent = connection.sock.send(memoryview(data)[:first], MORE_COMES)
        except (BlockingIOError, InterruptedError):
            return 0
        if sent < first:
            return sent
        self.progress(connection, exchange.status, exchange.body_sent - 1)
        return first + self.answer(connection, exchange, data[first:])

    def record(self, connection: Connection, exchange: Exchange) -> None:
        """Publish the record of a request that has nothing more to send."""
        frames = self._frames(exchange)
        producer, words, entry = self._producer, self._words, connection.entry
        while True:
            with producer.lock:
                producer.placing = True
                try:
                    end = self._place(frames)
                    if end >= 0:
                        words[entry + PREPARED] = end
                        producer.publish(end)
                        words[entry] = NONE
                        words[entry + PREPARED] = 0
                        break
                finally:
                    producer.placing = False
            frames = self._make_room(frames)
        if producer.put_off:
            producer.emit_put_off()
        if self._foreign:
            self._plan.handle_foreign(exchange)

    def _frames(self, exchange: Exchange) -> Frames:
        """The record's frames; whatever an application put into it, the worker goes on and there is a record."""
        try:
            frames = self._plan.frames(exchange)
            if len(frames) != 1 or len(frames[0][1]) > self._roomy:
                frames = self._fitting(exchange, frames)
        except Exception:
            log.exception(
                "an access record could not be made as it is: what the application added is left out"
            )
            exchange.environ = None
            exchange.response_headers = []
            exchange.extra = {TRUNCATED: ["response headers", "environ", "added fields"]}
            frames = self._plan.frames(exchange)
        return frames

    def _fitting(self, exchange: Exchange, frames: Frames) -> Frames:
        """A record that would not fit the ring goes without the application's fields, and says so."""
        if sum(len(payload) + 16 for _, payload in frames) <= self._roomy:
            return frames
        exchange.extra = {TRUNCATED: ["added fields"]}
        frames = self._plan.frames(exchange)
        fitting: Frames = []
        for sink_kind, payload in frames:
            if sum(len(each) + 16 for _, each in fitting) + len(payload) + 16 <= self._roomy:
                fitting.append((sink_kind, payload))
            else:
                self._producer.count_dropped(sink_kind >> 48)
        return fitting

    def _place(self, frames: Frames) -> int:
        """Place a record's frames behind one another; the position of the last one's end, -1 without room."""
        place, end = self._producer.place, self._producer.head
        for sink_kind, payload in frames:
            end = place(sink_kind, payload, end)
            if not end:
                return -1
        return end

    def _make_room(self, frames: Frames) -> Frames:
        """The ring is full: wait as ``--log-overflow`` says, else count the record as dropped for each sink."""
        if self._producer.wait_for_room(sum(len(payload) + 16 for _, payload in frames)):
            return frames
        for sink_kind, _ in frames:
            self._producer.count_dropped(sink_kind >> 48)
        return []

    def rest(self) -> None:
        """In a quiet moment: see :meth:`Producer.rest`."""
        self._producer.rest()

    @property
    def restless(self) -> bool:
        """Whether :meth:`rest` may have something to do."""
        return self._producer.restless

    def flush(self) -> None:
        """Wake the collector if it sleeps; once per loop turn."""
        self._producer.wake_reader()
