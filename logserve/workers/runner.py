"""Where the application's calls run: in the loop's own thread, or in a pool of threads.

A runner also knows what follows from that: whether the worker still lives, and whether it pays to keep a
connection alive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Protocol

from logserve.shm.wake import Wakeup
from logserve.workers.accept import Acceptor
from logserve.workers.connection import Connection
from logserve.workers.serve import Server

SLOW_CALL: Final = 0.002
"""Seconds. A kept connection's next request waits for whatever its worker does by then; where calls take longer
than this, a new connection, which goes to a free worker, is the shorter way."""

DECAY: Final = 0.95
"""How fast a slow call is forgotten: 100 ms after about 80 fast ones."""


class Runner(Protocol):
    """What the loop asks of a runner."""

    def start(self, connection: Connection, /) -> bool:
        """Call the application for a connection's complete request; True when the call is over on return."""

    def alive(self, now: float, /) -> bool:
        """Whether the worker may tell the arbiter that it lives."""

    def may_keep(self) -> bool:
        """Whether connections should be kept alive just now."""

    def wind_down(self) -> None:
        """The worker is to stop: no connection is kept any more. A signal's handler calls this, too."""

    def stop(self) -> None:
        """No more calls will come."""


class InlineRunner:
    """`sync`: the call runs in the loop's thread, one at a time.

    :param alone: whether there is no other worker that a new connection could go to.
    """

    def __init__(self, server: Server, *, alone: bool) -> None:
        self._server = server
        self._alone = alone
        self._slow = 1.0  # until proven fast
        self._winding_down = False

    def start(self, connection: Connection, /) -> bool:
        """See :class:`Runner`."""
        if self._alone:
            self._server.call(connection)
            return True
        began = time.monotonic()
        self._server.call(connection)
        self._slow = max(time.monotonic() - began, self._slow * DECAY)
        return True

    def alive(self, now: float, /) -> bool:
        """A worker that gets here is not inside a call."""
        return True

    def may_keep(self) -> bool:
        """Only where recent calls were fast, or where nobody else could answer sooner."""
        return (self._alone or self._slow < SLOW_CALL) and not self._winding_down

    def wind_down(self) -> None:
        """See :class:`Runner`."""
        self._winding_down = True
        self._server.may_keep = False

    def stop(self) -> None:
        """Nothing to do."""


class PoolRunner:
    """`gthread`: calls run in `threads` threads; the loop does all the rest.

    :param timeout: seconds after which a call that is still running counts as hung; 0 for never.
    """

    def __init__(self, server: Server, *, threads: int, timeout: float, alone: bool) -> None:
        self._server = server
        self._threads = threads
        self._timeout = timeout
        self._alone = alone
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._done: deque[Connection] = deque()
        self._running: dict[Connection, float] = {}
        self._started = 0
        self._winding_down = False
        self.wakeup = Wakeup()
        self.acceptor: Acceptor | None = None
        self.called_back: Callable[[Connection], None] | None = None

    def start(self, connection: Connection, /) -> bool:
        """Queue the call; the worker accepts no more while every thread is taken."""
        self._running[connection] = time.monotonic()
        if self._started < min(len(self._running), self._threads):
            self._started += 1
            threading.Thread(target=self._work, name=f"logserve-{self._started}", daemon=True).start()
        self._queue.put(connection)
        if len(self._running) >= self._threads and self.acceptor is not None:
            self.acceptor.ignore()
        return False

    def _work(self) -> None:
        while (connection := self._queue.get()) is not None:
            self._server.call(connection)
            self._done.append(connection)
            self.wakeup.wake()

    def collect(self) -> None:
        """Hand the calls that are over back to the loop."""
        self.wakeup.drain()
        assert self.acceptor is not None
        assert self.called_back is not None
        while self._done:
            connection = self._done.popleft()
            del self._running[connection]
            self.called_back(connection)
        if len(self._running) < self._threads and not self.acceptor.away_until:
            self.acceptor.watch()

    def alive(self, now: float, /) -> bool:
        """Not while a call runs for longer than the timeout: the arbiter then replaces the worker."""
        return (
            not self._timeout or not self._running or now - next(iter(self._running.values())) < self._timeout
        )

    def may_keep(self) -> bool:
        """As long as a thread is free for the next request, or nobody else could answer sooner."""
        return (self._alone or len(self._running) < self._threads) and not self._winding_down

    def wind_down(self) -> None:
        """See :class:`Runner`."""
        self._winding_down = True
        self._server.may_keep = False

    def stop(self) -> None:
        """Let the idle threads end."""
        for _ in range(self._started):
            self._queue.put(None)
