"""python-json-logger's formatter, with the access fields and the request's ids."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from logserve.logs.access import fields as table
from logserve.logs.access.encode import access_tree, json_encoder
from logserve.logs.access.encode import add_extra as add_access_extra
from logserve.logs.access.exchange import TRUNCATED
from logserve.logs.access.generate import Encoder
from logserve.logs.access.record import (
    OWN,
    extra_of,
    is_access_record,
    make_access_record,
    record_values,
    shortened_fields,
)
from logserve.logs.formatters import common
from logserve.logs.origin import Origin
from logserve.logs.plain import Plainer, dump
from logserve.logs.tree import Shape, merge, nest

NAMES: Final = {
    "@timestamp": "timestamp",
    "log.level": "level",
    "log.logger": "logger",
    "ecs.version": "",
    "http.request.id": "request_id",
    "trace.id": "trace_id",
    "span.id": "span_id",
}
"""What this formatter calls fields that others call by their ECS names; empty: left out."""


_THEIRS: Final = frozenset({"message", "@timestamp", "log.level", "log.logger", "ecs.version"})
"""Access fields that python-json-logger's own parameters ask for, or not."""
_SHAPE: Final = Shape([*table.BY_NAME, TRUNCATED, *common.IDS, "event_id"])
"""Where the server's fields are, in the same layout: the application's of these names go aside."""


class JSONFormatter(common.MadeAgain, JsonFormatter):
    """Records as JSON: ``timestamp``, ``level``, ``logger``, ``message``, the request's ids, `extra`.

    With any of python-json-logger's own parameters (`fmt`, `rename_fields`, `static_fields`, `timestamp`, ..)
    the layout is what they say, and the ids and access fields are added. It never raises an Exception.

    :param service_name: ``service.name`` of each record.
    :param static: further fields of each record, by dotted name.
    :raises ConfigurationError: a static field has no place.
    """

    def __init__(
        self,
        fmt: str | Sequence[str] | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        service_name: str | None = None,
        static: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(fmt, datefmt, style, validate, **options)
        self._own_layout = fmt is None and datefmt is None and not options
        self._static = common.checked_static(static, service_name)
        plainer = Plainer()
        self._plain_static = {name: plainer.plain(value) for name, value in self._static.items()}
        self._skip_fields |= OWN

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, without a line ending; never raises an Exception."""
        try:
            if self._own_layout:
                return self._access(record) if is_access_record(record) else self._application(record)
            return self._customized(record)
        except Exception as error:
            return common.last_resort(record, error)

    def access_encoder(self, origin: Origin) -> Encoder:
        """What writes an exchange as :meth:`format` writes its record."""
        if self._own_layout:
            return json_encoder({"log.level": "INFO", **self._static}, origin, NAMES)
        return lambda exchange: f"{self.format(make_access_record(exchange))}\n".encode()

    def _access(self, record: logging.LogRecord) -> str:
        plain = common.Fields()
        for name, value in record_values(record).items():
            plain.add(name, value)
        plain.values["log.level"] = record.levelname
        tree = access_tree(plain.values, self._plain_static, NAMES)
        extra = extra_of(record)
        if extra:
            add_access_extra(tree, extra)
        return dump(tree)

    def _application(self, record: logging.LogRecord) -> str:
        fields = common.Fields()
        fields.add("timestamp", table.iso_time(round(record.created * 1_000_000)))
        fields.add("level", record.levelname)
        fields.add("logger", record.name)
        fields.add("message", common.message_of(record))
        fields.add("event.id", common.event_id(record))
        for name in common.IDS:
            fields.add(name, common.request_value(record, name))
        fields.add("process.pid", record.process)
        fields.add("exc_info", common.trace_text(record))
        tree = nest({**fields.values, **self._plain_static})
        common.add_extra(tree, record, fields, "exc_info")
        return dump(tree)

    def _customized(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception:  # args that do not fit, an exception whose str() raises
            fields = dict(record.__dict__)
            fields.update(msg=common.message_of(record), args=None, exc_info=None)
            fields["exc_text"] = common.trace_text(record)
            return super().format(logging.makeLogRecord(fields))

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """python-json-logger's fields, then the request's ids and the access fields."""
        super().add_fields(log_data, record, message_dict)
        if is_access_record(record):
            for attribute in table.BY_ATTRIBUTE:
                if attribute not in self._required_fields:
                    log_data.pop(attribute, None)
            values = {name: value for name, value in record_values(record).items() if name not in _THEIRS}
            tree = access_tree(values, self._plain_static, NAMES)
            others: dict[str, Any] = {}
        else:
            tree, others = self._application_tree(record), common.ids_of_others(record)
        others.update((name, log_data[name]) for name in tree.keys() & log_data.keys())
        others = {name: value for name, value in others.items() if value != tree.get(name)}
        plainer = Plainer()
        merge(tree, {plainer.key(name): plainer.plain(value) for name, value in others.items()}, _SHAPE)
        log_data.update(tree)

    def _application_tree(self, record: logging.LogRecord) -> dict[str, Any]:
        """The server's own fields of a record that is no request's."""
        values: dict[str, Any] = {"event.id": common.event_id(record)}
        values.update((name, common.request_value(record, name)) for name in common.IDS)
        values[TRUNCATED] = shortened_fields(record) or None
        present = {name: value for name, value in values.items() if value is not None}
        return nest({**present, **self._plain_static})

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """python-json-logger's text of values that any serializer can write."""
        return super().jsonify_log_record(Plainer().plain(log_data))
