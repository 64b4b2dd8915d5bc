"""What is not logged but ought to be: warnings, exceptions that nobody caught, and what goes to ``wsgi.errors``."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, TextIO

from logserve.logs.context import current_exchange, set_current
from logserve.logs.names import ERROR

log = logging.getLogger(ERROR)

WARNINGS: Final = "py.warnings"
"""The logger of ``logging.captureWarnings``; used where the configuration gives it a handler."""


def install() -> None:
    """Turn warnings and uncaught exceptions of this process into records; a second time changes nothing."""
    global _show_warning
    if warnings.showwarning is not _warning:
        _show_warning = warnings.showwarning
        warnings.showwarning = _warning
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def uninstall() -> None:
    """Put back what Python does by default; in tests."""
    if warnings.showwarning is _warning:
        warnings.showwarning = _show_warning
    sys.excepthook = sys.__excepthook__
    threading.excepthook = threading.__excepthook__


_show_warning = warnings.showwarning


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning by `py.warnings` where somebody listens there, else by `logserve.error`."""
    if file is not None:
        _show_warning(message, category, filename, lineno, file, line)
        return
    text = warnings.formatwarning(message, category, filename, lineno, line)
    logger = logging.getLogger(WARNINGS)
    logger = logger if logger.hasHandlers() else log
    if logger.isEnabledFor(logging.WARNING):
        # Not by logger.warning(): the record comes from the line that is warned of, not from this one.
        logger.handle(
            logger.makeRecord(
                logger.name, logging.WARNING, filename, lineno, "%s", (text.rstrip("\n"),), None
            )
        )


def _uncaught(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, frames)
        return
    log.critical("Uncaught exception", exc_info=(kind, error, frames))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit:
        return  # as the standard hook: the way to end a thread
    error = arguments.exc_value or arguments.exc_type()
    name = arguments.thread.name if arguments.thread is not None else "unknown"
    log.error(
        "Uncaught exception in thread %s", name, exc_info=(arguments.exc_type, error, arguments.exc_traceback)
    )


class ErrorsStream:
    """``wsgi.errors`` (PEP 3333): a text stream whose lines become ERROR records of `logserve.error`.

    One for all requests of a process. What one call of :meth:`write` completes is one record, so that a
    traceback written at once stays whole. A line without its end waits, apart for each thread, until its
    end, a flush, or another request's first write.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    closed = False

    def __init__(self) -> None:
        self._pending = threading.local()
        self.may_wait = False
        """Whether a line without its end was ever written: until then no flush is needed."""

    def write(self, text: str) -> int:
        """Take text; returns its length."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes text, not {type(text).__name__}")
        pending = self._pending.__dict__
        exchange = current_exchange()
        if pending.get("text") and pending["exchange"] is not exchange:
            self._flush_as(pending["exchange"])
        whole, newline, rest = (pending.pop("text", "") + text).rpartition("\n")
        if newline:
            self._log(whole)
        if rest:
            pending["text"], pending["exchange"] = rest, exchange
            self.may_wait = True
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take several texts, as one record."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Make a record of what waits for the end of its line."""
        if text := self._pending.__dict__.pop("text", ""):
            self._log(text)

    def _flush_as(self, exchange: Any) -> None:
        """Flush what an earlier request left, with that request's ids."""
        token = set_current(exchange)
        try:
            self.flush()
        finally:
            token.var.reset(token)

    @staticmethod
    def _log(text: str) -> None:
        if text.strip():
            log.error("%s", text.rstrip("\n"))

    def isatty(self) -> bool:
        """False."""
        return False

    def readable(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """False."""
        return False

    def close(self) -> None:
        """Only flush: the stream is the server's (PEP 3333)."""
        self.flush()


def errors_stream() -> ErrorsStream:
    """A new stream for ``wsgi.errors``."""
    return ErrorsStream()
