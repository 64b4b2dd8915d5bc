"""The access record as a LogRecord, for handlers, filters and formatters that need one."""

from __future__ import annotations

import logging
from typing import Any, Final

from logserve.logs import redact
from logserve.logs.access import fields as table
from logserve.logs.access.atoms import COMBINED, Atoms
from logserve.logs.access.exchange import TRUNCATED as FIELD_TRUNCATED
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.fields import BY_ATTRIBUTE, BY_NAME, LOGGER_NAME
from logserve.logs.context import IDS
from logserve.logs.plain import key_text
from logserve.logs.record import SHORTENED

STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""Attributes that ``logging`` itself gives a record."""
EXCHANGE: Final = "_exchange"
"""The attribute with the exchange itself; most formatters leave out what begins with an underscore."""
EXTRA: Final = "logserve_extra"
"""The attribute with the fields of the application's whose names are taken."""
TRUNCATED: Final = FIELD_TRUNCATED.replace(".", "_")
OWN: Final = frozenset(
    {EXCHANGE, IDS, SHORTENED, "event_id", "request_id", "trace_id", "span_id", "logserve_text", EXTRA}
)
"""Attributes that logserve gives records; no `extra`."""

_TAKEN: Final = STANDARD | OWN | {*BY_ATTRIBUTE, TRUNCATED}
_TAKEN_OF_OTHERS: Final = STANDARD | OWN


_message = COMBINED
_name = LOGGER_NAME


def present(message: str | None = None, name: str | None = None) -> None:
    """How records show themselves from now on to formatters that are not logserve's.

    :param message: the format of their message, with gunicorn's atoms; the ``combined`` line by default.
    :param name: the name that the configuration has for the access logger.
    """
    global _message, _name
    _message = message or COMBINED
    _name = name or LOGGER_NAME


def make_access_record(exchange: Exchange, logger_name: str | None = None) -> logging.LogRecord:
    """The record of an exchange, at INFO.

    Its message is an access line (see :func:`present`), its args are gunicorn's atoms, and each field of the table is an
    attribute (``http_response_status_code``), as are the fields that the application added.
    """
    record = logging.LogRecord(logger_name or _name, logging.INFO, "", 0, _message, (Atoms(exchange),), None)
    microseconds = exchange.begin_wall // 1000
    record.created = microseconds / 1_000_000
    record.msecs = float(microseconds // 1000 % 1000)
    record.process = exchange.origin.pid
    attributes = record.__dict__
    for name, value in table.values(exchange, redact.active()).items():
        attribute = BY_NAME[name].attribute if name in BY_NAME else TRUNCATED
        if attribute:
            attributes[attribute] = value
    attributes[EXCHANGE] = exchange
    taken = {}
    for name, value in named(exchange.extra).items():
        if name in _TAKEN:
            taken[name] = value
        else:
            attributes[name] = value
    if taken:
        attributes[EXTRA] = taken
    return record


def named(extra: dict[str, Any] | None) -> dict[str, Any]:
    """A copy of what the application added, which a thread of its may be changing; names made text."""
    return {name if type(name) is str else key_text(name): value for name, value in dict(extra or {}).items()}


def is_access_record(record: logging.LogRecord) -> bool:
    """Whether a record is one of :func:`make_access_record`, also after its way to another process."""
    return "logserve_outcome" in record.__dict__ and "event_id" in record.__dict__


def record_values(record: logging.LogRecord) -> dict[str, Any]:
    """The access fields of a record as it is now, filters having had their way with its attributes."""
    attributes = record.__dict__
    fields: dict[str, Any] = {}
    for field in table.FIELDS:
        if field.attribute and field.attribute in attributes:
            fields[field.name] = attributes[field.attribute]
        elif field.own_attribute == "-":
            fields[field.name] = _elsewhere(field, record)
    cut = [*attributes.get(TRUNCATED, ()), *shortened_fields(record)]
    if cut:
        fields[FIELD_TRUNCATED] = cut
    fields["message"] = table.message_of(fields)
    return fields


def _elsewhere(field: table.AccessField, record: logging.LogRecord) -> Any:
    if field.name == "@timestamp":
        return table.iso_time(round(record.created * 1_000_000))
    if field.name == "log.level":
        return record.levelname.lower()
    if field.name == "log.logger":
        return record.name
    if field.name == "process.pid":
        return record.process
    return table.CONSTANTS.get(field.name)


def shortened_fields(record: logging.LogRecord) -> list[str]:
    """The fields of a record that were cut to fit the ring, by the names that ECS has for them."""
    cut = record.__dict__.get(SHORTENED)
    names = [name for name in cut if isinstance(name, str)] if isinstance(cut, tuple) else []
    if is_access_record(record):
        return [BY_ATTRIBUTE[name].name if name in BY_ATTRIBUTE else name for name in names if name != "msg"]
    return list(dict.fromkeys(_FIELD_OF.get(name, name) for name in names))


_FIELD_OF: Final = {"msg": "message", "exc_text": "error.stack_trace", "stack_info": "error.stack_trace"}


def extra_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record's fields that neither ``logging`` nor logserve gave it, in the order they were added."""
    attributes = record.__dict__
    exchange = attributes.get(EXCHANGE)
    aside = attributes.get(EXTRA) or {}
    extra: dict[str, Any] = {}
    if isinstance(exchange, Exchange):
        for name in named(exchange.extra):
            if name in aside:
                extra[name] = aside[name]
            elif name in attributes:
                extra[name] = attributes[name]
    taken = _TAKEN if is_access_record(record) else _TAKEN_OF_OTHERS
    for name, value in attributes.items():
        if name not in taken:
            extra.setdefault(name, value)
    for name, value in aside.items():
        extra.setdefault(name, value)
    return extra
