"""The event loop of the `sync` and `gthread` workers.

Reads, parses and buffers without blocking, so that slow clients, idle connections and slow readers hold
nobody. What differs between the two worker types is only where a call runs (:mod:`logserve.workers.runner`):
inline, one at a time, or in a pool of threads.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, Final

from logserve import http1
from logserve.errors import RemoteProtocolError
from logserve.http1.response import CONTINUE
from logserve.shm import layout as at
from logserve.shm.layout import Phase, WorkerState
from logserve.shm.segment import Roster
from logserve.workers.accept import Acceptor
from logserve.workers.connection import Connection, State, Waiting
from logserve.workers.deadlines import Deadlines
from logserve.workers.ledger import BODY, QUEUED, Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.poller import READ, WRITE, Poller
from logserve.workers.runner import Runner
from logserve.workers.serve import Server
from logserve.wsgi.body import BodyBuffer
from logserve.wsgi.environ import connection_environ

RECEIVE_SIZE: Final = 65536
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1 << 20
LAST_CHANCE: Final = 1.0
"""Seconds for which a stopping worker still takes a request on an idle connection: one that is on its way when the
stop comes would be lost. Its answer says ``Connection: close``."""
TICK: Final = 0.25
"""How often deadlines are looked at while there are connections, in seconds."""


class Loop:
    """One worker's loop: its connections, their deadlines, and its life until it is told to stop."""

    def __init__(
        self,
        poller: Poller,
        server: Server,
        ledger: Ledger,
        runner: Runner,
        *,
        environ: dict[str, Any],
        limits: WorkerLimits,
        http_limits: http1.Limits,
        roster: Roster,
        slot: int,
    ) -> None:
        self.poller = poller
        self.server = server
        self.ledger = ledger
        self.runner = runner
        self._environ = environ
        self._limits = limits
        self._http_limits = http_limits
        self._words = roster.words
        self._row = slot * at.ROSTER_WORDS
        self.acceptor: Acceptor | None = None
        self.special: dict[int, Callable[[], None]] = {}
        """What to call when a descriptor that is no connection is readable."""
        self.connections: dict[int, Connection] = {}
        self._serial = 0
        self._served = 0
        self._bytes_sent = 0
        self.idle: Deadlines[Connection] = Deadlines(limits.keep_alive)
        self.heads: Deadlines[Connection] = Deadlines(limits.header_timeout)
        self.bodies: Deadlines[Connection] = Deadlines(limits.body_timeout)
        self.sends: Deadlines[Connection] = Deadlines(limits.send_timeout)
        self.lingers: Deadlines[Connection] = Deadlines(LINGER_SECONDS)
        self.last_chances: Deadlines[Connection] = Deadlines(LAST_CHANCE)
        self._next_look = 0.0
        self.stopping = False
        self.stopped = False
        self._stop_at = 0.0
        self._max_requests = limits.max_requests

    # -- the loop itself

    def run(self) -> None:
        """Serve until :meth:`stop` and the end of the requests under way, or :meth:`quit`."""
        acceptor = self.acceptor
        assert acceptor is not None
        poller, connections, words, row = self.poller, self.connections, self._words, self._row
        timeout = 0.0
        while not self.stopped:
            words[row + at.R_STATE] = WorkerState.STOPPING if self.stopping else WorkerState.IDLE
            events = poller.poll(timeout)
            now = time.monotonic()
            if self.runner.alive(now):
                words[row] = int(now * 1e9)
            words[row + at.R_STATE] = WorkerState.STOPPING if self.stopping else WorkerState.BUSY
            self.ledger.set_clock()
            listening: list[int] = []
            for fd, mask in events:
                connection = connections.get(fd)
                if connection is not None:
                    if not listening and len(events) > 1 and acceptor.shared:
                        self._pass_on(acceptor, events)
                    self._on_event(connection, mask)
                elif acceptor.owns(fd):
                    listening.append(fd)
                elif fd in self.special:
                    self.special[fd]()
            for fd in listening:
                acceptor.ready(fd)
            self.ledger.flush()
            if now >= self._next_look:
                self._look_at_deadlines(now)
            if self.stopping and not connections:
                break
            acceptor.return_if_due(now)
            timeout = self._timeout(acceptor)
        self.ledger.flush()

    def _pass_on(self, acceptor: Acceptor, events: list[tuple[int, int]]) -> None:
        """Woken for a new connection too, but a kept one comes first: somebody else is to look."""
        if any(acceptor.owns(fd) for fd, _ in events):
            acceptor.pass_on(fewer_only=False)

    def _timeout(self, acceptor: Acceptor) -> float:
        if acceptor.away_until:
            return max(0.0, acceptor.away_until - time.monotonic())
        if self.connections or self.stopping:
            return TICK
        return self._limits.heartbeat

    def _on_event(self, connection: Connection, mask: int) -> None:
        state = connection.state
        if state is State.READING:
            self._read(connection)
        elif state is State.SENDING:
            if self.server.resume(connection):
                self.sends.start(connection, time.monotonic())
            if connection.exchange is None:
                self.sends.cancel(connection)
                if self._settle(connection):
                    self._advance(connection)
        elif state is State.LINGERING:
            self._discard(connection)
        elif state is State.CALLING:
            self._watch(connection, 0)  # its call is under way in a thread: what it sends now can wait

    def _watch(self, connection: Connection, mask: int) -> None:
        """Watch a connection for `mask`; 0 for not at all, because a hang-up would be told all the same."""
        if connection.mask == mask:
            return
        if not mask:
            self.poller.unregister(connection.fd)
        elif connection.mask:
            self.poller.modify(connection.fd, mask)
        else:
            self.poller.register(connection.fd, mask)
        connection.mask = mask

    # -- connections come

    def accepted(self, sock: socket.socket, listener: socket.socket) -> None:
        """A new connection: most have sent their request already (TCP_DEFER_ACCEPT), so read at once."""
        if len(self.connections) >= self._limits.connections and not self._close_idlest():
            sock.close()
            return
        self._serial += 1
        peer = server = ("", 0)
        if sock.family != socket.AF_UNIX:
            try:
                peer = sock.getpeername()[:2]
                server = sock.getsockname()[:2]
            except OSError:
                sock.close()  # ENOTCONN: reset before it was accepted, not a byte was read
                return
        connection = Connection(
            sock,
            http1.Connection(self._http_limits),
            serial=self._serial,
            entry=self.ledger.open(),
            peer=peer,
            server=server,
            environ=connection_environ(self._environ, peer, server),
            policy=self.server,
            response_spool=self._limits.response_spool,
            send_timeout=self._limits.send_timeout,
        )
        self.connections[connection.fd] = connection
        self._words[self._row + at.R_CONNECTIONS] = len(self.connections)
        self.heads.start(connection, time.monotonic())
        self._read(connection)
        if connection.state is State.READING and not connection.mask:
            self._watch(connection, READ)

    def _close_idlest(self) -> bool:
        """Make room at ``--worker-connections``: the connection that has idled longest goes."""
        connection = self.idle.oldest()
        if connection is not None:
            self.idle.cancel(connection)
            self._close(connection)
            return True
        connection = self.heads.oldest()
        if connection is not None:
            self.heads.cancel(connection)
            self._header_timeout(connection)
        return len(self.connections) < self._limits.connections

    # -- requests come

    def _read(self, connection: Connection) -> None:
        exchange = connection.exchange
        fresh = exchange is None
        if exchange is None:
            exchange = connection.exchange = self.ledger.begin(connection)
        try:
            data = connection.sock.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            if fresh:
                self._no_request(connection)
            return
        except OSError:
            if fresh:
                self._no_request(connection)
                self._close(connection)
            else:
                self._left_early(connection)
            return
        if fresh:
            if not data:
                self._no_request(connection)
                self._close(connection)
                return
            (self.last_chances if self.stopping else self.idle).cancel(connection)
        connection.http.receive(data)
        self._advance(connection)

    def _no_request(self, connection: Connection) -> None:
        exchange = connection.exchange
        assert exchange is not None
        self.ledger.cancel(connection, exchange)
        connection.exchange = None

    def _advance(self, connection: Connection) -> None:
        """Read on: have what is complete answered, until a call is under way or more bytes are needed."""
        while True:
            try:
                complete = self._parse(connection)
            except RemoteProtocolError as error:
                self._broken(connection, error)
                return
            if not complete:
                if connection.http.idle:  # empty lines between requests (RFC 9112 2.2) are none
                    self._no_request(connection)
                    self._idle(connection)
                else:
                    self._await_more(connection)
                return
            if connection.http.buffered:
                self._look_ahead(connection)
            if not self._call(connection):
                return

    def _parse(self, connection: Connection) -> bool:
        """Take the parser's events; True when the request under way is complete.

        :raises RemoteProtocolError: it broke a rule, or the client left inside it.
        """
        while (event := connection.http.next_event()) is not None:
            if type(event) is http1.Request:
                if not event.has_body:
                    self.server.head_complete(connection, event, QUEUED)
                    return True
                self._expect_body(connection, event)
            elif type(event) is http1.Data:
                assert connection.body is not None
                connection.body.append(event.data)
            else:
                self.ledger.phase(connection, QUEUED)
                return True
        return False

    def _look_ahead(self, connection: Connection) -> None:
        """Requests came in one piece with the one that is about to be answered (pipelining).

        Their bytes have been read, so each gets its entry now: were the worker killed in the call, each would
        have its record.
        """
        first = connection.take_request()
        while connection.http.buffered and not self.ledger.full:
            connection.entry = self.ledger.open()
            connection.exchange = self.ledger.begin(connection)
            waiting = Waiting(connection)
            connection.waiting.append(waiting)
            try:
                waiting.complete = self._parse(connection)
            except RemoteProtocolError as error:
                waiting.error = error
            waiting.request, waiting.body = connection.request, connection.body
            connection.request = connection.body = None
            if not waiting.complete:
                break
        connection.give_request(first)

    def _next_waiting(self, connection: Connection) -> bool:
        """Go on with the next request that was read ahead; True when its successor's bytes wait."""
        waiting = connection.waiting.popleft()
        self.ledger.close(connection.entry)
        connection.give_request(waiting)
        connection.state = State.READING
        if waiting.error is not None:
            self._broken(connection, waiting.error)
            return False
        if waiting.complete:
            return self._call(connection)
        self._watch(connection, READ)
        return True

    def _await_more(self, connection: Connection) -> None:
        now = time.monotonic()
        if connection.http.in_body:
            self.bodies.start(connection, now)
        elif connection.exchange is not None:
            self.heads.start_once(connection, now)

    def _expect_body(self, connection: Connection, request: http1.Request) -> None:
        self.server.head_complete(connection, request, BODY)
        self.heads.cancel(connection)
        connection.body = BodyBuffer(self._limits.body_spool)
        if request.expect_continue:
            try:
                connection.sock.send(CONTINUE)
            except OSError:
                pass  # the next read tells what is wrong with the client

    def _call(self, connection: Connection) -> bool:
        """Have the request answered; True when the next one's bytes should be looked at."""
        self.heads.cancel(connection)
        self.bodies.cancel(connection)
        connection.state = State.CALLING
        if not self.runner.start(connection):
            return False
        return self._settle(connection)

    def called_back(self, connection: Connection) -> None:
        """A call that ran in a thread is over."""
        if self._settle(connection):
            self._advance(connection)

    # -- answers go

    def _settle(self, connection: Connection) -> bool:
        """After a call or a send: go on with the connection; True when a next request's bytes wait."""
        if connection.exchange is not None:
            connection.state = State.SENDING
            self._watch(connection, WRITE)
            self.sends.start(connection, time.monotonic())
            return False
        self._count(connection)
        connection.state = State.READING
        if connection.ended:
            self._close(connection)
            return False
        if connection.waiting and connection.keep:
            return self._next_waiting(connection)
        if not connection.keep:
            self._linger(connection)
            return False
        self._watch(connection, READ)
        if connection.http.buffered:
            connection.exchange = self.ledger.begin(connection)
            return True
        self._idle(connection)
        return False

    def _idle(self, connection: Connection) -> None:
        (self.last_chances if self.stopping else self.idle).start(connection, time.monotonic())

    def _count(self, connection: Connection) -> None:
        self._served += 1
        self._words[self._row + at.R_REQUESTS] = self._served
        self.server.may_keep = self.runner.may_keep()
        if self._max_requests and self._served >= self._max_requests and not self.stopping:
            self.stop()

    # -- requests and answers that fail

    def _broken(self, connection: Connection, error: RemoteProtocolError) -> None:
        if isinstance(error, http1.ClientClosed):
            self._left_early(connection)
            return
        self._refuse(connection, error)

    def _refuse(self, connection: Connection, error: RemoteProtocolError) -> None:
        self.heads.cancel(connection)
        self.bodies.cancel(connection)
        self.server.refuse(connection, error)
        self._settle(connection)

    def _left_early(self, connection: Connection) -> None:
        self.server.client_left_early(connection, Phase.BODY if connection.body is not None else Phase.HEADER)
        self._count(connection)
        self._close(connection)

    def _header_timeout(self, connection: Connection) -> None:
        if connection.exchange is None:
            self._close(connection)  # not a byte came: there is no request
        else:
            self._refuse(connection, connection.http.time_out())

    def _look_at_deadlines(self, now: float) -> None:
        self._next_look = now + TICK
        for connection in self.idle.expired(now):
            self._linger(connection)
        for connection in self.heads.expired(now):
            self._header_timeout(connection)
        for connection in self.bodies.expired(now):
            self._refuse(connection, connection.http.time_out())
        for connection in self.sends.expired(now):
            self.server.reader_timed_out(connection)
            self._count(connection)
            self._close(connection)
        for connection in self.lingers.expired(now):
            self._close(connection)
        for connection in self.last_chances.expired(now):
            self._close(connection)
        if self.stopping and now >= self._stop_at:
            self.quit()

    # -- connections go

    def _linger(self, connection: Connection) -> None:
        """Close so that a reset cannot destroy the answer: RFC 9112 section 9.6.

        The client reads the end, and what it still sends is read and thrown away for a while.
        """
        if connection.http.at_eof:
            self._close(connection)
            return
        self._drop_waiting(connection)
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.state = State.LINGERING
        self.idle.cancel(connection)
        self._watch(connection, READ)
        self.lingers.start(connection, time.monotonic())

    def _drop_waiting(self, connection: Connection) -> None:
        """The connection ends before the requests that were read ahead could be answered."""
        while connection.waiting:
            self.ledger.close(connection.entry)
            connection.give_request(connection.waiting.popleft())
            self.server.unanswered(connection)
            self._served += 1

    def _discard(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        connection.discarded += len(data)
        if not data or connection.discarded > LINGER_BYTES:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._drop_waiting(connection)
        for deadlines in (self.idle, self.heads, self.bodies, self.sends, self.lingers, self.last_chances):
            deadlines.cancel(connection)
        self._watch(connection, 0)
        del self.connections[connection.fd]
        self.ledger.close(connection.entry)
        connection.release()
        self._words[self._row + at.R_CONNECTIONS] = len(self.connections)

    # -- the end

    def stop(self) -> None:
        """Stop gracefully: accept no more, end idle connections, finish the requests under way."""
        if self.stopping:
            return
        self.stopping = True
        self.runner.stopping = True
        self.server.may_keep = False
        assert self.acceptor is not None
        self.acceptor.stop()
        now = time.monotonic()
        self._stop_at = now + self._limits.graceful_timeout
        for connection in self.connections.values():
            if connection.state is State.READING and connection.exchange is None:
                self.idle.cancel(connection)
                self.heads.cancel(connection)
                self.last_chances.start(connection, now)

    def quit(self) -> None:
        """Stop now: what is under way is recorded as ended by the shutdown."""
        self.stopped = True
        for connection in list(self.connections.values()):
            if connection.state is State.CALLING:
                continue  # its thread has it; the collector makes its record from its entry
            if connection.exchange is not None:
                self.server.shut_down(connection)
            self._close(connection)
