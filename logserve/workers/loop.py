"""The event loop of the `sync` and `gthread` workers.

Reads, parses and buffers without blocking, so that slow clients, idle connections and slow readers hold
nobody. What differs between the two worker types is only where a call runs (:mod:`logserve.workers.runner`):
inline, one at a time, or in a pool of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from logserve.logs.context import set_current
from logserve.shm import layout as at
from logserve.shm.layout import WorkerState
from logserve.shm.segment import Roster
from logserve.workers.accept import Acceptor
from logserve.workers.conversations import Conversations
from logserve.workers.ledger import Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.poller import READ, Poller
from logserve.workers.runner import Runner

REST_AFTER: Final = 1.0
"""Seconds without an event after which a worker counts as quiet."""
TICK: Final = 0.25
"""How often deadlines are looked at while there are connections, in seconds."""


class Loop:
    """One worker's loop, and its life until it is told to stop."""

    def __init__(
        self,
        poller: Poller,
        ledger: Ledger,
        *,
        limits: WorkerLimits,
        roster: Roster,
        slot: int,
    ) -> None:
        self._poller = poller
        self._ledger = ledger
        self._limits = limits
        self._words = roster.words
        self._row = slot * at.ROSTER_WORDS
        self._special: dict[int, Callable[[], None]] = {}
        self._served = 0
        self._next_look = 0.0
        self._stop_at = 0.0
        self._ended = False
        self.stopping = False
        self.runner: Runner
        self.conversations: Conversations
        self.acceptor: Acceptor

    def watch(self, fd: int, readable: Callable[[], None]) -> None:
        """Have `readable` called whenever a descriptor that is no connection can be read."""
        self._special[fd] = readable
        self._poller.register(fd, READ)

    def ignore(self, fd: int) -> None:
        """Watch it no longer."""
        del self._special[fd]
        self._poller.unregister(fd)

    def run(self) -> None:
        """Serve until :meth:`stop` and the end of the requests under way, or :meth:`quit`."""
        connections, acceptor = self.conversations.open, self.acceptor
        words, row = self._words, self._row
        timeout = 0.0
        while not self._ended:
            words[row + at.R_STATE] = self._state()
            events = self._poller.poll(timeout)
            now = time.monotonic()
            if not events:
                self._ledger.rest()
            words[row] = int(now * 1e9)
            if self.runner.inline and not self.stopping:
                words[row + at.R_STATE] = WorkerState.BUSY
            self._ledger.set_clock()
            self._dispatch(events)
            set_current(None)  # of the calls that ran inline
            self._ledger.flush()
            if now >= self._next_look:
                self._next_look = now + TICK
                self.conversations.look_at_deadlines(now)
                self.runner.look_at_deadlines(now)
                if self.stopping and now >= self._stop_at:
                    self.quit()
            if self.stopping and not connections:
                break
            acceptor.return_if_due(now)
            timeout = self._timeout()
        self.conversations.quit()
        self._ledger.flush()

    def _state(self) -> WorkerState:
        """What the other workers see while this one waits: whether it could take a connection."""
        if self.stopping:
            return WorkerState.STOPPING
        return WorkerState.BUSY if self.runner.full else WorkerState.IDLE

    def beat(self) -> None:
        """Tell the arbiter that the worker lives."""
        self._words[self._row] = time.monotonic_ns()

    def _dispatch(self, events: list[tuple[int, int]]) -> None:
        """Connections first: a worker that is woken for a new one as well lets another look for that."""
        conversations, acceptor = self.conversations, self.acceptor
        connections = conversations.open
        listening: list[int] = []
        if len(events) > 1 and acceptor.shared and any(acceptor.owns(fd) for fd, _ in events):
            acceptor.pass_on(fewer_only=False)
        for fd, _ in events:
            if conversations.ending:
                return
            connection = connections.get(fd)
            if connection is not None:
                conversations.ready(connection)
            elif acceptor.owns(fd):
                listening.append(fd)
            elif fd in self._special:
                self._special[fd]()
        for fd in listening:
            acceptor.ready(fd)

    def _timeout(self) -> float:
        if self.acceptor.away_until:
            return max(0.0, self.acceptor.away_until - time.monotonic())
        if self.conversations.open or self.stopping:
            return TICK
        return min(REST_AFTER, self._limits.heartbeat) if self._ledger.restless else self._limits.heartbeat

    def served(self) -> None:
        """A request has its record; after ``--max-requests`` of them the worker makes room for another."""
        self._served += 1
        self._words[self._row + at.R_REQUESTS] = self._served
        if self._limits.max_requests and self._served >= self._limits.max_requests:
            self.stop()

    def stop(self) -> None:
        """Stop gracefully: accept no more, end idle connections, finish the requests under way."""
        if self.stopping:
            return
        self.stopping = True
        self._stop_at = time.monotonic() + self._limits.graceful_timeout
        self.runner.wind_down()
        self.acceptor.stop()
        self.conversations.wind_down()

    def quit(self) -> None:
        """Stop now; a signal's handler may call this."""
        self._ended = self.conversations.ending = True
