"""Copies of records that formatters and the ring can take: mended where a value raises, shortened where it is long."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from logserve.logs.access.fields import BY_ATTRIBUTE
from logserve.logs.access.record import EXCHANGE, EXTRA, OWN, STANDARD, TRUNCATED, is_access_record
from logserve.logs.context import IDS
from logserve.logs.record import SHORTENED, exception_text, safe_message, safe_repr, safe_text

_LIMITS: Final = (8192, 1024, 128)
"""Characters of a text that a record keeps that does not fit the ring; tried one after the other."""
_NAMES: Final = 20
"""What was cut is named, as far as this many names go."""
_NAME_LENGTH: Final = 100
_UNTOUCHED: Final = STANDARD | {EXCHANGE, IDS, SHORTENED, EXTRA, TRUNCATED}


def mended(record: logging.LogRecord) -> logging.LogRecord:
    """A copy that any formatter can format: the message merged, the traceback text, `extra` values plain."""
    fields = dict(record.__dict__)
    fields.update(msg=safe_message(record), args=None, exc_text=exception_text(record), exc_info=None)
    for key in fields.keys() - _UNTOUCHED:
        value = fields[key]
        if not isinstance(value, str | int | float | bool | None):
            fields[key] = safe_repr(value)
    return logging.makeLogRecord(fields)


def shorter(record: logging.LogRecord) -> Iterator[logging.LogRecord]:
    """Copies of a record that does not fit the ring, each shorter than the one before; the last has no `extra`."""
    for limit in _LIMITS:
        yield _shortened(record, limit)
    yield _shortened(record, _LIMITS[-1], without_extra=True)


def _shortened(record: logging.LogRecord, limit: int, *, without_extra: bool = False) -> logging.LogRecord:
    """A copy whose texts and `extra` values are cut to `limit` characters; what was cut stands in `SHORTENED`.

    A value that is no text, and short, stays what it is; a long one becomes text.
    """
    short = mended(record)
    fields = short.__dict__
    taken = STANDARD | OWN | ({*BY_ATTRIBUTE, TRUNCATED} if is_access_record(record) else set())
    cut = []
    for name, value in list(fields.items()):
        if without_extra and (name not in taken or (name == EXTRA and value)):
            del fields[name]
            cut.append(name)
        elif isinstance(value, str) and len(value) > limit:
            fields[name] = f"{value[:limit]} [cut, {len(value)} characters]"
            cut.append(name)
        elif name not in _UNTOUCHED:
            fields[name] = record.__dict__[name]
    if record.exc_info and len(safe_text(record.exc_info[1])) <= limit:
        short.exc_info = record.exc_info  # its type and text are fields, too
    fields[SHORTENED] = tuple([name[:_NAME_LENGTH] for name in cut[:_NAMES]])
    return short
