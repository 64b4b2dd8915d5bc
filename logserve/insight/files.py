"""Reading log files into a :class:`Book`: rotated ones, compressed ones, the standard input."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from logserve.errors import UsageError
from logserve.insight.book import Book

STANDARD_INPUT: Final = "-"
MAX_LINE: Final = 1 << 24
"""Bytes; a longer line is taken as several, none of which is a record."""
BUFFER: Final = 1 << 20
BETWEEN_REPORTS: Final = 20_000
"""Lines between two calls of the progress function."""

_GZIP: Final = b"\x1f\x8b"
_OTHERS: Final = {b"BZh": "bzcat", b"\xfd7zXZ\0": "xzcat", b"\x28\xb5\x2f\xfd": "zstdcat"}
"""Beginnings of files that are compressed otherwise, and what decompresses them."""
_ENDINGS: Final = re.compile(r"(?:\.gz|[._-]\d[\dT:._-]*)$", re.ASCII)
_INNER: Final = re.compile(r"[._-]\d[\dT:._-]*(\.[A-Za-z]+)$", re.ASCII)

Progress = Callable[[int], None]
"""Called with the number of bytes (as they lie on the disk) that were read since the last call."""


def log_name(path: str) -> str:
    """The log that a file is a part of: its absolute path without what rotation adds.

    ``app.json.1``, ``app.json.2.gz``, ``app.json-20261124``, ``app.json.2026-11-24_10`` and ``app-20261124.json`` are
    parts of ``app.json``.
    """
    if path == STANDARD_INPUT:
        return path
    folder, name = os.path.split(os.path.abspath(path))
    while (shorter := _ENDINGS.sub("", name)) not in ("", name):
        name = shorter
    return os.path.join(folder, _INNER.sub(r"\1", name) or name)


def total_size(paths: Sequence[str]) -> int:
    """Bytes of these files on the disk, the standard input left out.

    :raises UsageError: one does not exist, or is a directory.
    """
    return sum(_status(path).st_size for path in paths if path != STANDARD_INPUT)


def read_into(book: Book, paths: Sequence[str], progress: Progress = lambda size: None) -> None:
    """Read files into a book, each once, however often it is named.

    :raises UsageError: one cannot be read.
    """
    seen = set()
    for path in paths:
        if path != STANDARD_INPUT:
            status = _status(path)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        with _told(path), _opened(path) as raw:
            _read(book, path, raw, progress)


def _read(book: Book, path: str, raw: io.BufferedReader, progress: Progress) -> None:
    source = book.source(path, log_name(path))
    lines: Iterator[bytes] = iter(partial(_plain(raw).readline, MAX_LINE), b"")
    position = 0
    while book.take(source, islice(lines, BETWEEN_REPORTS)):
        if path != STANDARD_INPUT:  # it has no position
            progress(raw.tell() - position)
            position = raw.tell()


def _plain(raw: io.BufferedReader) -> BinaryIO:
    """What the file says, decompressed if its first bytes say so."""
    head = raw.peek(8)[:8]
    if head.startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), BUFFER)
    for magic, tool in _OTHERS.items():
        if head.startswith(magic):
            raise UsageError(f"it is compressed, and not by gzip: {tool} FILE | logserve logs audit -")
    return raw


def _opened(path: str) -> io.BufferedReader:
    raw = io.FileIO(0, closefd=False) if path == STANDARD_INPUT else io.FileIO(path)
    return io.BufferedReader(raw, BUFFER)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What goes wrong with a file, as a sentence."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot read {path!r}: {error.strerror or error}") from None
    except (EOFError, zlib.error, UsageError) as error:
        raise UsageError(f"cannot read {path!r}: {error}") from None


def _status(path: str) -> os.stat_result:
    with _told(path):
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(None, "it is a directory, expected a file")
        return status
