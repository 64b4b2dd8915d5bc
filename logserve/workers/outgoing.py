"""What a client has not taken yet of a response: in memory first, then in a temporary file."""

from __future__ import annotations

import os
import socket
import sys
from collections import deque
from typing import Final

MEMORY: Final = 256 * 1024
"""Bytes of one response kept in memory; what comes behind them goes to a temporary file."""

SEND_BLOCK: Final = 1 << 20
"""Bytes that one sendfile(2) is asked for, so that one fast reader does not hold the loop."""


class FilePart:
    """A part of a file still to be sent; `fd` is this object's own."""

    __slots__ = ("count", "fd", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        self.fd = fd
        self.offset = offset
        self.count = count

    def send(self, sock: socket.socket) -> int:
        """Send as much as the socket takes; 0 where the file turns out to be shorter than announced."""
        if sys.platform == "darwin":  # its sendfile reports a partial send only by an exception
            data = os.pread(self.fd, min(self.count, 65536), self.offset)
            sent = sock.send(data) if data else 0
        else:
            sent = os.sendfile(sock.fileno(), self.fd, self.offset, min(self.count, SEND_BLOCK))
        self.offset += sent
        self.count -= sent
        return sent

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


class ShortFileError(OSError):
    """A file gave fewer bytes than it had when the response began."""


class Outgoing:
    """A queue of bytes and file parts; `size` is what is left of them, in bytes."""

    __slots__ = ("_memory", "_parts", "_spool", "size")

    def __init__(self) -> None:
        self._parts: deque[memoryview | FilePart] = deque()
        self._spool: FilePart | None = None
        """The last part, while it is a temporary file that may grow."""
        self._memory = 0
        self.size = 0

    def append(self, data: bytes | memoryview) -> None:
        """Queue bytes."""
        view = memoryview(data)
        self.size += len(view)
        if self._spool is None and self._memory + len(view) <= MEMORY:
            self._memory += len(view)
            self._parts.append(view)
            return
        spool = self._spool
        if spool is None:
            import tempfile  # with it come a dozen modules that most workers never need

            with tempfile.TemporaryFile(prefix="logserve-response-", buffering=0) as file:
                spool = self._spool = FilePart(os.dup(file.fileno()), 0, 0)
            self._parts.append(spool)
        end = spool.offset + spool.count
        while view:
            written = os.pwrite(spool.fd, view, end)
            end += written
            spool.count += written
            view = view[written:]

    def append_file(self, fd: int, offset: int, count: int) -> None:
        """Queue a part of a regular file; the descriptor is duplicated."""
        self._spool = None
        self._parts.append(FilePart(os.dup(fd), offset, count))
        self.size += count

    def send(self, sock: socket.socket) -> int:
        """Send until the queue is empty or the socket full; how many bytes went out.

        :raises OSError: the client is gone, or (:class:`ShortFileError`) a file became shorter.
        """
        total = 0
        while self._parts:
            part = self._parts[0]
            try:
                sent = part.send(sock) if isinstance(part, FilePart) else sock.send(part)
            except (BlockingIOError, InterruptedError):
                break
            total += sent
            self.size -= sent
            if isinstance(part, FilePart):
                if not part.count:
                    self._drop_first(part)
                elif not sent:
                    raise ShortFileError(f"the file ended {part.count} bytes before its announced length")
                elif total >= SEND_BLOCK:
                    break
            else:
                self._memory -= sent
                if sent < len(part):
                    self._parts[0] = part[sent:]
                    break
                self._parts.popleft()
        return total

    def _drop_first(self, part: FilePart) -> None:
        self._parts.popleft()
        if part is self._spool:
            self._spool = None
        part.close()

    def take_last(self) -> bytes:
        """Take back the queue's last bytes, if it ends in memory: the access record is prepared before them."""
        if self._parts and isinstance(self._parts[-1], memoryview):
            last = self._parts.pop()
            assert isinstance(last, memoryview)
            self._memory -= len(last)
            self.size -= len(last)
            return bytes(last)
        return b""

    def close(self) -> None:
        """Let go of everything."""
        for part in self._parts:
            if isinstance(part, FilePart):
                part.close()
        self._parts.clear()
        self._spool = None
        self.size = self._memory = 0
