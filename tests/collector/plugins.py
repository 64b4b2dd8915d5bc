"""Handlers of third parties, as configurations name them."""

from __future__ import annotations

import logging
import os
import sys
import time


class Blocking(logging.Handler):
    """Hangs in each record until a file exists."""

    def __init__(self, release: str, path: str) -> None:
        super().__init__()
        self.until = release
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Wait, then append the message to `path`."""
        while not os.path.exists(self.until):
            time.sleep(0.005)
        with open(self.path, "a") as file:
            file.write(self.format(record) + "\n")


class Raising(logging.Handler):
    """Raises for each record, in the way that is asked for."""

    def __init__(self, politely: bool) -> None:
        super().__init__()
        self.politely = politely

    def emit(self, record: logging.LogRecord) -> None:
        """Raise, or call handleError as the standard handlers do."""
        try:
            raise RuntimeError(f"no use for {record.getMessage()!r}")
        except RuntimeError:
            if not self.politely:
                raise
            self.handleError(record)


class Exiting(logging.Handler):
    """Ends the process for each record, or would like to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Call sys.exit."""
        sys.exit(3)


class Moody(logging.Handler):
    """Cannot write as long as a file exists, and appends then."""

    def __init__(self, until: str, path: str) -> None:
        super().__init__()
        self.until = until
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Fail with an OSError, politely, or append the message."""
        try:
            if os.path.exists(self.until):
                raise ConnectionError("nobody there")
            with open(self.path, "a") as file:
                file.write(f"{record.getMessage()}\n")
        except OSError:
            self.handleError(record)


class Appending(logging.Handler):
    """Appends each message to a file, by itself."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Append the message."""
        with open(self.path, "a") as file:
            file.write(f"{record.getMessage()}\n")
