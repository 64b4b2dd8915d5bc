"""The standard library's file handlers, opened for appending by bytes and rotated without losing a file.

:func:`harden` turns a handler of exactly one of the five line classes into its subclass here. What differs:

- the file is opened in binary, unbuffered append mode, and one of mode ``w`` is emptied only the first time;
- a rotated name that exists already gets a counter (``app.log.2026-01-01``, ``app.log.2026-01-01.1``), where the
  standard library removes the older file (3.11) or stops rotating (3.13);
- ``backupCount`` finds the old files of a custom ``suffix``, whose ``extMatch`` nobody adapted, too, takes the
  oldest by modification time, and an old file that cannot be removed does not undo the rotation;
- a chain of numbered files (``app.log.1``, ``.2``, ..) that was interrupted half-way goes on at its gap.
"""

from __future__ import annotations

import io
import logging
import os
import re
import time
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler, WatchedFileHandler
from typing import Any, Final, cast

LINE_CLASSES: Final[tuple[type[logging.Handler], ...]] = (
    logging.StreamHandler,
    logging.FileHandler,
    WatchedFileHandler,
    RotatingFileHandler,
    TimedRotatingFileHandler,
)
"""Handlers that only write a formatted line: exactly these classes, no subclass."""

_DIRECTIVES: Final = {
    "Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "I": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}",
    "y": r"\d{2}", "j": r"\d{3}", "U": r"\d{2}", "W": r"\d{2}", "V": r"\d{2}", "G": r"\d{4}", "u": r"\d",
    "w": r"\d", "s": r"\d+", "F": r"\d{4}-\d{2}-\d{2}", "T": r"\d{2}:\d{2}:\d{2}", "%": "%",
}  # fmt: skip
"""What strftime(3) writes for each directive with a fixed form; any other may write anything without a slash."""


def suffix_pattern(suffix: str) -> str:
    """A regular expression for the names that a strftime suffix makes, with an optional counter."""
    parts = re.split(r"%[-_0^#]?(.)", suffix)
    text = "".join(
        _DIRECTIVES.get(part, r"[^/]+?") if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return rf"{text}(?:\.\d+)?"


class AppendingFile(logging.FileHandler):
    """How all of them open their file."""

    opened_before: bool
    """Whether this handler's file was opened by this or an earlier collector."""

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        if not self.opened_before and self.mode[:1] == "w":
            flags |= os.O_TRUNC
        elif not self.opened_before and self.mode[:1] == "x":
            flags |= os.O_EXCL
        descriptor = os.open(self.baseFilename, flags, 0o666)
        self.opened_before = True
        return io.FileIO(descriptor, "w")


class AppendingWatchedFile(AppendingFile, WatchedFileHandler):
    """A WatchedFileHandler: looks at the name once per block of lines."""


class AppendingRotatingFile(AppendingFile, RotatingFileHandler):
    """A RotatingFileHandler."""

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Shift the numbered files up to the first free number, then the file itself to ``.1``."""
        _close_stream(self)
        if self.backupCount <= 0:
            return
        # Each once: a namer may ignore the number.
        names = list(
            dict.fromkeys(
                self.rotation_filename(f"{self.baseFilename}.{number}")
                for number in range(1, self.backupCount + 1)
            )
        )
        free = next((index for index, name in enumerate(names) if not os.path.lexists(name)), None)
        if free is None:
            free = len(names) - 1
            os.remove(names[free])
        for index in range(free, 0, -1):
            os.rename(names[index - 1], names[index])
        self.rotate(self.baseFilename, names[0])


class AppendingTimedRotatingFile(AppendingFile, TimedRotatingFileHandler):
    """A TimedRotatingFileHandler."""

    def rotation_filename(self, default_name: str) -> str:
        """The rotated name, with a counter where it exists already: before the namer's own ending, if it has one.

        A namer may ignore the name that it is given; then the counter comes behind what it says.
        """
        first = name = super().rotation_filename(default_name)
        tried, counter = {first}, 0
        while os.path.lexists(name):
            counter += 1
            name = super().rotation_filename(f"{default_name}.{counter}")
            if name in tried:
                name = f"{first}.{counter}"
            tried.add(name)
        return name

    def getFilesToDelete(self) -> list[str]:  # noqa: N802 - logging's name
        """Nothing: :meth:`doRollover` removes old files once the rotation is done."""
        return []

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Rotate as the standard library does, then remove what `backupCount` says."""
        super().doRollover()
        for path in self.expired():
            try:
                os.remove(path)
            except OSError:
                pass  # it is there at the next rotation again; this one is done

    def expired(self) -> list[str]:
        """Rotated files beyond `backupCount`, oldest first."""
        if self.backupCount <= 0:
            return []
        directory, base = os.path.split(self.baseFilename)
        found = [
            (entry.stat(follow_symlinks=False).st_mtime_ns, entry.path)
            for entry in os.scandir(directory)
            if entry.name != base and self._is_rotated(base, entry.name)
        ]
        found.sort()
        return [path for _, path in found[: max(0, len(found) - self.backupCount)]]

    def _is_rotated(self, base: str, name: str) -> bool:
        ours = re.compile(suffix_pattern(self.suffix), re.ASCII)
        standard = self.extMatch
        if not callable(self.namer):
            rest = name[len(base) + 1 :] if name.startswith(f"{base}.") else ""
            return bool(rest and (ours.fullmatch(rest) or standard.fullmatch(rest)))
        # A namer may move the time stamp anywhere: whatever looks like one must give this very name again.
        for pattern in (ours, standard):
            match = pattern.search(name)
            while match:
                named = super().rotation_filename(f"{self.baseFilename}.{match[0]}")
                if os.path.basename(named) == name:
                    return True
                match = pattern.search(name, match.start() + 1)
        return False


_HARDENED: Final[dict[type[logging.Handler], type[AppendingFile]]] = {
    logging.FileHandler: AppendingFile,
    WatchedFileHandler: AppendingWatchedFile,
    RotatingFileHandler: AppendingRotatingFile,
    TimedRotatingFileHandler: AppendingTimedRotatingFile,
}


def harden(handler: logging.Handler, *, opened_before: bool) -> logging.Handler:
    """Make the collector's own class of a line handler, in place; others are returned as they are.

    :param opened_before: the file was opened by an earlier collector; mode ``w`` must not empty it again.
    """
    hardened = _HARDENED.get(type(handler))
    if hardened is None or not isinstance(handler, logging.FileHandler):
        return handler
    already_open = handler.stream is not None
    _close_stream(handler)
    handler.__class__ = hardened
    cast("AppendingFile", handler).opened_before = opened_before or already_open
    return handler


def is_line_handler(handler: logging.Handler) -> bool:
    """Whether the collector writes this handler's lines itself."""
    return type(handler) is logging.StreamHandler or isinstance(handler, AppendingFile)


def rollover_is_due(handler: logging.FileHandler) -> bool:
    """Whether the time of a TimedRotatingFileHandler has come."""
    if not isinstance(handler, AppendingTimedRotatingFile) or time.time() < handler.rolloverAt:
        return False
    return bool(handler.shouldRollover(logging.makeLogRecord({})))


def _close_stream(handler: logging.FileHandler) -> None:
    stream: Any = handler.stream
    handler.stream = cast("Any", None)
    if stream is not None:
        stream.close()
