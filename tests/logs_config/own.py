"""Classes of a user's own, named by configurations in these tests."""

from __future__ import annotations

import logging


class NoSecrets(logging.Filter):
    """Leaves out records that hold a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def filter(self, record: logging.LogRecord) -> bool:
        return self.word not in record.getMessage()


class Collecting(logging.Handler):
    """Keeps what it gets."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def failing() -> logging.Handler:
    """A factory that fails."""
    raise OSError("no such device")
