"""The client processes of a run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.faults.book import Book
from tests.support.server import ROOT
from tests.support.waiting import wait_for

CLIENTS: Final = ("kept", "closed", "kept")
STEP: Final = 1000
"""Requests that are answered at least in :data:`PATIENCE`."""
PATIENCE: Final = 60.0
"""Seconds after which a server that answers too little is taken as one that hangs."""
REST: Final = 0.01
"""Seconds that a client rests after each group of answers while it is ahead."""


class Clients:
    """The client processes, for the length of a block."""

    def __init__(self, port: int, directory: Path, seed: int) -> None:
        self.books: list[Book] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        for client, way in enumerate(CLIENTS, 1):
            path = directory / f"book-{client}"
            self.books.append(Book(path, client))
            arguments = [str(port), str(path), str(client), str(seed), way]
            command = [sys.executable, "-m", "tests.faults.stream", *arguments]
            self._processes.append(subprocess.Popen(command, cwd=ROOT))

    def __enter__(self) -> Clients:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for book in self.books:
            book.stop()
        for process in self._processes:
            process.wait(2 * PATIENCE)

    @property
    def answered(self) -> int:
        """Requests answered whole so far."""
        return sum(book.answered for book in self.books)

    def pace(self, ahead: bool) -> None:
        """Rest a little after each group of answers while there are more than there should be yet."""
        for book in self.books:
            book.pause = REST if ahead else 0.0

    def wait_until(self, count: int, what: Callable[[], str]) -> None:
        """Wait until so many are answered.

        :raises AssertionError: none was for :data:`PATIENCE` seconds.
        """
        while (before := self.answered) < count:
            wait_for(lambda: self.answered >= min(count, before + STEP), PATIENCE, what)
