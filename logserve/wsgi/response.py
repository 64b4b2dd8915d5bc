"""One call of the application and the response that it makes (PEP 3333).

:class:`Response` is what ``start_response`` and ``write`` act on. Everything but the last bytes goes to the
transport as soon as the application gives it; the last bytes are handed back, because the access record has
to stand before they are sent. Where the body is a list, the last bytes are all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol

from logserve.errors import LocalProtocolError
from logserve.http1 import Request
from logserve.http1.response import (
    LAST_CHUNK,
    ResponseFraming,
    begin_response,
    encode_chunk,
    encode_early_hints,
)
from logserve.logs.access.outcome import Outcome
from logserve.wsgi.file_wrapper import FileWrapper

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Headers = list[tuple[str, str]]


class Transport(Protocol):
    """Where the bytes go; raises :class:`ConnectionError` once the client is known to be gone."""

    def may_keep(self) -> bool:
        """Whether the connection may go on after this response; asked when its head is made."""

    def write(self, data: bytes, body: int, /) -> None:
        """Send, or keep for when the client reads; `body` of these bytes are the response body's."""

    def write_interim(self, data: bytes, /) -> None:
        """The same with a whole 1xx answer, which is no part of the one that is recorded."""

    def write_file(self, fd: int, offset: int, count: int, /) -> None:
        """The same with a part of a regular file; the descriptor may be closed after the call."""


class Response:
    """What the application answers to one request.

    :param extra: ready-made header lines that every response gets, such as the request id's.
    """

    # No slots: what stands in the class costs nothing until a response sets it.

    keep_alive: bool = False
    """Whether the connection goes on after this response; known once the head is made."""
    status: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    framing: ResponseFraming | None = None
    """None until the head is made: from then on the headers cannot change."""
    written: int = 0
    """Body bytes that the application gave, up to what may be sent."""
    outcome: Outcome | None = None
    """Set where the application broke a rule although the response went out."""
    problem: str = ""
    """A sentence for the error log where `outcome` is set."""

    def __init__(self, request: Request, transport: Transport, extra: bytes) -> None:
        self.request = request
        self.transport = transport
        self.extra = extra

    # -- what the application calls

    def start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333's ``start_response``: note status and headers, and return ``write``.

        :raises LocalProtocolError: called twice without `exc_info`.
        :raises BaseException: the exception of `exc_info` where the head has gone out already.
        """
        if exc_info is not None:
            try:
                if self.framing is not None:
                    if exc_info[1] is None:  # sys.exc_info() outside of an except clause
                        raise LocalProtocolError(
                            f"start_response({status!r}) came after the headers had been sent"
                        )
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks the cycle through this frame's traceback
        elif self.status is not None:
            raise LocalProtocolError(
                f"start_response was called a second time (first {self.status!r}, now {status!r}) without exc_info"
            )
        self.status = status
        self.headers = headers
        return self.write

    def write(self, data: bytes) -> None:
        """PEP 3333's ``write``: send `data` now, the head before it.

        :raises LocalProtocolError: before ``start_response``, or with a header that must not be sent.
        :raises ConnectionError: the client is gone.
        """
        out, body = self._frame(data)
        if out:
            self.transport.write(out, body)

    def early_hints(self, headers: Headers) -> None:
        """``wsgi.early_hints``: send a 103 (RFC 8297) before the response; nothing for an HTTP/1.0 client."""
        if self.framing is None and self.request.version != "1.0":
            self.transport.write_interim(encode_early_hints(headers))

    # -- what the worker calls

    def run(self, application: Callable[..., Any], environ: dict[str, Any]) -> bytes:
        """Call the application and send all but the last bytes, which are returned.

        The iterable is closed always. What the application raises is raised here, and so is
        :class:`ConnectionError` where the client left.
        """
        result = application(environ, self.start_response)
        if type(result) is list:  # the common case; a list has no close() and yields at once
            return self._whole(result[0] if len(result) == 1 else b"".join(result))
        try:
            if type(result) is tuple:
                return self._whole(b"".join(result))
            if isinstance(result, FileWrapper) and (region := result.region()) is not None:
                return self._file(*region)
            return self._iterate(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _whole(self, body: bytes) -> bytes:
        """The response to a body that is complete: with its length, unless the application named one."""
        if not isinstance(body, bytes):
            raise LocalProtocolError(f"the body must be bytes, the application gave {type(body).__name__}")
        if self.framing is not None:
            return self._body(body) + self._end()
        length = len(body)
        # A HEAD request's empty body says nothing about the length of GET's.
        head, framing = self._begin(length if length or self.request.method != "HEAD" else None)
        if framing.has_body and framing.length == length:
            self.written = length
            return head + body
        return head + self._body(body) + self._end()

    def _iterate(self, result: Iterable[bytes]) -> bytes:
        for chunk in result:
            if chunk:
                self.write(chunk)
        if self.framing is None:
            return self._whole(b"")
        return self._end()

    def _file(self, fd: int, offset: int, count: int) -> bytes:
        head, framing = (b"", self.framing) if self.framing is not None else self._begin(count)
        if framing.length is not None and count > framing.length - self.written:
            self._too_long(count)
            count = framing.length - self.written
        if not framing.has_body or not count:
            if head:
                self.transport.write(head, 0)
            return self._end()
        self.written += count
        if framing.chunked:
            head += b"%x\r\n" % count
        if head:
            self.transport.write(head, 0)
        self.transport.write_file(fd, offset, count)
        return b"\r\n" + self._end() if framing.chunked else self._end()

    def _begin(self, length: int | None) -> tuple[bytes, ResponseFraming]:
        if self.status is None:
            raise LocalProtocolError(
                "the application did not call start_response before its first body bytes"
            )
        request = self.request
        keep = request.keep_alive and self.transport.may_keep()
        made = begin_response(request, self.status, self.headers, keep, self.extra, length)
        self.framing = made[1]
        self.keep_alive = not made[1].must_close
        return made

    def _frame(self, data: bytes) -> tuple[bytes, int]:
        """The head, if it has not gone out, and `data` as the framing wants it."""
        if not isinstance(data, bytes):
            raise LocalProtocolError(f"the body must be bytes, the application gave {type(data).__name__}")
        head = self._begin(None)[0] if self.framing is None else b""
        before = self.written
        body = self._body(data)
        return head + body, self.written - before

    def _body(self, data: bytes) -> bytes:
        framing = self.framing
        assert framing is not None
        if not data or not framing.has_body:
            return b""
        if framing.length is not None and len(data) > framing.length - self.written:
            self._too_long(len(data))
            data = data[: framing.length - self.written]
        self.written += len(data)
        return encode_chunk(data) if framing.chunked else data

    def _end(self) -> bytes:
        """What ends the body, after a look at whether it is as long as it was said to be."""
        framing = self.framing
        assert framing is not None
        if framing.has_body:
            if framing.chunked:
                return LAST_CHUNK
            if framing.length is not None and self.written < framing.length:
                self.outcome = Outcome.APP_SHORT
                self.problem = f"the application announced {framing.length} bytes and gave {self.written}; the connection is closed"
                self.keep_alive = False
        return b""

    def _too_long(self, size: int) -> None:
        framing = self.framing
        assert framing is not None
        if self.outcome is None:
            self.outcome = Outcome.APP_LONG
            self.problem = (
                f"the application announced {framing.length} bytes and gave at least {self.written + size}; "
                "the rest is left out and the connection is closed"
            )
            self.keep_alive = False
