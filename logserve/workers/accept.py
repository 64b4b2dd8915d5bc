"""When a worker accepts a connection, and when it leaves it to another.

A sync worker inside the application cannot look at its connections, so whatever it accepted waits. It accepts
one connection at a time, only when it is free, and never where another idle worker has fewer. Three facts of
epoll(7) on Linux shape this, each measured:

- level-triggered EPOLLEXCLUSIVE gives every new connection to one and the same idle worker, as long as it is
  idle; so that worker *passes*: it wakes the one with the fewest connections and looks away for a moment;
- a worker that is woken for the listener but serves a kept connection first has used up the wake-up, and the
  new connection would wait behind the application's call; so it passes it on before it enters the application;
- an exclusive registration can be made and removed, but not modified (EINVAL).
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import Final

from logserve.shm import layout as at
from logserve.shm.segment import Roster
from logserve.shm.wake import Wakeup
from logserve.workers.poller import EXCLUSIVE, READ, Poller, is_readable

LOOK_AWAY: Final = 0.002
"""Seconds for which a worker that has passed a connection on leaves the listeners alone: long enough for a woken
process to accept, short enough not to matter where that one has become busy meanwhile."""

NO_ROOM: Final = "no room"

OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """The listeners of one worker.

    :param accepted: called with each new socket.
    :param room: called before each accept; False where there is no place for one more.
    :param shared: whether other workers may accept from the same sockets.
    """

    def __init__(
        self,
        poller: Poller,
        listeners: list[socket.socket],
        accepted: Callable[[socket.socket], None],
        room: Callable[[], bool],
        *,
        roster: Roster,
        slot: int,
        pokes: list[Wakeup],
        shared: bool,
    ) -> None:
        self._poller = poller
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._accepted = accepted
        self._room = room
        self._held: set[str] = set()
        """Why no connection is accepted just now."""
        self._words = roster.words
        self._slot = slot
        self._pokes = pokes
        self.shared = shared and len(pokes) > 1
        self._watching = False
        self.stopped = False
        self.away_until = 0.0
        """Monotonic time until which the listeners are left to others; 0 for not at all."""

    def owns(self, fd: int) -> bool:
        """Whether this descriptor is one of the listeners."""
        return fd in self._listeners

    def hold(self, why: str) -> None:
        """Leave new connections in the backlog, or to others, until :meth:`release` with the same reason."""
        self._held.add(why)
        if self._watching:
            for fd in self._listeners:
                self._poller.unregister(fd)
            self._watching = False

    def release(self, why: str) -> None:
        """The reason is gone; where none is left, wait for connections."""
        self._held.discard(why)
        if self._held or self._watching or self.stopped:
            return
        for fd in self._listeners:
            self._poller.register(fd, READ | (EXCLUSIVE if self.shared else 0))
        self._watching = True

    def stop(self) -> None:
        """Accept no more, and close this process's listeners.

        At a reload the arbiter and the new workers still hold the sockets, so that no client is refused; at the
        end nobody does, so that a load balancer sees it at once.
        """
        self.hold("stopped")
        self.stopped = True
        for listener in self._listeners.values():
            listener.close()

    def ready(self, fd: int) -> None:
        """A listener is readable: accept one connection, or pass it on."""
        if self.stopped:
            return
        if self.shared and self.pass_on(fewer_only=True):
            self._look_away(LOOK_AWAY)
            return
        self._accept(self._listeners[fd])

    def _look_away(self, seconds: float) -> None:
        self.hold("away")
        self.away_until = time.monotonic() + seconds

    def poked(self) -> None:
        """Another worker asks this one to look; who has been faster meanwhile may be another still.

        The wake-up may be an old one: a connection that has come since is passed on like any other.
        """
        for fd, listener in self._listeners.items():
            if self._held <= {"away"} and is_readable(listener):
                self.ready(fd)

    def return_if_due(self, now: float) -> None:
        """Watch again once the moment of looking away is over."""
        if self.away_until and now >= self.away_until:
            self.away_until = 0.0
            self.release("away")

    def room_again(self) -> None:
        """A connection gave its place back."""
        if NO_ROOM in self._held:
            self.release(NO_ROOM)

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection, if there is still one."""
        if not self._room():
            self.hold(NO_ROOM)
            return
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone already
        except OSError as error:
            if error.errno == errno.EINVAL:  # the arbiter has shut it down; the signal to stop is on its way
                self.hold("stopped")
                return
            if error.errno not in OUT_OF_DESCRIPTORS:
                raise
            self._look_away(0.1)  # else the loop would spin; what this worker closes makes room
            return
        sock.setblocking(False)
        self._accepted(sock)

    def pass_on(self, *, fewer_only: bool) -> bool:
        """Wake the idle worker with the fewest connections, if there is one.

        :param fewer_only: only where it has fewer than this one.
        """
        words = self._words
        best, fewest = -1, words[self._slot * at.ROSTER_WORDS + at.R_CONNECTIONS] if fewer_only else 1 << 62
        for slot in range(len(self._pokes)):
            row = slot * at.ROSTER_WORDS
            if words[row + at.R_STATE] == at.WorkerState.IDLE and slot != self._slot:
                connections = words[row + at.R_CONNECTIONS]
                if connections < fewest:
                    best, fewest = slot, connections
        if best < 0:
            return False
        self._pokes[best].wake()
        return True
