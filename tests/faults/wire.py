"""HTTP for a client that sends many requests: groups of them in one send, answers read as they come."""

from __future__ import annotations

import random
import re
import socket
import struct
from typing import Final, NamedTuple

PATIENCE: Final = 60.0
"""Seconds after which a client that waits for an answer says that something hangs."""
IP_BIND_ADDRESS_NO_PORT: Final = 24
"""ip(7); Python has no name for it. The port is chosen at connect, by the whole four-tuple."""

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer that came whole."""

    status: int
    closes: bool
    body_bytes: int


class TornError(Exception):
    """The connection ended inside an answer.

    :param began: whether a part of it came.
    """

    def __init__(self, began: bool) -> None:
        super().__init__()
        self.began = began


def request(kind: str, name: str, *, with_id: bool = False, body: bytes = b"", closes: bool = False) -> bytes:
    """The bytes of a request for this name."""
    head = [f"{'POST' if body else 'GET'} /{kind}/{name} HTTP/1.1\r\nHost: faults\r\n"]
    if with_id:
        head.append(f"X-Request-ID: {name}\r\n")
    if body:
        head.append(f"Content-Length: {len(body)}\r\n")
    if closes:
        head.append("Connection: close\r\n")
    return "".join([*head, "\r\n"]).encode() + body


def connect(address: tuple[str, int], source: str, *, receive_buffer: int = 0) -> socket.socket:
    """Open a connection from an address of its own (127.0.0.0/8), so that ports do not run out.

    :raises OSError: nobody listens.
    """
    connection = socket.socket()
    try:
        connection.settimeout(PATIENCE)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def reset(connection: socket.socket) -> None:
    """Close it with RST, see socket(7), SO_LINGER."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def source_of(client: int, chance: random.Random) -> str:
    """An address of a client's own network."""
    return f"127.{client + 1}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


class Answers:
    """The answers that come on a connection, in order."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def next(self) -> Answer:
        """Wait for one whole answer.

        :raises TornError: the connection ended, or was reset, before its end.
        :raises TimeoutError: nothing came for :data:`PATIENCE` seconds.
        """
        while (end := self._buffer.find(b"\r\n\r\n") + 4) < 4:
            self._more()
        head = self._buffer[:end]
        status = _STATUS.match(head)
        assert status is not None, f"what came is no answer: {head[:200]!r}"
        length = _LENGTH.search(head)
        if length is not None:
            size = int(length[1])
            self._skip(end + size)
        else:
            assert _CHUNKED.search(head), f"an answer without a length: {head!r}"
            size = self._skip_chunks(end)
        return Answer(int(status[1]), _CLOSES.search(head) is not None, size)

    def _skip(self, size: int) -> None:
        while size > len(self._buffer):
            size -= len(self._buffer)
            self._buffer = b""
            self._more(began=True)
        self._buffer = self._buffer[size:]

    def _skip_chunks(self, head: int) -> int:
        self._skip(head)
        total = 0
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                self._more(began=True)
            size = int(self._buffer[:end], 16)
            self._skip(end + 2 + size + 2)
            if not size:
                return total
            total += size

    def _more(self, began: bool = False) -> None:
        try:
            data = self._connection.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            raise TornError(began or bool(self._buffer))
        self._buffer += data
