"""Finishing the segment of a worker that is gone: one access record for each request that was in flight.

The collector acts as the producer of the dead worker's ring, by the same steps: place the frames beyond HEAD,
store PREPARED, move HEAD, clear the entry. A collector that is killed at any of them leaves what the next one can
finish: an entry whose PREPARED lies beyond HEAD is published, one at or below HEAD was, one without is made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from logserve.collector.batch import RingReader
from logserve.logs.access.exchange import TRUNCATED, Ends, Exchange
from logserve.logs.access.outcome import Outcome
from logserve.logs.context import parse_traceparent
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm import scoreboard
from logserve.shm.layout import Phase
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

SHUTDOWN: Final[Mapping[str, Any]] = {"kind": "shutdown", "signal": None, "exit": None}
"""Why a worker is gone where nobody is left to say."""
_OUTCOMES: Final = {
    "signal": Outcome.WORKER_KILLED,
    "exit": Outcome.WORKER_EXITED,
    "timeout": Outcome.WORKER_TIMEOUT,
    "shutdown": Outcome.SHUTDOWN,
}

Encode = Callable[[Exchange], "list[tuple[int, bytes]]"]
"""An access record's frames: (frame word without length, payload) for each sink."""


class Finisher:
    """One dead segment on its way to being settled.

    :param cause: the arbiter's account of the death: ``kind``, ``signal``, ``exit``, and where there are some
        ``timed_out``: the seqs of the requests that the worker had found to run past ``--timeout``.
    :param encoder: makes the access record's encoder for the worker's origin; called if there is anything to
        record.
    """

    def __init__(
        self,
        reader: RingReader,
        cause: Mapping[str, Any],
        encoder: Callable[[Origin], Encode],
        wakeup: Wakeup,
    ) -> None:
        self.reader = reader
        self.since = time.monotonic()
        self._outcome = _OUTCOMES.get(str(cause.get("kind")), Outcome.WORKER_KILLED)
        self._signal = str(cause.get("signal") or "")
        self._timed_out = frozenset(cause.get("timed_out", ()))
        self._died = time.monotonic_ns()
        self._make_encoder = encoder
        self._encode: Encode | None = None
        self._producer = Producer(reader.segment, wakeup, 0.0)
        segment = reader.segment
        self._origin = Origin(segment.boot_id, segment.slot, segment.incarnation, reader.process_id())
        self._entries = scoreboard.used(segment)
        # What stands beyond HEAD comes first: the next frame would be placed over it.
        self._entries.sort(key=lambda entry: reader.words[entry + at.E_PREPARED] <= reader.head)

    def step(self) -> bool:
        """Go on as far as the ring has room; True once every entry is clear."""
        while self._entries:
            if not self._finish_entry(self._entries[0]):
                return False
            del self._entries[0]
        return True

    def _finish_entry(self, entry: int) -> bool:
        words, producer = self.reader.words, self._producer
        prepared = words[entry + at.E_PREPARED]
        if not prepared:
            end = self._place(entry)
            if end is None:
                return False
            if end != producer.head:
                words[entry + at.E_PREPARED] = end
            prepared = end
        if prepared > words[at.W_HEAD]:
            producer.publish(prepared)
        words[entry + at.E_PHASE] = Phase.NONE
        words[entry + at.E_PREPARED] = 0
        return True

    def _place(self, entry: int) -> int | None:
        """Place the access record; the position of its end, HEAD where it has no frame, None without room."""
        if self._encode is None:
            self._encode = self._make_encoder(self._origin)
        producer = self._producer
        frames = self._encode(self._exchange(entry))
        limit = self.reader.segment.capacity // 4
        end = producer.head
        for sink_kind, payload in frames:
            if len(payload) + 16 > limit:
                producer.count_dropped(sink_kind >> 48, too_long=True)
                continue
            end = producer.place(sink_kind, payload, end)
            if not end:
                return None
        return end

    def _exchange(self, position: int) -> Exchange:
        """What the scoreboard knows of a request."""
        entry = scoreboard.read(self.reader.segment, position)
        exchange = Exchange(
            self._origin,
            entry.seq,
            entry.connection,
            entry.number,
            entry.begin,
            entry.begin_wall,
            Ends(*entry.client),
        )
        exchange.end = max(self._died, exchange.begin)
        exchange.phase = entry.phase
        exchange.status = entry.status
        exchange.body_sent = entry.body_sent
        exchange.body_received = entry.body_received
        exchange.outcome = Outcome.TIMEOUT_REQUEST if entry.seq in self._timed_out else self._outcome
        exchange.signal = self._signal
        exchange.method, exchange.target, exchange.version = entry.method, entry.target, entry.version
        parent = parse_traceparent(entry.trace)
        if parent is not None:
            exchange.trace_id, exchange.parent_id = parent
        exchange.request_id = entry.request_id or exchange.id
        if entry.cut:
            exchange.extra = {TRUNCATED: ["url.query" if "?" in entry.target else "url.path"]}
        return exchange


class AccessEncoders:
    """Encoders of access records for dead workers, by configuration.

    A configuration's worker's half is applied in this process, whose loggers are used for nothing else.
    """

    def __init__(self) -> None:
        self._applied: object = None

    def encoder(
        self,
        data: dict[str, Any],
        sinks: Mapping[str, int],
        origin: Origin,
        segment: Segment,
        is_defined: Callable[[int], bool],
    ) -> Encode:
        """The access record's encoder of a worker with this configuration, under the worker's own origin.

        :param segment: the worker's.
        :param is_defined: whether there is a handler of this number.
        """
        # Imported here: nothing of this is needed as long as no worker dies with a request in flight.
        from logserve.logs.access import attached
        from logserve.logs.access.plan import AccessPlan
        from logserve.logs.config import LoggingConfig, configure_worker

        if self._applied is not data:
            configure_worker(LoggingConfig.of(data), sinks)
            self._applied = data
        configured = AccessPlan.of(logging.getLogger("logserve.access"), origin).frames
        lines = [line for line in attached.read(segment) if is_defined(line[0])]
        if not lines:
            return configured
        besides = attached.encoder(lines, origin)
        return lambda exchange: [*configured(exchange), *besides(exchange)]
