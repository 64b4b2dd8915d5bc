"""A client that sends raw bytes, and a strict reader of HTTP/1.1 answers (RFC 9112)."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class BadAnswer(AssertionError):  # noqa: N818 - it is an assertion about the server
    """What the server sent is no HTTP/1.1 answer."""


@dataclass
class Answer:
    """One complete answer."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    framing: str = "none"
    """How its end is known: ``none`` (no body), ``length``, ``chunked`` or ``close``."""
    chunks: list[bytes] = field(default_factory=list)
    interim: list[Answer] = field(default_factory=list)
    """The 1xx answers that came before."""

    def all(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that may stand once; None where it is missing."""
        values = self.all(name)
        if len(values) > 1:
            raise BadAnswer(f"{name} stands {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer (RFC 9112 section 9.3)."""
        options = {option.strip().lower() for value in self.all("Connection") for option in value.split(",")}
        if self.framing == "close" or "close" in options:
            return True
        return self.version == "1.0" and "keep-alive" not in options

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request_bytes(
    target: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    host: str = "test",
    version: str = "1.1",
) -> bytes:
    """A well-formed request; Content-Length is added where there is a body and no framing is given."""
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    framed = any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers)
    if body and not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body, one chunk for each piece (RFC 9112 section 7.1)."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailers + b"\r\n"


class Client:
    """One connection to the server.

    :param timeout: seconds that one read or write may take; only a failing test gets there.
    :param receive_buffer: bytes of SO_RCVBUF; small ones make a slow reader felt early.
    :param source: the address to connect from, such as ``127.0.0.2``.
    """

    def __init__(
        self, address: Address, *, timeout: float = 15.0, receive_buffer: int = 0, source: str = ""
    ) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else _family(address[0])
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout)
            if receive_buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise
        self._buffer = bytearray()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- sending

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send it byte by byte, each in a segment of its own."""
        for index in range(len(data)):
            self.socket.sendall(data[index : index + 1])

    def half_close(self) -> None:
        """Say that nothing more comes; answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def request(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        """Send a well-formed request and read its answer."""
        self.send(request_bytes(target, method, headers, body))
        return self.read_answer(method)

    # -- reading

    def read_answer(self, method: str = "GET") -> Answer:
        """Read one complete answer, the interim ones before it included.

        :param method: what was asked, since an answer to HEAD or CONNECT has no body of its own.
        :raises BadAnswer: it is none, or ends too early.
        """
        interim = []
        while True:
            answer = self.read_head()
            if answer.status >= 200:
                break
            interim.append(answer)
        answer.interim = interim
        self._read_body(answer, method)
        return answer

    def read_head(self) -> Answer:
        """Read a status line and the header section; sets `framing` to what the headers say."""
        match = STATUS_LINE.fullmatch(self._line("the status line"))
        if not match:
            raise BadAnswer(f"no status line: {bytes(self._buffer[:200])!r}")
        answer = Answer("1." + match[1].decode(), int(match[2]), match[3].decode("latin-1"), [])
        while line := self._line("a header"):
            header = FIELD_LINE.fullmatch(line)
            if not header:
                raise BadAnswer(f"no header field: {line!r}")
            answer.headers.append((header[1].decode(), header[2].decode("latin-1")))
        answer.framing = self._framing(answer)
        return answer

    def read_exactly(self, size: int) -> bytes:
        """Read this many bytes as they stand."""
        while len(self._buffer) < size:
            if not self._receive():
                raise BadAnswer(f"the connection ended after {len(self._buffer)} of {size} bytes")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read_chunk(self) -> bytes:
        """Read one chunk of a chunked body; empty bytes are its end (trailers are refused)."""
        size_line = self._line("a chunk size")
        if not CHUNK_SIZE.fullmatch(size_line):
            raise BadAnswer(f"no chunk size: {size_line!r}")
        size = int(size_line, 16)
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise BadAnswer(f"a chunk of {size} bytes does not end in CR LF")
        return data

    def read_rest(self) -> bytes:
        """Read until the server closes its side."""
        while self._receive():
            pass
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def expect_end(self) -> None:
        """The server closes its side, in order, and sends nothing more before."""
        rest = self.read_rest()
        if rest:
            raise BadAnswer(f"{len(rest)} bytes where the connection should end: {rest[:200]!r}")

    def _framing(self, answer: Answer) -> str:
        coding, length = answer.header("Transfer-Encoding"), answer.header("Content-Length")
        if coding is not None and length is not None:
            raise BadAnswer("Content-Length beside Transfer-Encoding (RFC 9112 section 6.2)")
        if answer.status < 200 or answer.status == 204:
            if coding is not None or length is not None:
                raise BadAnswer(f"a {answer.status} with framing headers (RFC 9110 section 8.6)")
            return "none"
        if coding is not None:
            if coding.lower() != "chunked" or answer.version == "1.0":
                raise BadAnswer(f"Transfer-Encoding {coding!r} in HTTP/{answer.version}")
            return "chunked"
        if length is None:
            return "close"
        if not length.isascii() or not length.isdigit():
            raise BadAnswer(f"Content-Length {length!r}")
        return "length"

    def _read_body(self, answer: Answer, method: str) -> None:
        if method == "HEAD" or answer.status in (204, 304):
            answer.framing = "none"
        elif answer.framing == "chunked":
            while chunk := self.read_chunk():
                answer.chunks.append(chunk)
            answer.body = b"".join(answer.chunks)
        elif answer.framing == "length":
            answer.body = self.read_exactly(int(answer.header("Content-Length") or 0))
        elif answer.framing == "close":
            answer.body = self.read_rest()

    def _line(self, what: str) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if not self._receive():
                raise BadAnswer(f"the connection ended inside {what}: {bytes(self._buffer[:200])!r}")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _receive(self) -> bool:
        data = self.socket.recv(65536)
        self._buffer += data
        return bool(data)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
