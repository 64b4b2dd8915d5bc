"""What workers write to their descriptors 1 and 2 (``--capture-output``), as records."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from logserve.collector.report import make_record

REST_DELAY: Final = 0.1
"""A rest without a line ending becomes a record after this many seconds."""
LONGEST_LINE: Final = 1 << 20
"""Of a line that is longer (bytes) the rest is left out, and the record says how much that was."""
_READ_SIZE: Final = 64 * 1024


class CapturedPipe:
    """The read end of one pipe; `level` is its records' level, `pid` its worker's process id."""

    def __init__(
        self, fd: int, stream: str, level: int, pid: int, emit: Callable[[logging.LogRecord], object]
    ) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._stream = stream
        self._level = level
        self._pid = pid
        self._emit = emit
        self._line = bytearray()
        self._left_out = 0
        """Bytes of the line beyond what `_line` may hold."""
        self._rest_since = 0.0

    @property
    def has_rest(self) -> bool:
        """Whether part of a line waits for its end."""
        return bool(self._line)

    def read(self) -> int:
        """Take what is there: its bytes, 0 for nothing now, -1 at the end of file."""
        try:
            data = os.read(self.fd, _READ_SIZE)
        except BlockingIOError:
            return 0
        if not data:
            self._end_line()
            return -1
        first, *others = data.split(b"\n")
        self._add(first)
        for piece in others:
            self._end_line()
            self._add(piece)
        self._rest_since = time.monotonic()
        return len(data)

    def flush(self, now: float) -> None:
        """Make a record of a rest that has waited long enough."""
        if self._line and now - self._rest_since >= REST_DELAY:
            self._end_line()

    def _add(self, piece: bytes) -> None:
        room = LONGEST_LINE - len(self._line)
        self._line += piece[:room]
        self._left_out += max(0, len(piece) - room)

    def _end_line(self) -> None:
        text = self._line.rstrip(b"\r").decode(errors="backslashreplace")
        if self._left_out:
            text += f" [cut, {self._left_out:,} more bytes]"
        self._line.clear()
        self._left_out = 0
        if text:
            self._emit(make_record(self._level, text, process=self._pid, stream=self._stream))
