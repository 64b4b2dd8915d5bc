"""Every connection of one worker, from its accept to its close, and the requests on it.

What to do when a connection's socket is ready, or one of its deadlines has passed; the loop
(:mod:`logserve.workers.loop`) tells when that is so. The states and their order stand in
:class:`logserve.workers.connection.State`.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any, Final

from logserve import http1
from logserve.errors import RemoteProtocolError
from logserve.http1.forwarded import ForwardedRequest
from logserve.http1.request import Data, EndOfMessage, ProxyHeader, Request
from logserve.logs.access.exchange import Ends
from logserve.shm import layout as at
from logserve.shm.layout import Phase
from logserve.shm.segment import Roster
from logserve.workers.connection import (
    CALLING,
    LINGERING,
    READING,
    SENDING,
    Connection,
    KeepPolicy,
    peer_text,
)
from logserve.workers.edge import Edge
from logserve.workers.ledger import BODY, QUEUED, Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.poller import READ, WRITE, Poller
from logserve.workers.read_ahead import RECEIVE_SIZE, ReadAhead
from logserve.workers.runner import Runner
from logserve.workers.serve import Server
from logserve.workers.timers import Timers
from logserve.wsgi.body import BodyBuffer
from logserve.wsgi.environ import connection_environ

LINGER_BYTES: Final = 1 << 20


class Conversations:
    """The connections of a `sync` or `gthread` worker.

    :param environ: what every environ of this worker has.
    :param edge: says what holds for each new connection.
    :param served: called after each request that has its record.
    """

    def __init__(
        self,
        poller: Poller,
        server: Server,
        ledger: Ledger,
        runner: Runner,
        policy: KeepPolicy,
        *,
        environ: dict[str, Any],
        limits: WorkerLimits,
        edge: Edge,
        roster: Roster,
        slot: int,
        served: Callable[[], None],
    ) -> None:
        self._poller = poller
        self._server = server
        self._ledger = ledger
        self._runner = runner
        self._inline = runner.inline
        self._policy = policy
        self._environ = environ
        self._limits = limits
        self._edge = edge
        self._words = roster.words
        self._row = slot * at.ROSTER_WORDS
        self._served = served
        self._serial = 0
        self.open: dict[int, Connection] = {}
        """By descriptor."""
        self.winding_down = False
        """Whether no new ones come and each ends with its next answer."""
        self.ending = False
        """Whether nothing more is begun: set, by a signal's handler too, at a quick stop."""
        self.room_again: Callable[[], None] = lambda: None
        """Called once there is room for a connection again, after :meth:`make_room` found none."""
        self._full = False
        self._timers = Timers(limits)
        self._ahead = ReadAhead(ledger, self._parse, ledger.free - limits.connections)

    def ready(self, connection: Connection) -> None:
        """Its socket can be read or written, or has hung up."""
        state = connection.state
        if state is READING:
            self._read(connection)
        elif state is SENDING:
            if self._server.resume(connection):
                self._timers.start(connection, self._timers.sends)
            if connection.exchange is None and self._settle(connection):
                self._advance(connection)
        elif state is LINGERING:
            self._discard(connection)
        elif state is CALLING:
            self._watch(connection, 0)  # its call is under way in a thread: what it sends now can wait

    def _watch(self, connection: Connection, mask: int) -> None:
        """Watch a connection for `mask`; 0 for not at all, because a hang-up would be told all the same."""
        if connection.mask == mask:
            return
        if not mask:
            self._poller.unregister(connection.fd)
        elif connection.mask:
            self._poller.modify(connection.fd, mask)
        else:
            self._poller.register(connection.fd, mask)
        connection.mask = mask

    # -- connections come

    def make_room(self) -> bool:
        """Before a connection is accepted: see that there is a place for it.

        At ``--worker-connections`` the one that has idled longest goes; else the one whose head has been coming
        in for longest. Those that linger have no place any more. False where every one is being served.
        """
        if self._places_taken() < self._limits.connections and not self._ledger.full:
            return True
        idle = self._timers.idle.oldest() or self._timers.last_chances.oldest()
        if idle is not None:
            self._linger(idle)
            return True
        reading = self._timers.heads.oldest()
        if reading is not None:
            self._header_timeout(reading)
        self._full = self._places_taken() >= self._limits.connections or self._ledger.full
        return not self._full

    def _tell_of_room(self) -> None:
        if self._full:
            self._full = False
            self.room_again()

    def _places_taken(self) -> int:
        return len(self.open) - len(self._timers.lingers)

    def accepted(self, sock: socket.socket) -> None:
        """A new connection: most have sent their request already (TCP_DEFER_ACCEPT), so read at once."""
        self._serial += 1
        peer = server = ("", 0)
        try:
            if sock.family == socket.AF_UNIX:
                server = (str(sock.getsockname()), 0)
            else:
                peer = sock.getpeername()[:2]
                server = sock.getsockname()[:2]
        except OSError:
            sock.close()  # ENOTCONN: reset before it was accepted, not a byte was read
            return
        text = peer_text(peer)
        http, counted = self._edge.meet(peer)
        connection = Connection(
            sock,
            http,
            serial=self._serial,
            peer=text,
            entry=self._ledger.open(text),
            ends=Ends(*peer, *server),
            environ=connection_environ(self._environ, peer, server),
            policy=self._policy,
            progress=self._server.note_progress,
            response_spool=self._limits.response_spool,
            send_timeout=self._limits.send_timeout,
        )
        connection.counted = counted
        self.open[connection.fd] = connection
        self._words[self._row + at.R_CONNECTIONS] = self._places_taken()
        self._timers.start(connection, self._timers.heads)
        self._read(connection)
        if connection.state is READING and not connection.mask:
            self._watch(connection, READ)

    # -- requests come

    def _read(self, connection: Connection) -> None:
        exchange = connection.exchange
        fresh = exchange is None
        if exchange is None:
            exchange = connection.exchange = self._ledger.begin(connection)
        size = self._ahead.receive_size
        if connection.body is not None:
            size = min(RECEIVE_SIZE, size + connection.http.body_left)
        try:
            data = connection.sock.recv(size or 1)
        except (BlockingIOError, InterruptedError):
            if fresh:
                self._no_request(connection)
            return
        except OSError:
            if fresh:
                self._ended_between_requests(connection)
            else:
                self._left_early(connection)
            return
        if fresh and not data:
            self._ended_between_requests(connection)
            return
        connection.http.receive(data)
        self._advance(connection)

    def _no_request(self, connection: Connection) -> None:
        exchange = connection.exchange
        assert exchange is not None
        self._ledger.cancel(connection, exchange)
        connection.exchange = None

    def _advance(self, connection: Connection) -> None:
        """Read on: have what is complete answered, until a call is under way or more bytes are needed."""
        while not self.ending:
            try:
                complete = (connection.waiting and self._ahead.next(connection)) or self._parse(connection)
            except RemoteProtocolError as error:
                self._broken(connection, error)
                return
            except OSError as error:
                self._server.body_not_kept(connection, error)
                self._settle(connection)
                return
            if not complete:
                self._await_more(connection)
                return
            if connection.http.unread and connection.http.buffered and not connection.waiting:
                self._ahead.take(connection)
            connection.state = CALLING
            if not self._inline:
                self._timers.cancel(connection)
            if not self._runner.start(connection) or not self._settle(connection):
                return

    def _parse(self, connection: Connection) -> bool:
        """Take the parser's events; True when the request under way is complete.

        :raises RemoteProtocolError: it broke a rule, or the client left inside it.
        :raises OSError: its body could not be kept.
        """
        while (event := connection.http.next_event()) is not None:
            if type(event) is Request:
                if not event.has_body:
                    self._server.head_complete(connection, event, QUEUED)
                    return True
                self._expect_body(connection, event)
            elif type(event) is Data:
                assert connection.body is not None
                connection.body.append(event.data)
                self._ledger.received(connection, connection.body.received)
            elif type(event) is EndOfMessage:
                assert connection.body is not None
                connection.body.complete()
                self._ledger.phase(connection, QUEUED)
                return True
            elif isinstance(event, ForwardedRequest):
                if event.has_body:
                    self._expect_body(connection, event)
                else:
                    self._server.head_complete(connection, event, QUEUED)
                self._edge.believe(connection, event)
                if not event.has_body:
                    return True
            elif isinstance(event, ProxyHeader):
                self._edge.introduce(connection, event, self._ledger)
        return False

    def _expect_body(self, connection: Connection, request: Request) -> None:
        self._server.head_complete(connection, request, BODY)
        connection.body = BodyBuffer(self._limits.body_spool)
        if request.expect_continue:
            if connection.waiting:  # not before the answer to an earlier request
                connection.waiting[-1].continue_due = True
            else:
                connection.send_continue()

    def _await_more(self, connection: Connection) -> None:
        exchange = connection.exchange
        assert exchange is not None
        if connection.http.idle:  # empty lines (RFC 9112 2.2) are no request, nor is a PROXY header
            self._no_request(connection)
            if connection.requests:  # before the first one it still has the time of a head
                self._rest(connection)
        elif connection.http.in_body:
            self._timers.start(connection, self._timers.bodies)
        elif connection.timer is not self._timers.heads:  # what trickles in does not renew it
            self._timers.start(connection, self._timers.heads, exchange.begin / 1e9)

    def called_back(self, connection: Connection) -> None:
        """A call that ran in a thread is over."""
        if self._settle(connection):
            self._advance(connection)

    # -- answers go

    def _settle(self, connection: Connection) -> bool:
        """After a call or a send: go on with the connection; True when a next request's bytes wait."""
        if connection.exchange is not None:
            connection.state = SENDING
            self._watch(connection, WRITE)
            self._timers.start(connection, self._timers.sends)
            return False
        self._served()
        connection.state = READING
        if connection.ended:
            self._close(connection)
            return False
        if not connection.keep:
            self._linger(connection)
            return False
        if connection.mask != READ:
            self._watch(connection, READ)
        if connection.waiting:
            return True
        if connection.http.unread and connection.http.buffered:
            connection.exchange = self._ledger.begin(connection)
            return True
        self._rest(connection)
        return False

    def _rest(self, connection: Connection) -> None:
        if self._full:
            self._tell_of_room()  # an idle connection is one that can go
        self._timers.rest(connection)

    # -- requests that fail

    def _broken(self, connection: Connection, error: RemoteProtocolError) -> None:
        if isinstance(error, http1.ClientClosed):
            self._left_early(connection)
        else:
            self._server.refuse(connection, error)
            self._settle(connection)

    def _left_early(self, connection: Connection) -> None:
        self._server.client_left_early(
            connection, Phase.BODY if connection.body is not None else Phase.HEADER
        )
        self._settle(connection)

    def _header_timeout(self, connection: Connection) -> None:
        if connection.exchange is None:  # not a byte came: there is no request
            self._count_empty(connection)
            self._linger(connection)
        else:
            self._broken(connection, connection.http.time_out())

    # -- connections go

    def _ended_between_requests(self, connection: Connection) -> None:
        self._no_request(connection)
        self._count_empty(connection)
        self._close(connection)

    def _count_empty(self, connection: Connection) -> None:
        """One that ends without a byte has no record; it is counted, for whoever wonders who knocks."""
        if not connection.requests:
            self._words[self._row + at.R_EMPTY] += 1

    def _linger(self, connection: Connection) -> None:
        """Close so that a reset cannot destroy the answer: RFC 9112 section 9.6.

        The client reads the end, and what it still sends is read and thrown away for a while. Such a connection
        has no request any more, so it gives back its place and its entry.
        """
        self._drop_waiting(connection)
        if connection.http.at_eof:
            self._close(connection)
            return
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.state = LINGERING
        if (
            len(self._timers.lingers) >= self._limits.connections
            and (oldest := self._timers.lingers.oldest()) is not None
        ):
            self._close(oldest)
        self._give_back_entry(connection)
        self._watch(connection, READ)
        self._timers.start(connection, self._timers.lingers)
        self._words[self._row + at.R_CONNECTIONS] = self._places_taken()
        self._tell_of_room()

    def _give_back_entry(self, connection: Connection) -> None:
        if connection.entry:
            self._ledger.close(connection.entry)
            connection.entry = 0

    def _drop_waiting(self, connection: Connection) -> None:
        """The connection ends before the requests that were read ahead could be answered."""
        while connection.waiting:
            self._give_back_entry(connection)
            self._ahead.drop(connection)
            self._server.unanswered(connection)
            self._served()

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
        self._timers.cancel(connection)
        self._watch(connection, 0)
        del self.open[connection.fd]
        if connection.counted:
            self._edge.gone(connection)
        self._give_back_entry(connection)
        connection.release()
        self._words[self._row + at.R_CONNECTIONS] = self._places_taken()
        self._tell_of_room()

    # -- deadlines and the end

    def look_at_deadlines(self, now: float) -> None:
        """End what took too long by `now` (CLOCK_MONOTONIC, seconds)."""
        self._server.look_back(now)
        timers = self._timers
        for connection in timers.expired(timers.idle, now):
            self._linger(connection)
        for connection in timers.expired(timers.last_chances, now):
            self._linger(connection)
        for connection in timers.expired(timers.heads, now):
            self._header_timeout(connection)
        for connection in timers.expired(timers.bodies, now):
            self._broken(connection, connection.http.time_out())
        for connection in timers.expired(timers.sends, now):
            self._server.reader_timed_out(connection)
            self._settle(connection)
        for connection in timers.expired(timers.lingers, now):
            self._close(connection)

    def wind_down(self) -> None:
        """Idle connections get a last chance; what is under way is finished."""
        self.winding_down = True
        self._timers.wind_down()
        for connection in self.open.values():
            if connection.state is READING and connection.exchange is None:
                self._timers.rest(connection)

    def quit(self) -> None:
        """End all now: what is under way is recorded as ended by the shutdown."""
        self.ending = True
        self._server.look_back(math.inf)
        for connection in list(self.open.values()):
            if connection.state is CALLING:
                continue  # its thread has it; the collector makes its record from its entry
            if connection.exchange is not None:
                if connection.request is None:
                    self._learn(connection)
                self._server.shut_down(connection)
            self._close(connection)

    def _learn(self, connection: Connection) -> None:
        """Look at what was read and not looked at: a request whose head is there is recorded under its own id."""
        try:
            self._parse(connection)
        except (RemoteProtocolError, OSError):
            pass  # it is not answered any more; the record says what could be read
