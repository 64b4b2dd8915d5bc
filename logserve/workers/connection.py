"""One client connection: its socket, its parser, its state, and what it has yet to send."""

from __future__ import annotations

import socket
import struct
from collections import deque
from enum import IntEnum
from typing import Any, Protocol

from logserve import http1
from logserve.errors import RemoteProtocolError
from logserve.logs.access.exchange import Exchange
from logserve.workers.outgoing import Outgoing, ShortFileError
from logserve.workers.poller import wait_writable
from logserve.wsgi.body import BodyBuffer


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


class ClientGone(ConnectionError):  # noqa: N818 - a fact about the client, no error of ours
    """The client left, or does not read: the answer cannot go out.

    :ivar timed_out: it is still there but has not read for ``--send-timeout``.
    """

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class KeepPolicy(Protocol):
    """Who knows whether connections should be kept alive just now."""

    @property
    def may_keep(self) -> bool:
        """Whether they should."""


class Waiting:
    """A request whose bytes have been read, or some of them, while an earlier one is being answered."""

    __slots__ = ("body", "complete", "entry", "error", "exchange", "request")

    def __init__(self, connection: Connection) -> None:
        self.exchange = connection.exchange
        self.entry = connection.entry
        self.request = connection.request
        self.body = connection.body
        self.complete = False
        self.error: RemoteProtocolError | None = None


class Connection:
    """A client connection, and the :class:`~logserve.wsgi.response.Transport` of the response under way.

    While a call runs in a pool's thread, `state` is CALLING and only that thread touches the connection; `state`
    itself is the loop's alone.
    """

    __slots__ = (
        "body",
        "discarded",
        "ended",
        "entry",
        "environ",
        "exchange",
        "fd",
        "gone",
        "http",
        "keep",
        "last",
        "mask",
        "outgoing",
        "overhead",
        "peer",
        "peer_text",
        "policy",
        "request",
        "requests",
        "response_spool",
        "send_timeout",
        "sent",
        "serial",
        "server",
        "sock",
        "state",
        "waiting",
        "written",
    )

    def __init__(
        self,
        sock: socket.socket,
        http: http1.Connection,
        *,
        serial: int,
        entry: int,
        peer: tuple[str, int],
        server: tuple[str, int],
        environ: dict[str, Any],
        policy: KeepPolicy,
        response_spool: int,
        send_timeout: float,
    ) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.http = http
        self.serial = serial
        self.entry = entry
        """Word index of the scoreboard entry of the request under way."""
        self.peer = peer
        self.peer_text = f"{peer[0]} {peer[1]}".encode()
        self.server = server
        self.environ = environ
        self.policy = policy
        self.response_spool = response_spool
        self.send_timeout = send_timeout
        self.state = State.READING
        self.mask = 0
        """What the poller watches the socket for; 0 while it is not registered."""
        self.requests = 0
        self.exchange: Exchange | None = None
        self.request: http1.Request | None = None
        self.body: BodyBuffer | None = None
        self.outgoing: Outgoing | None = None
        self.last = b""
        """The answer's last bytes, held back until the access record stands."""
        self.sent = 0
        """Bytes of the answer that the kernel has taken."""
        self.overhead = 0
        """Of the bytes to send, those that are not the body's: heads and chunk framing."""
        self.written = 0
        """The body's bytes that were given to :meth:`write` and :meth:`write_file`."""
        self.keep = False
        """Whether the connection goes on after the answer."""
        self.ended = False
        """Whether it ends here and now, whatever the client still sends: the answer was cut."""
        self.gone: ClientGone | None = None
        self.discarded = 0
        self.waiting: deque[Waiting] = deque()
        """Requests that were read ahead, in order."""

    # -- the transport of a response

    def may_keep(self) -> bool:
        """Whether the connection may go on after the response, as far as the server is concerned.

        Requests that were read ahead are always answered.
        """
        return bool(self.waiting) or (self.policy.may_keep and not self.http.at_eof)

    def write(self, data: bytes, body: int, /) -> None:
        """Send now what the kernel takes, keep the rest.

        :raises ClientGone: the client left, or did not read for the send timeout while more than
            ``--response-spool`` waited.
        """
        if self.gone is not None:
            raise self.gone
        self.overhead += len(data) - body
        self.written += body
        outgoing = self.outgoing
        if outgoing is None:
            sent = self._send(data)
            if sent == len(data):
                return
            outgoing = self.outgoing = Outgoing()
            outgoing.append(memoryview(data)[sent:])
        else:
            outgoing.append(data)
            self.flush()
        self._wait_for_reader()

    def write_file(self, fd: int, offset: int, count: int, /) -> None:
        """The same with a part of a file; it is not copied, so it does not count as spooled."""
        if self.gone is not None:
            raise self.gone
        self.written += count
        if self.outgoing is None:
            self.outgoing = Outgoing()
        self.outgoing.append_file(fd, offset, count)
        self.flush()

    def _send(self, data: bytes) -> int:
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.gone = ClientGone(f"the client is gone: {error.strerror}")
            raise self.gone from None
        self.sent += sent
        return sent

    def flush(self) -> bool:
        """Send what waits, as far as the kernel takes it; True when nothing waits any more.

        :raises ClientGone: the client left.
        """
        outgoing = self.outgoing
        if outgoing is None:
            return True
        try:
            self.sent += outgoing.send(self.sock)
        except ShortFileError as error:
            self.gone = ClientGone(str(error))
            raise self.gone from None
        except OSError as error:
            self.gone = ClientGone(f"the client is gone: {error.strerror}")
            raise self.gone from None
        if outgoing.size:
            return False
        outgoing.close()
        self.outgoing = None
        return True

    def _wait_for_reader(self) -> None:
        while self.outgoing is not None and self.outgoing.size > self.response_spool:
            if not wait_writable(self.sock, self.send_timeout):
                self.gone = ClientGone(f"the client read nothing for {self.send_timeout:g} s", timed_out=True)
                raise self.gone
            self.flush()

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
        self.request = None
        self.sent = self.overhead = self.written = 0
        self.last = b""
        if self.body is not None:
            self.body.close()
            self.body = None

    def reset_on_close(self) -> None:
        """Make the close a reset (SO_LINGER of 0 s, socket(7)), so that a torn answer is not taken for whole."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def release(self) -> None:
        """Close the socket and everything that the connection holds."""
        self.state = State.CLOSED
        if self.body is not None:
            self.body.close()
            self.body = None
        if self.outgoing is not None:
            self.outgoing.close()
            self.outgoing = None
        self.sock.close()
