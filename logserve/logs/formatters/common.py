"""What the formatters share: fields of any record, made plain; nothing here raises."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from typing import Any, Final, Self

from logserve.errors import ConfigurationError
from logserve.logs.access import fields as table
from logserve.logs.access.record import extra_of, shortened_fields
from logserve.logs.context import ids_of
from logserve.logs.plain import Plainer, dump
from logserve.logs.record import exception_text, safe_message, safe_repr, safe_text
from logserve.logs.text import single_line
from logserve.logs.tree import EXTRA, Tree, merge


class MadeAgain(logging.Formatter):
    """Remembers its constructor's arguments, so that another process can make the same one."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Keep the arguments; ``__init__`` takes them as ever."""
        made = super().__new__(cls)
        made.made_with = arguments, options
        return made


IDS: Final = ("request_id", "trace_id", "span_id")
"""Attributes with the ids of the request during which a record was made."""
_OUR_ID: Final = re.compile(r"[0-9a-f]{24}-[0-9a-f]+-[0-9a-f]+-r?[0-9a-f]+", re.ASCII)


def checked_static(static: Mapping[str, Any] | None, service_name: str | None) -> dict[str, Any]:
    """The fields that a configuration gives all records, by dotted name.

    :raises ConfigurationError: one has a place where the schema has a group of fields, or stands below a value.
    """
    fields: dict[str, Any] = {"service.name": service_name} if service_name else {}
    fields.update(static or {})
    for name in fields:
        path = tuple(name.split("."))
        above = any(".".join(path[:end]) in fields for end in range(1, len(path)))
        if not all(path) or above or not table.SHAPE.allows(path):
            raise ConfigurationError(
                f"a formatter's static field {name!r} has no place: expected dotted names, "
                "such as 'service.environment', none of which is the beginning of another field's"
            )
    return fields


class Fields:
    """Fields of one record, in order, made plain; the names of those that had to be cut are kept."""

    __slots__ = ("cut", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.cut: list[str] = []

    def add(self, name: str, value: Any) -> None:
        """Add a field; None is left out."""
        kind = type(value)
        if (kind is int and 0 <= value < 1 << 63) or (kind is str and len(value) < 512 and value.isascii()):
            self.values[name] = value
        elif value is not None:
            self.values[name] = self.plain(name, value)

    def plain(self, name: str, value: Any) -> Any:
        """`value` made plain, `name` noted where it had to be cut."""
        plainer = Plainer()
        plain = plainer.plain(value)
        if plainer.cut:
            self.cut.append(name)
        return plain


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """The application's own fields of a record: `extra`, and a dict that was logged as message."""
    extra = {name: value for name, value in extra_of(record).items() if not name.startswith("_")}
    if isinstance(record.msg, dict) and not record.args:
        extra.update((name, value) for name, value in record.msg.items() if name != "message")
    return extra


def ids_of_others(record: logging.LogRecord) -> dict[str, Any]:
    """Fields of the application's that have the names of the ids that the server gives records."""
    attributes = record.__dict__
    known = {name: request_value(record, name) for name in IDS}
    known["event_id"] = event_id(record)
    return {
        name: attributes[name]
        for name, value in known.items()
        if name in attributes and attributes[name] != value
    }


def add_extra(tree: Tree, record: logging.LogRecord, fields: Fields, trace: str) -> None:
    """Add the application's own fields and the list of what was cut to a record's tree.

    :param trace: what the formatter calls the traceback's field.
    """
    key = Plainer().key
    extra = {key(name): fields.plain(key(name), value) for name, value in extra_fields(record).items()}
    for name, value in ids_of_others(record).items():
        extra[f"{'.'.join(EXTRA)}.{name}"] = fields.plain(name, value)
    cut = [trace if name == "error.stack_trace" else name for name in shortened_fields(record)]
    cut += [name for name in fields.cut if name not in cut]
    if cut:
        tree.setdefault("logserve", {})["truncated"] = cut
    merge(tree, extra, table.SHAPE)


def message_of(record: logging.LogRecord) -> str:
    """The message with its args merged; of a dict that was logged, its ``message``."""
    if isinstance(record.msg, dict) and not record.args:
        return safe_text(record.msg.get("message", ""))
    return safe_message(record)


def event_id(record: logging.LogRecord) -> str | None:
    """The id that the server gave the record; an application's field of the same name is not one."""
    ids = ids_of(record.__dict__)
    if ids is not None and ids[3]:
        return ids[3]
    value = record.__dict__.get("event_id")
    return value if isinstance(value, str) and _OUR_ID.fullmatch(value) else None


def request_value(record: logging.LogRecord, name: str) -> str | None:
    """``request_id``, ``trace_id`` or ``span_id`` of a record; None if it has none.

    The server's where it gave the record one, else the application's own.
    """
    ids = ids_of(record.__dict__)
    if ids is not None and (own := ids[IDS.index(name)]):
        return own
    value = record.__dict__.get(name)
    return value if isinstance(value, str) and value else None


def error_type(record: logging.LogRecord) -> str | None:
    """The class of the record's exception, with its module if it is not a built-in one."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None:
        return None
    module = getattr(kind, "__module__", "builtins")
    name = getattr(kind, "__qualname__", "") or safe_repr(kind)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def error_message(record: logging.LogRecord) -> str | None:
    """What the record's exception says."""
    error = record.exc_info[1] if record.exc_info else None
    return None if error is None else safe_text(error)


def trace_text(record: logging.LogRecord) -> str | None:
    """The record's traceback and stack, one below the other."""
    parts = [exception_text(record), record.stack_info]
    return "\n".join([safe_text(part) for part in parts if part]) or None


def last_resort(record: logging.LogRecord, error: Exception) -> str:
    """A line of JSON for a record that could not be formatted, and why."""
    return dump(
        {
            "@timestamp": table.iso_time(time.time_ns() // 1000),  # the record's may be what is wrong
            "log": {"level": "error", "logger": "logserve.error"},
            "message": Plainer().plain(
                f"a record could not be formatted: {safe_repr(error)}: {safe_message(record)}"
            ),
            "ecs": {"version": table.ECS_VERSION},
        }
    )


def last_resort_text(record: logging.LogRecord, error: Exception) -> str:
    """The same as a line of text."""
    return single_line(f"a record could not be formatted: {safe_repr(error)}: {safe_message(record)}")
