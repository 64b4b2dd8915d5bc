"""A handler and a filter of your own; logging.yaml beside this file names both.

Filters run in the worker that made the record, handlers in the collector, the one process that owns them:
so a handler may keep a connection, a file or a cursor without a thought for the other workers. A module with
a handler must not build the application: the collector imports it.
"""

import logging
import sqlite3


class SQLiteHandler(logging.Handler):
    """Keep records as rows of a table.

    :param filename: the database; it and its table are made where they are missing.
    """

    def __init__(self, filename: str) -> None:
        super().__init__()
        self.filename = filename
        self.database: sqlite3.Connection | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Add a row; the extra fields that the application gave are attributes of the record."""
        try:
            if self.database is None:
                # Opened with the first record, and always used under this handler's lock.
                self.database = sqlite3.connect(self.filename, isolation_level=None, check_same_thread=False)
                self.database.execute(
                    "CREATE TABLE IF NOT EXISTS records (created REAL, level TEXT, logger TEXT, message TEXT,"
                    " request_id TEXT, customer INTEGER)"
                )
            self.database.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)",
                (
                    record.created,
                    record.levelname,
                    record.name,
                    self.format(record),
                    getattr(record, "request_id", None),
                    getattr(record, "customer", None),
                ),
            )
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Close the database, at the end or when a reload drops the handler."""
        if self.database is not None:
            self.database.close()
            self.database = None
        super().close()


class WithoutPaths(logging.Filter):
    """Leave out the access records of some paths, such as a load balancer's health checks.

    :param paths: paths as they stand in the request, without the query.
    """

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self.request_lines = tuple(f" {path}{end}" for path in paths for end in (" ", "?"))

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record stays; an access record's message has the request line in it."""
        message = record.getMessage()
        return not any(text in message for text in self.request_lines)
