"""A client's book: what became of each of its numbered requests, in a file that two processes can look at.

offset   size  what                                                   who writes
0        8     NUMBERED: how many requests have been numbered         client
8        8     STOP: 1 when the client is to end                      run
16       8     ANSWERED: how many were answered whole                 client
24       8     PAUSE: microseconds that the client rests each time    run
64       2 *   one word for each request: status << 6 | marks         client
"""

from __future__ import annotations

import mmap
import os
from enum import IntFlag
from pathlib import Path
from typing import Final

CAPACITY: Final = 1 << 23
"""Requests that one client can number; the file is sparse."""
_HEADER: Final = 64
_NUMBERED, _STOP, _ANSWERED, _PAUSE = range(4)
_MARKS: Final = 0x3F


class Mark(IntFlag):
    """What a client knows of one of its requests."""

    SENT = 1
    """Bytes of it may have left: the server may have read it."""
    BEGAN = 2
    """The beginning of an answer came: the server has read it."""
    WHOLE = 4
    """The answer came whole."""
    GAVE_UP = 8
    """The client reset the connection before the answer can have gone out: the server cannot have handed the
    last byte over without an error."""
    INCOMPLETE = 16
    """The client never sent it whole."""
    SILENT = 32
    """The client waited for as long as it ever does, and nothing came: something hangs."""


def name_of(client: int, number: int) -> str:
    """The name of a request, which stands in its path and may be its id."""
    return f"c{client}-{number}"


class Book:
    """One client's book, mapped into this process.

    :param path: the file; it is made where there is none.
    :param client: the client's number, a part of its requests' names.
    """

    def __init__(self, path: Path, client: int) -> None:
        self.client = client
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(descriptor, _HEADER + 2 * CAPACITY)
            self._map = mmap.mmap(descriptor, _HEADER + 2 * CAPACITY)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map)[:_HEADER].cast("Q")
        self._entries = memoryview(self._map)[_HEADER:].cast("H")

    @property
    def numbered(self) -> int:
        """How many requests there are; their numbers begin with 1."""
        return self._words[_NUMBERED]

    @property
    def answered(self) -> int:
        """How many were answered whole."""
        return self._words[_ANSWERED]

    @property
    def pause(self) -> float:
        """Seconds that the client rests after each answer or group of answers."""
        return self._words[_PAUSE] / 1e6

    @pause.setter
    def pause(self, seconds: float) -> None:
        self._words[_PAUSE] = int(seconds * 1e6)

    @property
    def stopped(self) -> bool:
        """Whether the client is to end, or its book is full."""
        return bool(self._words[_STOP]) or self.numbered > CAPACITY - 1000

    def stop(self) -> None:
        """Have the client end after the answers that it waits for."""
        self._words[_STOP] = 1

    def next(self, marks: int = Mark.SENT) -> int:
        """Number one more request, just before its first byte is sent."""
        number = self._words[_NUMBERED] + 1
        self._entries[number] = marks
        self._words[_NUMBERED] = number
        return number

    def mark(self, number: int, marks: int, status: int = 0) -> None:
        """Note something more about a request."""
        if marks & Mark.WHOLE:
            self._words[_ANSWERED] += 1
        self._entries[number] |= status << 6 | marks

    def entry(self, number: int) -> tuple[int, int]:
        """(status or 0, marks) of a request."""
        word = self._entries[number]
        return word >> 6, word & _MARKS

    def close(self) -> None:
        """Unmap the file, which stays."""
        self._words.release()
        self._entries.release()
        self._map.close()
