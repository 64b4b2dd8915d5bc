"""A handler that is none of the standard library's: records travel as records, and it is called for each."""

from __future__ import annotations

import logging
import os
import time

PAUSE = 0.02
"""Seconds between two attempts to write."""


class AppendingHandler(logging.Handler):
    """Appends each record with one write; where that fails it does not give up, but blocks until it can."""

    def __init__(self, filename: str) -> None:
        super().__init__()
        self._descriptor = os.open(filename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def emit(self, record: logging.LogRecord) -> None:
        data = f"{self.format(record)}\n".encode()
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                time.sleep(PAUSE)
