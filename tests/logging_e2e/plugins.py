"""A third party's handlers, filter and formatter, as a logging configuration may name them.

The collector imports this module: nothing in here builds an application.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RowHandler(logging.Handler):
    """Write what a handler sees of each record as one JSON line, with the pid of the process that it runs in."""

    def __init__(self, filename: str) -> None:
        super().__init__()
        self._file = open(filename, "a", encoding="utf-8")  # noqa: SIM115 - closed by close()

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
        row: dict[str, Any] = {
            "handled_by": os.getpid(),
            "made_by": record.process,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "text": self.format(record),
            "exception": record.exc_text,
            "stack": record.stack_info,
            "thread": record.threadName,
            "function": record.funcName,
            "extra": {name: [type(value).__name__, value] for name, value in extra.items()},
        }
        self._file.write(json.dumps(row, default=repr) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        super().close()


class ShoutingFormatter(logging.Formatter):
    """Upper case, and the pid of the process that formats."""

    def __init__(self, mark: str) -> None:
        super().__init__("%(message)s")
        self._mark = mark

    def format(self, record: logging.LogRecord) -> str:
        return f"{self._mark} {os.getpid()} {super().format(record).upper()}"


class EveryOther(logging.Filter):
    """Let even numbers through; add the pid of the process that filters."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.filtered_by = os.getpid()
        return record.getMessage().split(" ")[0][-1] in "02468"


class RaisingHandler(logging.Handler):
    """Cannot do anything, and says so each time."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the raising handler raised")


class SlowHandler(logging.Handler):
    """Takes a tenth of a second for each record."""

    def emit(self, record: logging.LogRecord) -> None:
        time.sleep(0.1)
