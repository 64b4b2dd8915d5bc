"""A file whose ``read`` gives other bytes than its descriptor: the answer tells which of them was asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from typing import Any


class Shouting:
    """The file as it is on the disk, and in capitals where it is read."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # the server closes it
        self._file.write(b"as it is on the disk")
        self._file.seek(0)
        self.fileno, self.tell, self.close = self._file.fileno, self._file.tell, self._file.close

    def read(self, size: int) -> bytes:
        """Capitals."""
        return self._file.read(size).upper()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the file."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "20")])
    body: Iterable[bytes] = environ["wsgi.file_wrapper"](Shouting())
    return body
