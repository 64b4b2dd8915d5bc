"""What a finished run has left: the books, the application's book, the logs, and when which fault came.

Everything is read line by line; what is kept is a few bytes for each request.
"""

from __future__ import annotations

import bisect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.book import Book

BEFORE: Final = "before the first"
"""The window in which what no fault can be held to account for stands."""

_CALL: Final = re.compile(rb"^([+-])c(\d+)-(\d+)$")
_LOST: Final = re.compile(rb"lost ([\d,]+) records?\b.* for handler '(\w+)'")


class Id(msgspec.Struct):
    """``event`` and ``http.request``."""

    id: str = ""


class Body(msgspec.Struct):
    """``http.response.body``."""

    bytes: int = 0


class Response(msgspec.Struct):
    """``http.response``."""

    status_code: int = 0
    body: Body = msgspec.field(default_factory=Body)


class Http(msgspec.Struct):
    """``http``."""

    request: Id = msgspec.field(default_factory=Id)
    response: Response = msgspec.field(default_factory=Response)


class Url(msgspec.Struct):
    """``url``."""

    path: str = ""


class Client(msgspec.Struct):
    """``client``."""

    ip: str = ""


class Own(msgspec.Struct):
    """``logserve``."""

    outcome: str = ""


class Record(msgspec.Struct):
    """What is looked at of a JSON record."""

    message: str = ""
    event: Id = msgspec.field(default_factory=Id)
    http: Http = msgspec.field(default_factory=Http)
    url: Url = msgspec.field(default_factory=Url)
    client: Client = msgspec.field(default_factory=Client)
    logserve: Own = msgspec.field(default_factory=Own)


_decode: Final[Callable[[bytes], Record]] = msgspec.json.Decoder(Record).decode


class Windows:
    """Which fault came last before a request was numbered."""

    def __init__(self, path: Path) -> None:
        self.names = [BEFORE]
        self._starts: dict[int, list[int]] = {}
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            self.names.append(entry["name"])
            for client, numbered in enumerate(entry["numbered"]):
                self._starts.setdefault(client, [0]).append(numbered + 1)

    def at(self, client: int, number: int) -> str:
        """The fault's name."""
        return self.names[bisect.bisect_right(self._starts.get(client, [0]), number) - 1]


class Counts:
    """How often each request of each client was met somewhere."""

    def __init__(self, books: list[Book]) -> None:
        self._counts = [bytearray(book.numbered + 1) for book in books]

    def add(self, client: int, number: int) -> bool:
        """Once more (255 times at most); False where nobody ever sent such a request."""
        if client >= len(self._counts) or not 0 < number < len(self._counts[client]):
            return False
        counts = self._counts[client]
        counts[number] = min(counts[number] + 1, 255)
        return True

    def of(self, client: int) -> bytearray:
        """By number."""
        return self._counts[client]


class Evidence:
    """All of it, in the directory of a run.

    :param unreadable: called with a sentence for each line of a JSON log that does not parse.
    """

    def __init__(self, directory: Path, unreadable: Callable[[str], None]) -> None:
        self.directory = directory
        self.logs = directory / "server" / "run"
        paths = sorted(directory.glob("book-*"), key=lambda path: int(path.name.partition("-")[2]))
        self.books = [Book(path, client) for client, path in enumerate(paths)]
        self.windows = Windows(directory / "faults.jsonl")
        self.nameless: dict[str, str] = json.loads((directory / "nameless.json").read_text())
        self.calls, self.finished = Counts(self.books), Counts(self.books)
        """By the application's book: the calls, and those that have logged their records."""
        self.reported: Counter[str] = Counter()
        """By handler: how many records its log says that it has lost, as far as it has been read."""
        self._unreadable = unreadable
        for line in lines(directory / "ledger.txt"):
            match = _CALL.match(line)
            assert match, f"the application's book has a line {line!r}"
            counts = self.calls if match[1] == b"+" else self.finished
            assert counts.add(int(match[2]), int(match[3])), f"a call that nobody asked for: {line!r}"

    def json_log(self, name: str) -> Iterator[tuple[Record, bytes]]:
        """A JSON log, its rotated files included."""
        for path in sorted(self.logs.glob(f"{name}.json*")):
            for line in self.text_log(path):
                try:
                    yield _decode(line), line
                except msgspec.MsgspecError as error:
                    self._unreadable(f"{path.name}: {error}: {line[:200]!r}")

    def text_log(self, path: Path) -> Iterator[bytes]:
        """The lines of a log; what it owns up to is counted."""
        for line in lines(path):
            if b"lost " in line and (match := _LOST.search(line)):
                self.reported[match[2].decode()] += int(match[1].replace(b",", b""))
            yield line

    def close(self) -> None:
        """Let go of the books."""
        for book in self.books:
            book.close()


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, without their ends; none where there is no file."""
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                yield line[:-1] if line.endswith(b"\n") else line
