"""What the collector itself has to say: handlers that fail, and records that were lost.

A failing handler is reported once on the sinks of ``logserve.error`` (not on itself) and on the console, then at
most once a minute with the number of failures, and at its end. Losses are reported in the sink that lost them, as
soon as it can be written, by a record that goes through the handler's own formatter; its field ``logserve.lost``
has the same for a program.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from logserve.collector.batch import Local, RingReader, Worker
from logserve.logs import runtime
from logserve.logs.context import add_ids
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.intent import Intents, State

if TYPE_CHECKING:
    from logserve.collector.sink import Sink

REPEAT: Final = 60.0
"""A handler that goes on failing is reported again after this many seconds."""
NO_RING: Final = (1 << 64) - 1
"""The source of a report on what the collector itself could not keep."""
_LOGGER: Final = "logserve.error"
_DROPPED: Final = slice(at.W_DROPPED * 8, (at.W_DROPPED + at.MAX_SINKS) * 8)
_REPORTED: Final = slice(at.W_REPORTED * 8, (at.W_REPORTED + at.MAX_SINKS) * 8)
_console_formatter = logging.Formatter("%(asctime)s [%(process)d] [%(levelname)s] %(message)s")


def make_record(level: int, message: str, *, name: str = _LOGGER, **extra: Any) -> logging.LogRecord:
    """A record of the server's own; `extra` as with ``logger.log``.

    It has no thread: this process's would stand beside another's pid. Zero and empty, not None, since formats
    such as ``%(thread)d`` want a number.
    """
    record = logging.LogRecord(name, level, "", 0, message, (), None)
    record.thread, record.threadName, record.processName = 0, "", ""
    record.__dict__.update(extra)
    return record


def _lost(count: int, handler: str, origin: str = "") -> dict[str, Any]:
    """The field that says how many records of whom a handler did not get; `origin` as in their ``event.id``."""
    return {"logserve.lost": {"records": count, "handler": handler, "origin": origin}}


class _Failures:
    """One sink's failures since it last worked."""

    __slots__ = ("count", "lasting", "reported", "reported_at")

    def __init__(self) -> None:
        self.count = 0
        self.reported = 0
        self.reported_at = float("-inf")
        self.lasting = False


class Reporter:
    """Thread-safe: sinks report from their threads."""

    def __init__(self, intents: Intents, console: int = 2) -> None:
        self._intents = intents
        self._console = console
        self._lock = threading.Lock()
        self._failures: dict[Sink, _Failures] = {}
        self._destinations: tuple[Sink, ...] = ()
        self._level = logging.INFO
        self._reporting: set[tuple[int, int]] = set()
        self._serial = itertools.count(1)

    def direct(self, destinations: tuple[Sink, ...], level: int) -> None:
        """Say which sinks the server's own records go to, from which level."""
        self._destinations = destinations
        self._level = level

    # ------------------------------------------------------------------------------------------ records

    def takers(self, record: logging.LogRecord) -> list[Sink]:
        """The sinks of ``logserve.error`` that take a record of this level."""
        return [sink for sink in self._destinations if record.levelno >= max(self._level, sink.handler.level)]

    def emit(self, record: logging.LogRecord, *, besides: Sink | None = None) -> bool:
        """Give a record to the sinks of ``logserve.error``; True if one of them is the console."""
        console = False
        for sink in self.takers(record):
            if sink is not besides and sink.put_local(Local([record], [], State.LOCAL)):
                console = console or _is_console(sink.handler)
        return console

    def say(self, level: int, message: str, *, besides: Sink | None = None, **extra: Any) -> None:
        """Make a record of the server's own; where no sink is the console, it goes there too."""
        record = make_record(level, message, **extra)
        if not self.emit(record, besides=besides):
            self.console(_console_formatter.format(record))

    def console(self, text: str) -> None:
        """Write a line to the console, if there is one."""
        try:
            os.write(self._console, f"{text}\n".encode(errors="backslashreplace"))
        except OSError:
            pass

    # ----------------------------------------------------------------------------------------- failures

    def failed(self, sink: Sink, error: BaseException) -> None:
        """A handler raised, or its file cannot be written."""
        now = time.monotonic()
        with self._lock:
            failures = self._failures.setdefault(sink, _Failures())
            failures.count += 1
            failures.lasting = isinstance(error, OSError)
            if now - failures.reported_at < REPEAT:
                return
            failures.reported_at = now
            count, before = failures.count, failures.reported
            failures.reported = count
        again = f" ({count - before:,} times since it was last reported)" if before else ""
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            what = f"{type(error).__name__}: {error.strerror} [errno {error.errno}]"
        else:
            what = f"{type(error).__name__}: {error}"
        trace = None if isinstance(error, OSError) else _traceback(error)
        self.say(
            logging.ERROR,
            f"the handler '{sink.name}' ({type(sink.handler).__name__}) failed{again}: {what}",
            besides=sink,
            exc_text=trace,
        )

    def worked(self, sink: Sink) -> None:
        """A handler did its work; said once after its file could not be written."""
        failures = self._failures.get(sink)
        if failures is None or not failures.lasting:
            return
        with self._lock:
            self._failures.pop(sink, None)
        self.say(
            logging.INFO, f"the handler '{sink.name}' works again; it had failed {_times(failures.count)}"
        )

    def ended(self, sink: Sink) -> None:
        """A handler is at its end: say how often it failed since that was last said."""
        with self._lock:
            failures = self._failures.pop(sink, None)
        more = failures.count - failures.reported if failures else 0
        if more:
            self.say(
                logging.ERROR,
                f"the handler '{sink.name}' ({type(sink.handler).__name__}) failed {more:,} more "
                f"time{'' if more == 1 else 's'} since it was last reported",
                besides=sink,
            )

    # ------------------------------------------------------------------------------------------- losses

    def losses(self, reader: RingReader, sinks: Mapping[int, Sink]) -> bool:
        """Report what a producer dropped; True when nothing is left to report for this ring."""
        memory, words = reader.segment.memory, reader.words
        if memory[_DROPPED] == memory[_REPORTED]:
            return True
        for number in range(at.MAX_SINKS):
            dropped, reported = words[at.W_DROPPED + number], words[at.W_REPORTED + number]
            if dropped != reported and (reader.source, number) not in self._reporting:
                self._report_dropped(reader, number, reported, dropped, sinks.get(number))
        return False

    def _report_dropped(
        self, reader: RingReader, number: int, reported: int, dropped: int, sink: Sink | None
    ) -> None:
        words, key = reader.words, (reader.source, number)
        name = sink.name if sink else f"number {number}"
        count, worker = dropped - reported, reader.worker
        text = f"lost {_records(count)} of {worker} for handler '{name}': {_why_dropped(words)}"
        lost = _lost(count, name, worker.origin)
        if sink is None:
            self.say(logging.WARNING, text, **lost)
            words[at.W_REPORTED + number] = dropped
            return

        def written() -> None:
            words[at.W_REPORTED + number] = dropped
            self._reporting.discard(key)

        self._reporting.add(key)
        record = self._make_report(text, lost)
        local = Local([record], [], State.REPORT, reader.source, number, reported, dropped, written)
        if not sink.put_local(local):
            self._reporting.discard(key)

    def _make_report(self, text: str, lost: Mapping[str, Any]) -> logging.LogRecord:
        """A record for the one sink that lost something.

        Its id is none of the numbers that the audit misses where they are not there: this sink may write no ids, and
        a report that goes down with its collector is made anew by the next one.
        """
        record = make_record(logging.WARNING, text, **lost)
        origin = runtime.origin or Origin.local()
        add_ids(record.__dict__, None, origin.loss_id(next(self._serial)))
        return record

    def shed(self, sink: Sink) -> None:
        """Report what the collector itself could not keep for a sink: of each worker, then of whom it is not known."""
        lost, reported = self._intents.shed(sink.row)
        key = (NO_RING, sink.row)
        if lost == reported or key in self._reporting:
            return
        self._reporting.add(key)
        for worker, count in [*sink.given_up().items(), (None, lost)]:
            count = min(count, lost - reported)
            if not count:
                continue
            last = reported + count == lost
            if not self._report_shed(sink, worker, reported, reported + count, key if last else None):
                self._reporting.discard(key)
                return
            reported += count

    def _report_shed(
        self, sink: Sink, worker: Worker | None, reported: int, lost: int, key: tuple[int, int] | None
    ) -> bool:
        def written() -> None:
            self._intents.set_shed_reported(sink.row, lost)
            if key is not None:
                self._reporting.discard(key)

        count = lost - reported
        whose = f" of {worker}" if worker else ""
        text = f"lost {_records(count)}{whose} for handler '{sink.name}': it could not take them in time"
        record = self._make_report(text, _lost(count, sink.name, worker.origin if worker else ""))
        return sink.put_local(Local([record], [], State.REPORT, NO_RING, sink.row, reported, lost, written))

    def unsaid(self, sink: Sink, readers: Iterable[RingReader]) -> int:
        """How many lost records of a sink no report in the log tells of."""
        lost, reported = self._intents.shed(sink.row)
        for reader in readers:
            for number in sink.numbers:
                lost += reader.words[at.W_DROPPED + number]
                reported += reader.words[at.W_REPORTED + number]
        return lost - reported

    def lost_by_child(self, handler: str, count: int, pid: int) -> logging.LogRecord:
        """The report on what a process that a worker has forked could not send."""
        text = (
            f"lost {_records(count)} of a worker's child (pid {pid}) for handler '{handler}': "
            "they could not be sent to the collector in time"
        )
        return self._make_report(text, _lost(count, handler))


def _why_dropped(words: memoryview) -> str:
    """Why a producer dropped records, as far as its ring can tell."""
    too_long = words[at.W_TOO_LONG]
    if not too_long:
        return "the ring was full"
    if too_long >= sum(words[at.W_DROPPED : at.W_DROPPED + at.MAX_SINKS]):
        return "too long for the ring"
    return "the ring was full, or they were too long for it"


def _times(count: int) -> str:
    return f"{count:,} time{'' if count == 1 else 's'}"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"


def _traceback(error: BaseException) -> str:
    return logging.Formatter().formatException((type(error), error, error.__traceback__))


def _is_console(handler: logging.Handler) -> bool:
    if type(handler) is not logging.StreamHandler:
        return False
    try:
        return handler.stream.fileno() in (1, 2)
    except (AttributeError, OSError, ValueError):
        return False
