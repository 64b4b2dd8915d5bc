"""Where a line handler's lines go: one open file or stream, many lines per write.

A :class:`LineTarget` opens, watches, rotates and writes; it knows nothing of rings or threads. After a failed
write a regular file ends with a whole line: what was cut is removed at once.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import sys
import time
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from typing import Any, Final, cast

from logserve.collector.rotation import AppendingFile, rollover_is_due

WRITABLE_WAIT: Final = 1_000
"""How long to wait for room in a pipe that somebody made non-blocking before looking again, in milliseconds."""
ROTATION_BACKOFF: Final = 5.0
"""After a rotation that failed the file is written on, and rotated again after this many seconds at the earliest."""


class LineTarget:
    """One stream or file; the thread of its sink alone uses it, but for :meth:`open_early`."""

    def __init__(self, handler: logging.StreamHandler[Any]) -> None:
        self.handler = handler
        self.path = handler.baseFilename if isinstance(handler, logging.FileHandler) else None
        encoding: str | None = getattr(handler, "encoding", None)
        self.encoding = "utf-8" if encoding in (None, "locale") else encoding  # "locale": none was given
        self.errors = getattr(handler, "errors", None) or "backslashreplace"
        self.rotation_error: OSError | None = None
        self._rotate_again_at = 0.0

    # ------------------------------------------------------------------------------------------ opening

    def open_early(self) -> None:
        """Open a file now that may be opened now; raises OSError.

        Not one with ``delay``, nor a FIFO or device, whose open may wait for its other end.
        """
        handler = self.handler
        if not isinstance(handler, AppendingFile) or handler.delay or handler.stream is not None:
            return
        if not os.path.exists(handler.baseFilename) or os.path.isfile(handler.baseFilename):
            handler.stream = handler._open()

    def prepare(self) -> tuple[int, os.stat_result | None]:
        """Make the stream ready for the next block: reopened, rotated or opened as its handler's rules say.

        :returns: its descriptor (-1: a stream without one) and, of a regular file, what fstat(2) says.
        :raises OSError: it cannot be opened.
        """
        handler = self.handler
        if not isinstance(handler, logging.FileHandler):
            return self._stream_descriptor(), None
        if isinstance(handler, WatchedFileHandler):
            self._watch(handler)
        elif rollover_is_due(handler):
            self.rotate()
        if handler.stream is None:
            handler.stream = handler._open()
        descriptor = handler.stream.fileno()
        status = os.fstat(descriptor)
        return descriptor, status if stat.S_ISREG(status.st_mode) else None

    def _stream_descriptor(self) -> int:
        stream = self.handler.stream
        try:
            stream.flush()
            return int(stream.fileno())
        except (AttributeError, OSError, ValueError):
            return -1

    @staticmethod
    def _watch(handler: WatchedFileHandler) -> None:
        if handler.stream is None:
            return
        held = os.fstat(handler.stream.fileno())
        try:
            named = os.stat(handler.baseFilename)
        except FileNotFoundError:
            named = None
        if named is None or (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino):
            close_stream(handler)

    # ------------------------------------------------------------------------------------------ rotating

    def fitting(self, size: int, lengths: Sequence[int]) -> int:
        """How many of the next lines go into the file before it has to be rotated; 0: rotate first.

        :param size: the file's size now, bytes. A RotatingFileHandler's file stays below `maxBytes`; a line
            that is longer than that has a file of its own.
        """
        handler = self.handler
        if not isinstance(handler, RotatingFileHandler) or handler.maxBytes <= 0 or handler.backupCount <= 0:
            return len(lengths)
        if time.monotonic() < self._rotate_again_at:
            return len(lengths)
        for index, length in enumerate(lengths):
            if size and size + length >= handler.maxBytes:
                return index
            size += length
        return len(lengths)

    def rotate(self) -> None:
        """Roll over; where that fails the file is written on, `rotation_error` says why, a later block tries again."""
        now = time.monotonic()
        if now < self._rotate_again_at:
            return
        handler: Any = self.handler
        try:
            handler.doRollover()
            self.rotation_error = None
        except BaseException as error:  # a namer or rotator is the user's code, and may call sys.exit
            self._rotate_again_at = now + ROTATION_BACKOFF
            self.rotation_error = (
                error if isinstance(error, OSError) else OSError(f"rotation failed: {error!r}")
            )

    # ------------------------------------------------------------------------------------------ writing

    def write(self, descriptor: int, data: bytes) -> tuple[int, OSError | None]:
        """Write all of `data` if possible; how many bytes went out, and what stopped it."""
        if descriptor < 0:
            return self._write_text(data)
        written, view = 0, memoryview(data)
        while written < len(view):
            try:
                written += os.write(descriptor, view[written:])
            except BlockingIOError:
                waiting = select.poll()
                waiting.register(descriptor, select.POLLOUT)
                waiting.poll(WRITABLE_WAIT)
            except OSError as error:
                return written, error
        return written, None

    def _write_text(self, data: bytes) -> tuple[int, OSError | None]:
        stream = self.handler.stream
        try:
            stream.write(data.decode(self.encoding, self.errors))
            stream.flush()
        except OSError as error:
            return 0, error
        return len(data), None

    def render(self, record: logging.LogRecord) -> bytes:
        """A record as this handler's line, its ending included."""
        return (self.handler.format(record) + self.handler.terminator).encode(self.encoding, self.errors)

    def reopen(self) -> None:
        """Close the file, and open it again by its name; raises OSError."""
        if isinstance(self.handler, logging.FileHandler):
            close_stream(self.handler)
            self.open_early()

    def broken_for_good(self, error: OSError) -> bool:
        """Whether there is no use in trying again: a stream (no file) whose other end is gone."""
        return self.path is None and error.errno in (errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO)

    def close(self) -> None:
        """Close the file; of a standard stream only its buffer is written."""
        if isinstance(self.handler, logging.FileHandler):
            close_stream(self.handler)
        elif self.handler.stream not in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            self.handler.close()


def close_stream(handler: logging.FileHandler) -> None:
    """Close the handler's file; its next line opens it again."""
    stream: Any = handler.stream
    handler.stream = cast("Any", None)
    if stream is not None:
        stream.close()


def whole_lines(lengths: Sequence[int], written: int) -> tuple[int, int]:
    """Of lines with these lengths, how many stand whole in the first `written` bytes: (lines, their bytes)."""
    total = 0
    for index, length in enumerate(lengths):
        if total + length > written:
            return index, total
        total += length
    return len(lengths), total
