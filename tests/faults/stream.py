"""One client process: ``python -m tests.faults.stream PORT BOOK CLIENT SEED kept|closed``.

It sends numbered requests, in groups on a connection that it keeps or one by one on new ones, until its book
says that it is to stop, and notes what became of each. Which it sends follows from the seed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Final

from tests.faults.book import Book, Mark, name_of
from tests.faults.wire import Answers, TornError, connect, request, source_of

GROUP: Final = 8
"""Requests that are sent at once, at most."""
COMMON: Final = ("plain",) * 5 + ("log",) * 2 + ("missing",)
RARE: Final = ("slow", "slow", "raise", "torn", "short", "large", "post")
"""What one request in :data:`RARELY` is."""
RARELY: Final = 50
CONNECT_PAUSE: Final = 0.01
"""Seconds between two attempts to connect while nobody listens."""


class Stream:
    """The client's loop.

    :param kept: whether it keeps its connections.
    """

    def __init__(self, address: tuple[str, int], book: Book, seed: int, kept: bool) -> None:
        self._address = address
        self._book = book
        self._kept = kept
        self._chance = random.Random(f"{seed}/{book.client}")
        self._answers: Answers | None = None
        self._parent = os.getppid()

    def run(self) -> None:
        """Send until the book says stop, or the parent is gone."""
        book = self._book
        connection = None
        while not book.stopped and os.getppid() == self._parent:
            if connection is None:
                try:
                    connection = connect(self._address, source_of(book.client, self._chance))
                except OSError:
                    time.sleep(CONNECT_PAUSE)
                    continue
                self._answers = Answers(connection)
            numbers, data = self._group()
            try:
                connection.sendall(data)
                goes_on = self._read(numbers)
            except OSError:
                goes_on = False
            if not goes_on:
                connection.close()
                connection = None
            if book.pause:
                time.sleep(book.pause)
        if connection is not None:
            connection.close()

    def _group(self) -> tuple[list[int], bytes]:
        """Number some requests and make their bytes."""
        numbers: list[int] = []
        parts: list[bytes] = []
        chance = self._chance
        for _ in range(chance.randint(1, GROUP) if self._kept else 1):
            kind = chance.choice(COMMON if chance.randrange(RARELY) else RARE)
            body = bytes(chance.choice((1, 100, 5_000))) if kind == "post" else b""
            number = self._book.next()
            name = name_of(self._book.client, number)
            numbers.append(number)
            parts.append(request(kind, name, with_id=bool(number & 1), body=body, closes=not self._kept))
        return numbers, b"".join(parts)

    def _read(self, numbers: list[int]) -> bool:
        """Read the answers; whether the connection goes on."""
        answers, mark = self._answers, self._book.mark
        assert answers is not None
        for number in numbers:
            try:
                answer = answers.next()
            except TornError as torn:
                mark(number, Mark.BEGAN if torn.began else 0)
                return False
            except TimeoutError:
                mark(number, Mark.SILENT)
                return False
            mark(number, Mark.BEGAN | Mark.WHOLE, answer.status)
            if answer.closes:
                return False
        return True


def main(arguments: list[str]) -> None:
    """Be one client."""
    port, path, client, seed, way = arguments
    for number in (signal.SIGINT, signal.SIGTERM):  # the run stops it by its book
        signal.signal(number, signal.SIG_IGN)
    Stream(("127.0.0.1", int(port)), Book(Path(path), int(client)), int(seed), way == "kept").run()


if __name__ == "__main__":
    main(sys.argv[1:])
