"""Waking a process that sleeps on a descriptor: an eventfd on Linux, a pipe elsewhere."""

from __future__ import annotations

import os
import sys


class Wakeup:
    """A counter with two descriptors: `reader` becomes readable once somebody called :meth:`wake`.

    Made before the fork, used by any process; both ends do not block.
    """

    __slots__ = ("reader", "writer")

    def __init__(self) -> None:
        if sys.platform == "linux":
            self.reader = self.writer = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self.reader, self.writer = os.pipe()
            os.set_blocking(self.reader, False)
            os.set_blocking(self.writer, False)

    @classmethod
    def of(cls, reader: int, writer: int) -> Wakeup:
        """The one whose descriptors these are, in a program that was executed with them."""
        wakeup = cls.__new__(cls)
        wakeup.reader, wakeup.writer = reader, writer
        return wakeup

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self.reader

    def wake(self) -> None:
        """Make the reader's descriptor readable; a second call before it looked changes nothing."""
        try:
            os.write(self.writer, b"\1\0\0\0\0\0\0\0")
        except BlockingIOError:
            pass  # full: it is awake anyway

    def drain(self) -> bool:
        """Take all pending wake-ups; True if there was one."""
        try:
            return bool(os.read(self.reader, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Close both ends in this process."""
        os.close(self.reader)
        if self.writer != self.reader:
            os.close(self.writer)
