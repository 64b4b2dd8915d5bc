"""One connection's requests: bytes in, events out, no I/O.

::

    HEAD ──Request without body──► HEAD        (or CLOSED where the client's head says so)
    HEAD ──Request──► BODY ──Data…──EndOfMessage──► HEAD or CLOSED
    any  ──RemoteProtocolError──► CLOSED       nothing is read any more: what follows has no meaning

A head is given to llhttp when it is complete, and exactly one at a time, so the bytes of a pipelined request
stay in the buffer untouched until the caller asks for its next event.
"""

from __future__ import annotations

from enum import Enum, auto

import httptools

from logserve.errors import RemoteProtocolError
from logserve.http1 import rules
from logserve.http1.chunked import ChunkedDecoder
from logserve.http1.forwarded import FieldPolicy
from logserve.http1.grammar import TOKEN
from logserve.http1.head import HeadScan, Limits, explain
from logserve.http1.request import Data, EndOfMessage, Event, Request, Unusual, parse_head, repeat_head

EMPTY_LINES_MAX = 4
"""Empty lines before a request that are ignored (RFC 9112 2.2 asks for one)."""

REPEAT_MAX = 2048
"""Bytes of the longest head that is remembered, to be compared with the next one."""

PARTIAL_LINE_MAX = 8190
"""Bytes of a broken request line that are kept for its access record."""


class State(Enum):
    """What the connection reads."""

    HEAD = auto()
    BODY = auto()
    CLOSED = auto()


_HEAD, _BODY, _CLOSED = State
_END_OF_MESSAGE = EndOfMessage()


class Partial:
    """What is known of a request that has no Request event, or broke off after it."""

    __slots__ = ("fields", "line", "method", "target", "version")

    def __init__(self, line: str, request: Request | None = None) -> None:
        self.line = line
        """The request line as far as it came, as latin-1."""
        parts = line.split(" ")
        well_formed = len(parts) == 3 and bool(TOKEN.fullmatch(parts[0])) and parts[2][:5] == "HTTP/"
        self.method = parts[0] if well_formed else ""
        self.target = parts[1] if well_formed else ""
        self.version = parts[2][5:] if well_formed else ""
        self.fields: dict[str, str] = request.fields if request is not None else {}
        """As in Request, where the whole head was understood."""


class Connection:
    """The server's side of one HTTP/1.1 connection, requests only."""

    __slots__ = (
        "_chunks",
        "_empty_lines",
        "_eof",
        "_last",
        "_limits",
        "_offset",
        "_parser",
        "_quick",
        "_request",
        "_scan",
        "_state",
        "_tail",
        "body_left",
        "ended",
        "partial",
        "policy",
        "unread",
    )

    def __init__(self, limits: Limits, policy: FieldPolicy | None = None) -> None:
        self._limits = limits
        self.policy = policy
        """Reads the fields of a proxy's; None where they mean nothing more than others."""
        # A head no longer than this keeps every limit but the number of fields; 0 is no limit.
        self._quick = min(limit for limit in (limits.request_line, limits.field_size, limits.head) if limit)
        self._state = _HEAD
        self.unread = b""
        """What was received last; empty for sure after a head that ended it. Else `buffered` knows what is left."""
        self._offset = 0  # where in it the next byte to look at stands
        self.ended = False
        """Whether the client has ended its input."""
        self._scan: HeadScan | None = None  # for a head that takes several reads, or is large
        self._empty_lines = 0
        self._parser = httptools.HttpRequestParser(None)  # without callbacks: it only validates
        self._request: Request | None = None  # whose body is being read
        self._last: Request | None = None  # the one before, if the next may repeat its field lines
        self._tail = b""  # those field lines, from the end of the request line on
        self.body_left = 0
        """Bytes of a body with a Content-Length that are still to come."""
        self._chunks: ChunkedDecoder | None = None
        self.partial: Partial | None = None
        """What is known of the request for which an error was raised."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; b"" is the end of its input."""
        if not data:
            self.ended = True
        elif self._state is not _CLOSED:
            self.unread = self.unread[self._offset :] + data if self.unread else data
            self._offset = 0

    def next_event(self) -> Event | None:
        """The next event, None where more bytes are needed (or, at the end of input, nothing more comes).

        :raises RemoteProtocolError: a rule was broken; :class:`ClientClosed` where the input ended inside a
            message. It is raised once: from then on nothing is read.
        """
        try:
            if self._state is _HEAD:
                return self._next_request()
            if self._state is _BODY:
                return self._next_body_event()
        except RemoteProtocolError:
            self.partial = self._known()
            self.close()
            raise
        return None

    def close(self) -> None:
        """Read no more: what is buffered and what still comes is dropped."""
        self._state = _CLOSED
        self.unread = b""
        self._offset = 0
        self._request = None
        self._chunks = None
        self._scan = None

    def time_out(self) -> RemoteProtocolError:
        """End a request that did not arrive in time; the error to answer with (408). Sets `partial`."""
        rule = rules.BODY_TIMEOUT if self._state is _BODY else rules.HEADER_TIMEOUT
        self.partial = self._known()
        self.close()
        return rule.error()

    @property
    def idle(self) -> bool:
        """Whether the connection is between requests and no byte of a next one is buffered."""
        return self._state is _HEAD and not self.buffered

    @property
    def in_head(self) -> bool:
        """Whether a head has begun to arrive."""
        return self._state is _HEAD and self.buffered

    @property
    def in_body(self) -> bool:
        """Whether a body's end has not been given out yet."""
        return self._state is _BODY

    @property
    def closed(self) -> bool:
        """Whether nothing is read any more: after an error, or after the last request that the client sends."""
        return self._state is _CLOSED

    @property
    def at_eof(self) -> bool:
        """Whether the client has ended its input and no byte of it waits."""
        return self.ended and not self.buffered

    @property
    def buffered(self) -> bool:
        """Whether bytes wait that next_event() has not turned into an event; empty lines between requests
        are dropped and do not count."""
        if self._offset == len(self.unread):
            return False
        if self._state is _HEAD and self.unread.startswith(b"\r\n", self._offset):
            self._skip_empty_lines()
        return self._offset < len(self.unread)

    def _next_request(self) -> Request | None:
        buffer, start = self.unread, self._offset
        end = buffer.find(b"\r\n\r\n", start) + 4
        if end < 4:
            return self._incomplete_head()
        if self._scan is not None or end - start > self._quick:
            if buffer.startswith(b"\r\n", start):
                return self._after_empty_lines()
            self._scan = self._scan or HeadScan(self._limits)
            self._scan.advance(buffer, start)
            self._scan = None
        head = buffer if not start and end == len(buffer) else buffer[start:end]
        if self._last is not None:
            request = repeat_head(head, self._last, self._tail)
            if request is not None:
                if head is buffer:
                    self.unread = b""
                    self._empty_lines = 0
                else:
                    self._consume(end)
                if not request.keep_alive:
                    self.close()
                return request
        try:
            request = parse_head(head, self._parser, self._limits)
        except Unusual as unusual:
            if head.startswith(b"\r\n"):
                return self._after_empty_lines()
            raise explain(head, self._limits, str(unusual)) from None
        policy = self.policy
        if policy is not None and (request.left_out or not policy.silent(request.fields)):
            request = policy.apply(request)
        self._consume(end)
        self._last = None
        if request.repeatable and len(head) <= REPEAT_MAX:
            self._last, self._tail = request, head[head.find(b"\r\n") :]
        if request.has_body:
            self._begin_body(request)
        elif not request.keep_alive:
            self.close()
        return request

    def _consume(self, end: int) -> None:
        """A head ends there; what stands behind it is unread."""
        if end == len(self.unread):
            self.unread, self._offset = b"", 0
        else:
            self._offset = end
        self._empty_lines = 0

    def _skip_empty_lines(self) -> None:
        """Skip what old clients send after a body (RFC 9112 2.2), as far as its bound lets."""
        while self._empty_lines < EMPTY_LINES_MAX and self.unread.startswith(b"\r\n", self._offset):
            self._empty_lines += 1
            self._offset += 2

    def _after_empty_lines(self) -> Request | None:
        self._skip_empty_lines()
        if self.unread.startswith(b"\r\n", self._offset):
            raise rules.EMPTY_LINES.error(f"more than {EMPTY_LINES_MAX}")
        return self._next_request()

    def _incomplete_head(self) -> Request | None:
        """Check what there is of a head, so that a bad one is refused before its end comes (or does not)."""
        if self.unread.startswith(b"\r\n", self._offset):
            return self._after_empty_lines()
        if self._offset < len(self.unread):
            self._scan = self._scan or HeadScan(self._limits)
            self._scan.advance(self.unread, self._offset)
            if self.ended:
                raise client_closed()
        return None

    def _begin_body(self, request: Request) -> None:
        self._state = _BODY
        self._request = request
        if request.chunked:
            self._chunks = ChunkedDecoder(self._limits)
        else:
            self.body_left = request.content_length or 0
        self._parser = httptools.HttpRequestParser(None)  # the old one waits for the body

    def _next_body_event(self) -> Data | EndOfMessage | None:
        if self._chunks is not None:
            data, self._offset = self._chunks.decode(self.unread, self._offset)
            ended = self._chunks.ended
        else:
            data = self.unread[self._offset : self._offset + self.body_left]
            self._offset += len(data)
            self.body_left -= len(data)
            ended = not data and not self.body_left
        if data:
            return Data(data)
        if ended:
            return self._end_body()
        if self.ended:
            raise client_closed()
        return None

    def _end_body(self) -> EndOfMessage:
        trailers = self._chunks.trailers if self._chunks is not None else None
        assert self._request is not None
        if self._request.keep_alive:
            self._state = _HEAD
            self._request = None
            self._chunks = None
        else:
            self.close()
        return EndOfMessage(trailers) if trailers else _END_OF_MESSAGE

    def _known(self) -> Partial:
        """What is known of the request in progress."""
        if self._request is not None:
            line = self._request.head.partition(b"\r\n")[0]
        else:
            start = self._offset
            line = self.unread[start : start + PARTIAL_LINE_MAX].partition(b"\n")[0].removesuffix(b"\r")
        return Partial(line.decode("latin-1"), self._request)


def client_closed() -> rules.ClientClosed:
    """The error for an input that ended inside a message."""
    rule = rules.CLIENT_CLOSED
    return rules.ClientClosed(rule.status, rule.reason, rule.says)
