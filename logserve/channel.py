"""Messages, and descriptors, between the arbiter and one of its children.

A unix stream socket pair. On the wire a message is a header of two 32-bit words in the machine's order (length
of the body in bytes, number of descriptors) and the body, a msgpack map with the key ``op``. Descriptors travel
with the header's first byte (SCM_RIGHTS, unix(7)): so they are there, in order, when the body is. A reader asks
for exactly the bytes that the current message lacks; so nothing is ever left in this process while the
descriptor looks quiet, and a level-triggered loop may take one message at a time.

Streams rather than SOCK_SEQPACKET: the same code everywhere, no limit to a message's size, and an end of file
that can be relied on, which is how a child learns that its arbiter was killed.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from select import POLLIN, POLLOUT, poll
from typing import Any, Final

import msgspec

# Bound at import, before a worker class may monkey-patch them: a wait for a reply must not switch greenlets.
_new_lock = threading.Lock
_monotonic = time.monotonic

_HEADER: Final = struct.Struct("=II")
_ANCILLARY_SIZE: Final = socket.CMSG_SPACE(253 * 4)  # SCM_MAX_FD of Linux: descriptors in one message
_RECEIVE_FLAGS: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_GONE: Final = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class _Outgoing:
    """A message, or the rest of one, that the socket did not take yet."""

    __slots__ = ("fds", "view")

    def __init__(self, data: bytes, fds: Sequence[int]) -> None:
        self.view = memoryview(data)
        self.fds = list(fds)


class Channel:
    """One end. Any thread of its process may send or request; one loop receives.

    What is sent to a peer that is gone (or after :meth:`close`) is dropped without an error: its end shows as
    :meth:`receive` returning None, in one place, whoever was sending.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._fd = end.fileno()
        self._outgoing: deque[_Outgoing] = deque()
        self._send_lock = _new_lock()
        self._receive_lock = _new_lock()
        self._kept: deque[tuple[dict[str, Any], list[int]]] = deque()
        self._header = b""
        self._body = bytearray()
        self._length = -1  # of the body, once the header is complete
        self._descriptors = 0
        self._fds: list[int] = []
        self._request = 0

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends; after a fork each process closes the one that is not its own."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """The descriptor to wait on: readable for :meth:`receive`, writable for :meth:`flush`."""
        return self._fd

    @property
    def wants_write(self) -> bool:
        """Whether something is queued: wait until writable, then :meth:`flush`."""
        return bool(self._outgoing)

    # ------------------------------------------------------------------------------------------ sending

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send, or queue what the socket does not take; never blocks.

        `fds` stay the caller's: where the message has to be queued, the channel keeps duplicates.
        """
        body = _encode(message)
        outgoing = _Outgoing(_HEADER.pack(len(body), len(fds)) + body, fds)
        with self._send_lock:
            if self._socket.fileno() < 0 or (not self._outgoing and self._write(outgoing)):
                return
            outgoing.fds = [os.dup(fd) for fd in outgoing.fds]
            self._outgoing.append(outgoing)

    def flush(self) -> None:
        """Send what is queued, as far as the socket takes it."""
        with self._send_lock:
            while self._outgoing:
                duplicates = self._outgoing[0].fds
                done = self._write(self._outgoing[0])
                if not self._outgoing[0].fds:
                    for fd in duplicates:
                        os.close(fd)
                if not done:
                    return
                self._outgoing.popleft()

    def _write(self, outgoing: _Outgoing) -> bool:
        """Write until all is gone (True) or the socket is full (False); empties `fds` once they are sent."""
        while outgoing.view:
            ancillary = []
            if outgoing.fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", outgoing.fds))]
            try:
                sent = self._socket.sendmsg([outgoing.view], ancillary)
            except BlockingIOError:
                return False
            except _GONE:
                sent = len(outgoing.view)
            outgoing.view = outgoing.view[sent:]
            outgoing.fds = []
        return True

    # ---------------------------------------------------------------------------------------- receiving

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """One message and its descriptors, which are the caller's to close; None when the peer is gone.

        :raises BlockingIOError: no whole message is there (or another thread's request is waiting for it).
        """
        if not self._receive_lock.acquire(blocking=False):
            raise BlockingIOError
        try:
            return self._kept.popleft() if self._kept else self._read()
        finally:
            self._receive_lock.release()

    def _read(self) -> tuple[dict[str, Any], list[int]] | None:
        while self._length < 0:
            data = self._read_bytes(_HEADER.size - len(self._header))
            if not data:
                return None
            self._header += data
            if len(self._header) == _HEADER.size:
                self._length, self._descriptors = _HEADER.unpack(self._header)
        while len(self._body) < self._length:
            data = self._read_bytes(self._length - len(self._body))
            if not data:
                return None
            self._body += data
        message = _decode(self._body)
        fds, self._fds = self._fds[: self._descriptors], self._fds[self._descriptors :]
        self._header, self._body, self._length = b"", bytearray(), -1
        return message, fds

    def _read_bytes(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end; descriptors that come with them are kept in order."""
        try:
            data, ancillary, _flags, _address = self._socket.recvmsg(size, _ANCILLARY_SIZE, _RECEIVE_FLAGS)
        except _GONE:
            return b""  # the peer was killed with messages of ours unread
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                for fd in fds:
                    os.set_inheritable(fd, False)
                self._fds += fds
        return data

    def request(self, message: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Send, wait for the reply that carries the same ``request`` number, and return it.

        Other messages that arrive meanwhile are kept for :meth:`receive`.

        :param timeout: seconds.
        :raises TimeoutError: no reply in time; a late one comes out of :meth:`receive`.
        :raises ConnectionError: the peer is gone.
        """
        deadline = _monotonic() + timeout
        with self._receive_lock:
            self._request = number = self._request + 1
            self.send({**message, "request": number})
            while True:
                self._wait(deadline)
                try:
                    received = self._read()
                except BlockingIOError:
                    continue
                if received is None:
                    raise ConnectionError(f"the arbiter is gone; it cannot answer {message.get('op')!r}")
                if received[0].get("request") == number:
                    return received[0]
                self._kept.append(received)

    def _wait(self, deadline: float) -> None:
        poller = poll()
        while True:
            poller.register(self._fd, POLLIN | POLLOUT if self._outgoing else POLLIN)
            left = deadline - _monotonic()
            if left <= 0:
                raise TimeoutError("no reply in time")
            for _fd, happened in poller.poll(left * 1000):
                if happened & POLLOUT:
                    self.flush()
                if happened & ~POLLOUT:
                    return

    def close(self) -> None:
        """Close this process's copy of the end, and what was received or queued with it; idempotent."""
        for outgoing in self._outgoing:
            self._fds += outgoing.fds
        for fd in [*self._fds, *(fd for _message, fds in self._kept for fd in fds)]:
            os.close(fd)
        self._outgoing.clear()
        self._fds = []
        self._kept.clear()
        self._socket.close()
