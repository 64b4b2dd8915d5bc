"""The collector's process: one loop around the channel, the rings, captured output and the children's socket.

It lingers for a moment before it sleeps (RING: a reader that sleeps at once is woken for each record), and an idle
one wakes every two seconds. It ends when the arbiter says so, or, when the arbiter is gone, once every producer is
gone and its ring is written.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from logserve.channel import Channel
from logserve.collector.backlog import Pool
from logserve.collector.batch import RingReader
from logserve.collector.inlets import Inlets
from logserve.collector.intake import Intake, make_ring
from logserve.collector.pipeline import BLOCK, Pipeline
from logserve.collector.recover import SHUTDOWN, Finisher
from logserve.collector.report import Reporter
from logserve.collector.roster import Handlers
from logserve.errors import LogserveError
from logserve.logs import runtime
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.backlog import Backlogs
from logserve.shm.intent import Intents
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

LINGER: Final = 0.005
"""Seconds between the last frame that was found and the decision to sleep; also between drains under load."""
IDLE_WAIT: Final = 2.0
"""Longest sleep, in seconds: a bound on what a lost wake-up can delay."""
FINISH_WAIT: Final = 0.02
"""Seconds between two looks at a ring that is being finished."""
REPORT_INTERVAL: Final = 0.1
"""Seconds between two looks at the counters of lost records while there is work."""
STOP_TIMEOUT: Final = 10.0
"""Seconds for the last writes where the arbiter is gone."""
CLOSE_TIMEOUT: Final = 1.0
"""Seconds that handlers have at least to flush and close, however late it is."""
IGNORED: Final = (
    signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH
)  # fmt: skip
"""Signals to the whole process group: the collector ends when the arbiter says so."""

_Key = tuple[int, int]  # slot, incarnation


@dataclass(slots=True)
class CollectorStart:
    """What the arbiter hands to a collector over the fork.

    `intents`, `backlogs` and `ring` outlive every collector; without the first a killed one's lines may be doubled,
    without the second what it had put aside is lost, without the third what it had received by pipe and socket.
    `child_socket` receives the records of processes that workers have forked. `segments` are rings known at the start, with their pids.
    Under `boot_id` (12 bytes) the collector numbers the records that it makes itself. `orphan_grace` is how many seconds
    workers may outlive the arbiter before they are killed: one that hangs would hold the listening sockets for ever.
    """

    channel: Channel
    wakeup: Wakeup
    intents: Intents | None = None
    backlogs: Backlogs | None = None
    ring: Segment | None = None
    child_socket: socket.socket | None = None
    title: str = ""
    orphan_grace: float = math.inf
    boot_id: bytes = field(default_factory=lambda: os.urandom(at.BOOT_ID_SIZE))
    segments: list[tuple[Segment, int | None]] = field(default_factory=list)


def run(start: CollectorStart) -> int:
    """Be the collector, in a process forked for it, until there is nothing left to do; its exit code.

    The caller ends the process with ``os._exit``: threads of handlers that hang are left behind.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    logging.raiseExceptions = False  # a handler's failures are counted and reported by its sink
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # blocks of frames are containers without cycles
    return Collector(start).run()


class Collector:
    """The loop and what it looks at."""

    def __init__(self, start: CollectorStart) -> None:
        self._channel: Channel | None = start.channel
        self._wakeup = start.wakeup
        intents = start.intents or Intents.create()
        runtime.number_as(Origin(start.boot_id, at.COLLECTOR_SLOT, int.from_bytes(os.urandom(8), "big")))
        self._reporter = Reporter(intents)
        pool = Pool(start.backlogs or Backlogs.create(), start.wakeup)
        self._pipeline = Pipeline(intents, self._reporter, pool)
        self._handlers = Handlers(self._pipeline, intents, self._reporter)
        ring = start.ring or make_ring(start.boot_id)
        self._intake = Intake(ring, start.wakeup, self._pipeline, self._reporter)
        self._selector = selectors.DefaultSelector()
        self._inlets = Inlets(self._selector, self._intake, start.child_socket)
        self._finishing: dict[_Key, Finisher] = {}
        self._generations: dict[_Key, int | None] = {}
        self._watched: dict[_Key, int] = {}
        """Producers that are waited for once the arbiter is gone: their pidfd, or -1."""
        self._orphaned = False
        self._orphan_grace = start.orphan_grace
        self._kill_at = math.inf
        self._deadline: float | None = None
        self._report_at = 0.0
        self._selector.register(start.channel, selectors.EVENT_READ, self._on_channel)
        self._selector.register(start.wakeup, selectors.EVENT_READ, self._on_wakeup)
        for segment, pid in start.segments:
            self._pipeline.add_segment(segment, pid)

    def run(self) -> int:
        """Turn until the end."""
        self._send({"op": "ready"})
        while not self._done():
            self._turn()
        return self._close()

    def _turn(self) -> None:
        pipeline = self._pipeline
        taken = pipeline.drain()
        self._finish_segments()
        if self._orphaned:
            self._look_for_the_gone()
        lagging = pipeline.relieve()
        self._inlets.turn()
        now = time.monotonic()
        if not taken or now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            pipeline.report_losses()
            self._inlets.flush(now)
        if taken >= BLOCK:
            self._poll(0)
        elif taken or lagging:
            self._poll(LINGER)
        elif self._finishing or self._deadline is not None:
            self._poll(FINISH_WAIT)
        elif pipeline.prepare_sleep():
            rests = self._inlets.has_rest
            if not rests:
                self._intake.rest()
            self._poll(REPORT_INTERVAL if rests else IDLE_WAIT)
            pipeline.awake()
        else:
            self._poll(LINGER)

    def _poll(self, timeout: float) -> None:
        for key, events in self._selector.select(timeout):
            if events & selectors.EVENT_WRITE and self._channel is not None:
                self._channel.flush()
                self._watch_channel()
            if events & selectors.EVENT_READ:
                callback: Callable[[], object] = key.data
                callback()

    # ------------------------------------------------------------------------------------------- channel

    def _send(self, message: dict[str, Any]) -> None:
        if self._channel is not None:
            self._channel.send(message)
            self._watch_channel()

    def _watch_channel(self) -> None:
        if self._channel is not None:
            write = selectors.EVENT_WRITE if self._channel.wants_write else 0
            self._selector.modify(self._channel, selectors.EVENT_READ | write, self._on_channel)

    def _on_channel(self) -> None:
        while self._channel is not None:
            try:
                received = self._channel.receive()
            except BlockingIOError:
                return
            if received is None:
                self._lose_arbiter()
                return
            self._hear(*received)

    def _hear(self, message: Mapping[str, Any], fds: list[int]) -> None:
        match message["op"]:
            case "segment":
                self._add_segment(message, fds.pop())
            case "pipes":
                self._inlets.add(message, fds)
                fds = []
            case "dead":
                self._finish((message["slot"], message["incarnation"]), message["cause"])
            case "configure":
                self._answer(message, "configured", lambda: self._handlers.configure(
                    message["generation"], message["config"], message["sinks"]
                ))  # fmt: skip
            case "adopt":
                self._answer(
                    message, "adopted", lambda: self._handlers.adopt(message["sink"], message["spec"])
                )
            case "commit":
                self._handlers.commit(message["generation"])
            case "retire":
                self._intake.drain()
                self._handlers.retire(message["generation"], message.get("sinks"))
            case "reopen":
                self._handlers.reopen()
            case "stop":
                self._stop(float(message["timeout"]))
        for fd in fds:
            os.close(fd)

    def _answer(self, message: Mapping[str, Any], done: str, act: Callable[[], None]) -> None:
        try:
            act()
        except LogserveError as error:
            self._send({"op": "refused", "request": message["request"], "error": str(error)})
        except Exception as error:  # a handler's own constructor: the arbiter has to hear of it
            problem = f"{type(error).__name__}: {error}"
            self._send({"op": "refused", "request": message["request"], "error": problem})
        else:
            self._send({"op": done, "request": message["request"]})

    # --------------------------------------------------------------------------------------------- rings

    def _add_segment(self, message: Mapping[str, Any], fd: int) -> None:
        reader = self._pipeline.add_segment(Segment(fd), message.get("pid"))
        self._generations[reader.key] = message.get("generation")

    def _on_wakeup(self) -> None:
        self._wakeup.drain()

    # ---------------------------------------------------------------------------------------- finishing

    def _finish(self, key: _Key, cause: Mapping[str, Any]) -> None:
        """The producer of this ring is gone: record what was in flight, drain it, let it go."""
        reader = self._pipeline.readers.get(key)
        if reader is None:
            self._send({"op": "drained", "slot": key[0], "incarnation": key[1]})
        elif key not in self._finishing:
            generation = self._generations.get(key)
            self._finishing[key] = Finisher(
                reader,
                cause,
                lambda origin: self._handlers.access_encoder(generation, origin, reader.segment),
                self._wakeup,
            )

    def _finish_segments(self) -> None:
        for key, finisher in list(self._finishing.items()):
            reader = finisher.reader
            if not finisher.step():
                continue
            if reader.position == reader.head:
                self._pipeline.set_free(reader)
            if not reader.settled() or not self._inlets.is_emptied(key):
                continue
            if self._reporter.losses(reader, self._pipeline.sinks):
                del self._finishing[key]
                self._generations.pop(key, None)
                self._let_go(reader)

    def _let_go(self, reader: RingReader) -> None:
        key = reader.key
        self._pipeline.remove_segment(reader)
        self._send({"op": "drained", "slot": key[0], "incarnation": key[1]})

    def _lose_arbiter(self) -> None:
        """The arbiter is gone: serve the producers that are left, then end."""
        if self._channel is not None:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None
        self._orphaned = True
        self._kill_at = time.monotonic() + self._orphan_grace

    def _look_for_the_gone(self) -> None:
        """Finish each ring whose producer has ended; where there are pidfds the selector wakes for them."""
        for key, reader in self._producers():
            if key in self._finishing:
                continue
            if is_gone(reader.process_id()):
                self._unwatch(key)
                self._finish(key, SHUTDOWN)
            elif key not in self._watched:
                self._watched[key] = fd = open_pidfd(reader.process_id())
                if fd >= 0:
                    self._selector.register(fd, selectors.EVENT_READ, lambda: None)
        if time.monotonic() >= self._kill_at:
            self._kill_the_hung()
        if not self._producers() and self._deadline is None:
            self._stop(STOP_TIMEOUT)

    def _kill_the_hung(self) -> None:
        """No arbiter is left to do it; what these workers had under way is recorded from their entries."""
        self._kill_at = math.inf
        for fd in self._watched.values():
            if fd >= 0:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)

    def _producers(self) -> list[tuple[_Key, RingReader]]:
        """The rings of other processes."""
        return [each for each in self._pipeline.readers.items() if each[1] is not self._intake.reader]

    def _unwatch(self, key: _Key) -> None:
        fd = self._watched.pop(key, -1)
        if fd >= 0:
            self._selector.unregister(fd)
            os.close(fd)

    # ----------------------------------------------------------------------------------------- stopping

    def _stop(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        for key, _ in self._producers():
            self._finish(key, SHUTDOWN)

    def _done(self) -> bool:
        if self._deadline is None:
            return False
        if time.monotonic() >= self._deadline:
            return True
        if self._producers() or not self._inlets.are_empty():
            return False
        if not self._intake.settled or not self._pipeline.idle():
            return False
        self._pipeline.report_losses()  # a sink that goes on only now has its losses still to say
        for sink in self._pipeline.all_sinks():
            self._reporter.ended(sink)
        return self._pipeline.idle()

    def _close(self) -> int:
        """Flush and close every handler, as far as the time allows; say what was left."""
        sinks = self._pipeline.all_sinks()
        sinks.sort(key=lambda sink: not sink.idle)  # who hangs does not take the time of who has to flush
        for sink in sinks:
            sink.finish()
        deadline = max(self._deadline or 0.0, time.monotonic() + CLOSE_TIMEOUT)
        for sink in [*sinks, *self._handlers.retired]:
            sink.join(max(0.0, deadline - time.monotonic()))
        for sink in sinks:
            self._reporter.ended(sink)  # of one that hangs nobody else says it
            if sink.waiting:
                self._reporter.console(
                    f"logserve: {sink.waiting:,} records for handler '{sink.name}' could not be written in time"
                )
            unsaid = self._reporter.unsaid(sink, self._pipeline.readers.values())
            if unsaid:
                self._reporter.console(
                    f"logserve: {unsaid:,} records for handler '{sink.name}' were dropped before, "
                    "and its log could not be told"
                )
        if self._channel is not None:
            self._channel.flush()
        return 0


def is_gone(pid: int) -> bool:
    """Whether no process has this id (or none ever had it: 0), zombies counted as gone."""
    if not pid:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    fd = open_pidfd(pid)
    if fd < 0:
        return False
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            return bool(selector.select(0))
    finally:
        os.close(fd)


def open_pidfd(pid: int) -> int:
    """A descriptor that is readable once the process has ended; -1 where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # not on macOS
        return -1
