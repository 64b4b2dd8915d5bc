"""What workers write to their descriptors 1 and 2 (``--capture-output``), as records."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from logserve.collector.report import make_record
from logserve.shm.captured import Captured

REST_DELAY: Final = 0.1
"""A rest without a line ending becomes a record after this many seconds."""


class CapturedPipe:
    """The read end of one pipe.

    :param memory: where what was read stands until it is a record in a ring; perhaps a predecessor's, with a rest.
    :param level: its records' level.
    :param pid: its worker's process id.
    :param put: puts a record into the ring; False where it has no room now.
    """

    def __init__(
        self,
        fd: int,
        memory: Captured,
        stream: str,
        level: int,
        pid: int,
        put: Callable[[logging.LogRecord], bool],
    ) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._memory = memory
        self._stream = stream
        self._level = level
        self._pid = pid
        self._put = put
        self._rest_since = time.monotonic()

    @property
    def has_rest(self) -> bool:
        """Whether something was read that is no record yet."""
        return bool(len(self._memory))

    def read(self) -> int:
        """Take what is there: its bytes, 0 for nothing now (or no room for it), -1 at the end of file."""
        if not self.put_lines():
            return 0
        try:
            count = self._memory.read(self.fd)
        except BlockingIOError:
            return 0
        if not count:
            return -1 if self.put_lines(rest=True) else 0
        self._rest_since = time.monotonic()
        self.put_lines()
        return count

    def put_lines(self, *, rest: bool = False) -> bool:
        """Make records of what is there in whole lines, with `rest` of all; False where the ring has no room."""
        while (found := self._memory.line(rest=rest)) is not None:
            line, left_out, length = found
            if not self._put_line(line, left_out):
                return False
            self._memory.take(length)
        return True

    def flush(self, now: float) -> None:
        """Make a record of a rest that has waited long enough."""
        if self.has_rest and now - self._rest_since >= REST_DELAY:
            self.put_lines(rest=True)

    def close(self) -> None:
        """Let go of the pipe and of the memory."""
        os.close(self.fd)
        self._memory.close()

    def _put_line(self, line: bytes, left_out: int) -> bool:
        text = line.rstrip(b"\r").decode(errors="backslashreplace")
        if left_out:
            text += f" [cut, {left_out:,} more bytes]"
        return not text or self._put(make_record(self._level, text, process=self._pid, stream=self._stream))
