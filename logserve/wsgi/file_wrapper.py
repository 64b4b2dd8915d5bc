"""``wsgi.file_wrapper``: a file as a response body, sent by sendfile(2) where it has a descriptor."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO


class FileWrapper:
    """An iterable over a file from its own position, which the server recognises (PEP 3333, optional
    platform-specific file handling).

    :param file: any object with ``read(size)``; its ``close`` is called at the end, where it has one.
    :param block_size: bytes of one block where the file has to be read.
    """

    def __init__(self, file: IO[bytes], block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        read = self.file.read
        while block := read(self.block_size):
            yield block

    def region(self) -> tuple[int, int, int] | None:
        """Descriptor, offset and number of bytes to send, or None where the file has to be read.

        The position is the one that a ``read`` would continue at: a buffered reader's, not its descriptor's.
        """
        try:
            fd = self.file.fileno()
            position = self.file.tell()
            status = os.fstat(fd)
        except (AttributeError, OSError, ValueError):
            return None  # io.BytesIO and the like: io.UnsupportedOperation is an OSError and a ValueError
        if not stat.S_ISREG(status.st_mode):
            return None
        return fd, position, max(0, status.st_size - position)


class ReadingFileWrapper(FileWrapper):
    """The same without sendfile(2): for file systems that it does not work on."""

    def region(self) -> None:
        """There is none: the file is always read."""
