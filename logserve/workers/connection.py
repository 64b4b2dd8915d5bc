"""One client connection: its socket, its parser, its state, and what it has yet to send."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Protocol

from logserve import http1
from logserve.errors import RemoteProtocolError
from logserve.http1.response import CONTINUE
from logserve.logs.access.exchange import Ends, Exchange
from logserve.logs.access.outcome import Outcome
from logserve.shm import layout as at
from logserve.workers.deadlines import Deadlines
from logserve.workers.outgoing import Outgoing, ShortFileError
from logserve.workers.poller import wait_writable
from logserve.wsgi.body import BodyBuffer
from logserve.wsgi.response import Response

WAIT_SLICE: Final = 0.5
"""Seconds that a call waits for its client at a time."""


class State(IntEnum):
    """Where a connection stands.

        READING ──request complete──► CALLING ──all but the last bytes are out──► SENDING
           ▲                                                                        │
           └──────────────── the answer is out and the connection is kept ──────────┤
        CLOSED ◄── end of input, 2 s or 1 MiB ── LINGERING ◄── the answer is out ───┘

    READING covers an idle connection as well: one whose parser holds no byte of a request.
    """

    READING = 0
    CALLING = 1
    SENDING = 2
    LINGERING = 3
    CLOSED = 4


# Bound once: a look at a member of an Enum class takes as long as four at a variable.
READING, CALLING, SENDING, LINGERING, CLOSED = State


class Undeliverable(ConnectionError):  # noqa: N818 - what it is, not an error of ours
    """The answer cannot go out: what became of the request instead, and whose doing it is.

    :param reason: a stable code for the record.
    """

    def __init__(self, outcome: Outcome, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome
        self.reason = reason

    @classmethod
    def client_gone(cls, error: OSError) -> Undeliverable:
        """The client left: EPIPE, ECONNRESET and the like."""
        return cls(Outcome.CLIENT_ABORTED, "client_gone", f"the client is gone: {error.strerror or error}")

    @classmethod
    def reader_timed_out(cls, seconds: float) -> Undeliverable:
        """The client is still there but takes nothing."""
        return cls(Outcome.TIMEOUT_SEND, "send_timeout", f"the client read nothing for {seconds:g} s")

    @classmethod
    def not_kept(cls, error: OSError) -> Undeliverable:
        """What the client had not read yet could not be kept: a full disk, no descriptor."""
        return cls(
            Outcome.SERVER_ERROR,
            "answer_not_kept",
            f"the answer could not be kept until the client reads it: {error.strerror or error}",
        )

    @classmethod
    def file_shrank(cls, error: ShortFileError) -> Undeliverable:
        """A file that the application gave ended before its announced length."""
        return cls(Outcome.APP_SHORT, "file_shrank", f"a file of the application's became shorter: {error}")


def peer_text(peer: tuple[str, int]) -> bytes:
    """A client's address and port for its scoreboard entries."""
    return f"{peer[0]} {peer[1]}".encode()[: at.MAX_PEER_TEXT]


class KeepPolicy(Protocol):
    """Who knows whether connections should be kept alive just now, and tells the arbiter that the worker lives."""

    def may_keep(self) -> bool:
        """Whether they should."""

    def beat(self) -> None:
        """Called from time to time while a call waits for its client."""


class Waiting:
    """A request whose bytes have been read, or some of them, while an earlier one is being answered."""

    __slots__ = ("body", "complete", "continue_due", "entry", "error", "exchange", "request")

    def __init__(self, connection: Connection) -> None:
        self.exchange = connection.exchange
        self.entry = connection.entry
        self.request = connection.request
        self.body = connection.body
        self.complete = False
        self.continue_due = False
        """Whether the client waits for ``100 Continue``, which must not overtake an earlier answer."""
        self.error: RemoteProtocolError | OSError | None = None


class Connection:
    """A client connection, and the :class:`~logserve.wsgi.response.Transport` of the response under way.

    :param progress: told when a part of an answer has gone out, for whoever finds the worker dead.

    While a call runs in a pool's thread, `state` is CALLING and only that thread touches the connection; `state`
    itself is the loop's alone.
    """

    __slots__ = (
        "_progress",
        "body",
        "counted",
        "discarded",
        "ended",
        "ends",
        "entry",
        "environ",
        "exchange",
        "fd",
        "gone",
        "http",
        "interim",
        "keep",
        "last",
        "mask",
        "outgoing",
        "overhead",
        "peer",
        "peer_length",
        "policy",
        "request",
        "requests",
        "response",
        "response_spool",
        "send_timeout",
        "sent",
        "serial",
        "sock",
        "state",
        "timer",
        "waiting",
        "written",
    )

    def __init__(
        self,
        sock: socket.socket,
        http: http1.Connection,
        *,
        serial: int,
        peer: bytes,
        entry: int,
        ends: Ends,
        environ: dict[str, Any],
        policy: KeepPolicy,
        progress: Callable[[Connection], None],
        response_spool: int,
        send_timeout: float,
    ) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.http = http
        self.serial = serial
        self.entry = entry
        """Word index of the scoreboard entry of the request under way."""
        self.ends = ends
        self.known_as(peer)
        self.environ = environ
        self.policy = policy
        self._progress = progress
        self.response_spool = response_spool
        self.send_timeout = send_timeout
        self.state = READING
        self.mask = 0
        """What the poller watches the socket for; 0 while it is not registered."""
        self.requests = 0
        self.exchange: Exchange | None = None
        self.request: http1.Request | None = None
        self.response: Response | None = None
        """What the application answers to it."""
        self.body: BodyBuffer | None = None
        self.outgoing: Outgoing | None = None
        self.last = b""
        """The answer's last bytes, held back until the access record stands."""
        self.sent = 0
        """Bytes of the answer that the kernel has taken."""
        self.interim = 0
        """Bytes of 1xx answers before it, which count as sent and are no part of it."""
        self.overhead = 0
        """Of the bytes to send, those that are not the body's: heads and chunk framing."""
        self.written = 0
        """The body's bytes that were given to :meth:`write` and :meth:`write_file`."""
        self.keep = False
        """Whether the connection goes on after the answer."""
        self.ended = False
        """Whether it ends here and now, whatever the client still sends: the answer was cut."""
        self.gone: Undeliverable | None = None
        self.discarded = 0
        self.counted = ""
        """The address among whose connections it counts; "" where they are not counted."""
        self.timer: Deadlines[Connection] | None = None
        """Which of its worker's deadlines it has; never more than one."""
        self.waiting: deque[Waiting] = deque()
        """Requests that were read ahead, in order."""

    def known_as(self, peer: bytes) -> None:
        """Set whose connection it is."""
        self.peer = peer
        """As it stands in its scoreboard entries: see :func:`peer_text`."""
        self.peer_length = len(peer) << 48
        """Its part of an entry's word of lengths."""

    # -- the transport of a response

    def may_keep(self) -> bool:
        """Whether the connection may go on after the response, as far as the server is concerned.

        Requests that were read ahead are always answered.
        """
        return bool(self.waiting) or (self.policy.may_keep() and not (self.http.ended and self.http.at_eof))

    def write(self, data: bytes, body: int, /) -> None:
        """Send now what the kernel takes, keep the rest.

        :raises Undeliverable: the client left, or did not read for the send timeout while more than
            ``--response-spool`` waited, or the rest could not be kept.
        """
        if self.gone is not None:
            raise self.gone
        self.overhead += len(data) - body
        self.written += body
        try:
            if self.outgoing is None:
                sent = self._send(data)
                self._progress(self)
                if sent == len(data):
                    return
                self.outgoing = Outgoing()
                self._keep(memoryview(data)[sent:])
            else:
                self._keep(data)
                self.flush()
                self._progress(self)
            self._wait_for_reader()
        except Undeliverable as error:
            self.gone = error
            raise

    def write_interim(self, data: bytes, /) -> None:
        """The same with a 1xx answer."""
        self.interim += len(data)
        self.write(data, 0)

    @property
    def answer_began(self) -> bool:
        """Whether the kernel has taken some of the answer that is recorded."""
        return self.sent > self.interim

    def write_file(self, fd: int, offset: int, count: int, /) -> None:
        """The same with a part of a file; it is not copied, so it does not count as spooled."""
        if self.gone is not None:
            raise self.gone
        self.written += count
        try:
            if self.outgoing is None:
                self.outgoing = Outgoing()
            self.outgoing.append_file(fd, offset, count)
            self.flush()
            self._progress(self)
        except Undeliverable as error:
            self.gone = error
            raise

    def _send(self, data: bytes) -> int:
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise Undeliverable.client_gone(error) from None
        self.sent += sent
        return sent

    def _keep(self, data: bytes | memoryview) -> None:
        assert self.outgoing is not None
        try:
            self.outgoing.append(data)
        except OSError as error:
            raise Undeliverable.not_kept(error) from error

    def flush(self) -> bool:
        """Send what waits, as far as the kernel takes it; True when nothing waits any more.

        :raises Undeliverable: the client left, or a file became shorter.
        """
        outgoing = self.outgoing
        if outgoing is None:
            return True
        waiting = outgoing.size
        try:
            outgoing.send(self.sock)
        except ShortFileError as error:
            raise Undeliverable.file_shrank(error) from None
        except OSError as error:
            raise Undeliverable.client_gone(error) from None
        finally:
            self.sent += waiting - outgoing.size
        if outgoing.size:
            return False
        outgoing.close()
        self.outgoing = None
        return True

    def _wait_for_reader(self) -> None:
        """Hold the application's call while too much waits; the worker goes on telling that it lives."""
        waited = 0.0
        while self.outgoing is not None and self.outgoing.size > self.response_spool:
            if wait_writable(self.sock, WAIT_SLICE):
                waited = 0.0
                self.flush()
                self._progress(self)
            else:
                waited += WAIT_SLICE
            self.policy.beat()
            if 0 < self.send_timeout <= waited:
                raise Undeliverable.reader_timed_out(self.send_timeout)

    def send_continue(self) -> None:
        """Tell the client to go on with its body (RFC 9110 section 15.2.1)."""
        try:
            self.sock.send(CONTINUE)
        except OSError:
            pass  # the next read tells what is wrong with the client

    # -- between requests

    def take_request(self) -> Waiting:
        """Take off the request under way, to read the one behind it."""
        taken = Waiting(self)
        self.exchange = self.request = self.body = None
        return taken

    def give_request(self, waiting: Waiting) -> None:
        """Make `waiting` the request under way."""
        self.exchange = waiting.exchange
        self.entry = waiting.entry
        self.request = waiting.request
        self.body = waiting.body

    def reset(self) -> None:
        """Forget the answered request."""
        self.exchange = None
        self.request = self.response = None
        self.sent = self.interim = self.overhead = self.written = 0
        self.last = b""
        if self.body is not None:
            self.body.close()
            self.body = None

    def reset_on_close(self) -> None:
        """Make the close a reset (SO_LINGER of 0 s, socket(7)), so that a torn answer is not taken for whole."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def release(self) -> None:
        """Close the socket and everything that the connection holds."""
        self.state = CLOSED
        if self.body is not None:
            self.body.close()
            self.body = None
        if self.outgoing is not None:
            self.outgoing.close()
            self.outgoing = None
        self.sock.close()
