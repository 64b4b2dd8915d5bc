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
LONGEST_LINE: Final = 64 * 1024
"""A line that is longer (bytes) is cut into several records."""


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
        self._rest = b""
        self._rest_since = 0.0

    @property
    def has_rest(self) -> bool:
        """Whether part of a line waits for its end."""
        return bool(self._rest)

    def read(self) -> int:
        """Take what is there: its bytes, 0 for nothing now, -1 at the end of file."""
        try:
            data = os.read(self.fd, LONGEST_LINE)
        except BlockingIOError:
            return 0
        if not data:
            self.flush(now=float("inf"))
            return -1
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._record(line)
        while len(rest) >= LONGEST_LINE:
            self._record(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        self._rest = rest
        self._rest_since = time.monotonic()
        return len(data)

    def flush(self, now: float) -> None:
        """Make a record of a rest that has waited long enough."""
        if self._rest and now - self._rest_since >= REST_DELAY:
            rest, self._rest = self._rest, b""
            self._record(rest)

    def _record(self, line: bytes) -> None:
        text = line.rstrip(b"\r").decode(errors="backslashreplace")
        if text:
            self._emit(make_record(self._level, text, process=self._pid, stream=self._stream))
