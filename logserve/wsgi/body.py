"""The request's body on its way to ``wsgi.input``: in memory up to a threshold, then in a temporary file."""

from __future__ import annotations

import io
from typing import IO


class BodyBuffer:
    """Collects a body as it arrives.

    :param threshold: bytes kept in memory; one more and everything moves to an unlinked temporary file.
    """

    __slots__ = ("_file", "_threshold", "received")

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._file: IO[bytes] = io.BytesIO()
        self.received = 0

    def append(self, data: bytes) -> None:
        """Add what has arrived.

        :raises OSError: it could not be kept.
        """
        before = self.received
        self.received += len(data)
        if before <= self._threshold < self.received:
            kept = self._file
            import tempfile  # with it come a dozen modules that most workers never need

            self._file = tempfile.TemporaryFile(prefix="logserve-body-")  # noqa: SIM115 - closed with the request
            self._file.write(kept.getbuffer())  # type: ignore[attr-defined]  # a BytesIO until now
        self._file.write(data)

    def complete(self) -> None:
        """All has arrived.

        :raises OSError: the last of it could not be kept.
        """
        self._file.seek(0)  # writes what is still in the file object's buffer

    def open(self) -> IO[bytes]:
        """The whole body as a file at its start, for ``wsgi.input``; after :meth:`complete`."""
        return self._file

    def close(self) -> None:
        """Let go of the temporary file, if there is one."""
        try:
            self._file.close()
        except OSError:
            pass  # what it still held was not to be kept anyway
