"""Where the application's calls run: in the loop's own thread, or in a pool of threads.

A runner also knows what follows from that: which calls take too long, and whether it pays to keep a connection
alive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Protocol

from logserve.logs import handover
from logserve.shm import layout as at
from logserve.shm.segment import Roster
from logserve.shm.wake import Wakeup
from logserve.workers.accept import Acceptor
from logserve.workers.connection import Connection
from logserve.workers.overdue import Call, stack_of, tell
from logserve.workers.serve import QuickStop, Server

SLOW_CALL: Final = 2_000_000
"""Nanoseconds. A kept connection's next request waits for whatever its worker does by then; where calls take longer
than this, a new connection, which goes to a free worker, is the shorter way."""

LONG_CALL: Final = 10_000_000
"""Nanoseconds. After a longer one the arbiter is told that the worker lives; else once a turn of the loop will do, which
answers at most :data:`~logserve.workers.poller.MAX_EVENTS` connections, unless they pipeline."""

DECAY: Final = 0.95
"""How fast a slow call is forgotten: 100 ms after about 80 fast ones. A worker that has not answered anything counts
as slow, until about 120 calls have shown that it is not."""

UNKNOWN: Final = 1_000_000_000.0
"""What a worker's calls are taken to need before there was one, in ns."""


class Others:
    """Whether there are other workers that a new connection could go to; the arbiter keeps the number."""

    __slots__ = ("_word", "_words")

    def __init__(self, roster: Roster) -> None:
        self._words = roster.words
        self._word = (at.ROSTER_SLOTS - 1) * at.ROSTER_WORDS + at.R_WANTED

    def any(self) -> bool:
        """Whether more than one worker is wanted."""
        return self._words[self._word] > 1


class Keeping:
    """Whether connections are kept alive: only while recent calls were fast, or nobody else could answer sooner.

    A kept connection's next request has to wait for its worker, whatever that does by then; a new one goes to a
    worker that is free. The policy of every :class:`~logserve.workers.connection.Connection`.

    :param keep: whether they are ever kept.
    :param beat: tells the arbiter that the worker lives.
    """

    __slots__ = ("_keep", "_others", "_slow", "beat")

    def __init__(self, others: Others, beat: Callable[[], None], *, keep: bool) -> None:
        self._others = others
        self._keep = keep
        self._slow = UNKNOWN
        self.beat = beat

    def may_keep(self) -> bool:
        """Whether a connection should be kept alive just now."""
        return self._keep and (self._slow < SLOW_CALL or not self._others.any())

    def called(self, took: int) -> None:
        """A call took so many ns; threads may tell it."""
        slow = self._slow * DECAY
        self._slow = took if took > slow else slow

    def end(self) -> None:
        """No connection is kept any more."""
        self._keep = False


class Runner(Protocol):
    """What the loop asks of a runner."""

    def start(self, connection: Connection, /) -> bool:
        """Call the application for a connection's complete request; True when the call is over on return."""

    def look_at_deadlines(self, now: float, /) -> None:
        """Report the calls that have run too long by `now` (CLOCK_MONOTONIC, seconds)."""

    @property
    def inline(self) -> bool:
        """Whether a call is over when :meth:`start` returns, so that the loop sees nothing in between."""

    @property
    def full(self) -> bool:
        """Whether no call could begin just now."""

    def wind_down(self) -> None:
        """The worker is to stop: no connection is kept any more. A signal's handler calls this, too."""

    def stop(self) -> None:
        """No more calls will come."""


class InlineRunner:
    """`sync`: the call runs in the loop's thread, one at a time."""

    full = False
    inline = True

    def __init__(self, server: Server, keeping: Keeping) -> None:
        self._server = server
        self._keeping = keeping

    def start(self, connection: Connection, /) -> bool:
        """See :class:`Runner`."""
        took = self._server.call(connection)
        if took > LONG_CALL or connection.waiting:
            self._keeping.beat()
        self._keeping.called(took)
        return True

    def look_at_deadlines(self, now: float, /) -> None:
        """Whoever gets here is not inside a call; the heartbeat tells the arbiter of one that never ends."""

    def interrupt(self) -> None:
        """End the call that runs, if one does: for the handler of a quick stop.

        :raises QuickStop: through the application.
        """
        if self._server.in_application and not handover.put_off(self.interrupt):
            self._server.in_application = False
            raise QuickStop

    def wind_down(self) -> None:
        """See :class:`Runner`."""
        self._keeping.end()

    def stop(self) -> None:
        """Nothing to do."""


class PoolRunner:
    """`gthread`: calls run in `threads` threads; the loop does all the rest.

    A call that runs too long is reported with its stack while it runs, and the arbiter told, which replaces the
    worker: the other calls are finished first.

    :param timeout: seconds after which a call counts as hung; 0 for never.
    """

    inline = False

    def __init__(self, server: Server, keeping: Keeping, *, threads: int, timeout: float) -> None:
        self._server = server
        self._threads = threads
        self._timeout = timeout
        self._keeping = keeping
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._done: deque[Connection] = deque()
        self._given: set[Connection] = set()
        """Handed to the pool and not taken back yet."""
        self._calls: dict[Connection, Call] = {}
        """Those that a thread has begun and not ended."""
        self._started = 0
        self._failure: BaseException | None = None
        self.wakeup = Wakeup()
        self.acceptor: Acceptor | None = None
        self.called_back: Callable[[Connection], None] | None = None
        self.timed_out: Callable[[int], None] | None = None
        """Told the seq of each request that has run too long."""

    def start(self, connection: Connection, /) -> bool:
        """Queue the call; the worker accepts no more while every thread is taken."""
        self._given.add(connection)
        if self._started < min(len(self._given), self._threads):
            self._started += 1
            threading.Thread(target=self._work, name=f"logserve-{self._started}", daemon=True).start()
        self._queue.put(connection)
        if self.full and self.acceptor is not None:
            self.acceptor.hold("threads")
        return False

    def _work(self) -> None:
        thread = threading.get_ident()
        while (connection := self._queue.get()) is not None:
            assert connection.exchange is not None
            self._calls[connection] = Call(connection.exchange, thread, time.monotonic())
            try:
                self._keeping.called(self._server.call(connection))
            except (
                BaseException
            ) as error:  # the server's own: the loop ends with it, as if it had been inline
                self._failure = error
            del self._calls[connection]
            self._done.append(connection)
            self.wakeup.wake()

    def collect(self) -> None:
        """Hand the calls that are over back to the loop."""
        self.wakeup.drain()
        if self._failure is not None:
            raise self._failure
        assert self.acceptor is not None
        assert self.called_back is not None
        while self._done:
            connection = self._done.popleft()
            self._given.remove(connection)
            self.called_back(connection)
        if not self.full:
            self.acceptor.release("threads")

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self._calls)

    def look_at_deadlines(self, now: float, /) -> None:
        """See the class. A call is reported once; while it waits for its client to read, it does not hang."""
        for connection, call in list(self._calls.items()):
            outgoing = connection.outgoing  # its thread's; a look is all that is taken
            if outgoing is not None and outgoing.size > connection.response_spool:
                call.since = now
            if not self._timeout or call.reported or now - call.since < self._timeout:
                continue
            stack = stack_of(call)
            if self._calls.get(connection) is not call:
                continue  # it has ended meanwhile: the stack may be the next call's
            call.reported = True
            tell(call, now, self._timeout, stack)
            if self.timed_out is not None:
                self.timed_out(call.exchange.seq)

    @property
    def full(self) -> bool:
        """Whether every thread is taken."""
        return len(self._given) >= self._threads

    def wind_down(self) -> None:
        """See :class:`Runner`."""
        self._keeping.end()

    def stop(self) -> None:
        """Let the idle threads end."""
        for _ in range(self._started):
            self._queue.put(None)
