"""Elastic Common Schema 9.4, one nested JSON object a line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from logserve.logs.access import fields as table
from logserve.logs.access.encode import access_tree, json_encoder
from logserve.logs.access.encode import add_extra as add_access_extra
from logserve.logs.access.generate import Encoder
from logserve.logs.access.record import extra_of, is_access_record, record_values
from logserve.logs.formatters import common
from logserve.logs.origin import Origin
from logserve.logs.plain import Plainer, dump
from logserve.logs.tree import nest


class ECSFormatter(common.MadeAgain):
    """Any record as ECS; `extra` at the top level under its own name, or under ``logserve.extra``.

    :param fmt: not used, nor are the next three: the fields are the schema's.
    :param service_name: ``service.name`` of each record.
    :param static: further fields of each record, by dotted name: ``{"service.environment": "production"}``.
    :raises ConfigurationError: a static field has no place in the schema.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
        service_name: str | None = None,
        static: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._static = common.checked_static(static, service_name)
        plainer = Plainer()
        self._plain_static = {name: plainer.plain(value) for name, value in self._static.items()}

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, without a line ending; never raises an Exception."""
        try:
            return self._access(record) if is_access_record(record) else self._application(record)
        except Exception as error:
            return common.last_resort(record, error)

    def access_encoder(self, origin: Origin) -> Encoder:
        """What writes an exchange as :meth:`format` writes its record, much faster."""
        return json_encoder(self._static, origin)

    def _access(self, record: logging.LogRecord) -> str:
        plain = common.Fields()
        for name, value in record_values(record).items():
            plain.add(name, value)
        tree = access_tree(plain.values, self._plain_static, {})
        extra = extra_of(record)
        if extra:
            add_access_extra(tree, extra)
        return dump(tree)

    def _application(self, record: logging.LogRecord) -> str:
        fields = common.Fields()
        add = fields.add
        add("@timestamp", table.iso_time(round(record.created * 1_000_000)))
        add("log.level", str(record.levelname).lower())
        add("log.logger", record.name)
        if record.pathname:  # a record of captured output comes from nowhere in the code
            add("log.origin.file.name", record.filename or None)
            add("log.origin.file.line", record.lineno)
            add("log.origin.function", record.funcName)
        add("message", common.message_of(record))
        add("ecs.version", table.ECS_VERSION)
        add("event.id", common.event_id(record))
        add("event.kind", "event")
        if record.name.startswith("logserve."):
            add("event.dataset", record.name)
        add("http.request.id", common.request_value(record, "request_id"))
        add("trace.id", common.request_value(record, "trace_id"))
        add("span.id", common.request_value(record, "span_id"))
        add("process.pid", record.process)
        add("process.thread.id", record.thread or None)
        add("process.thread.name", record.threadName or None)
        add("error.type", common.error_type(record))
        add("error.message", common.error_message(record))
        add("error.stack_trace", common.trace_text(record))
        tree = nest({**fields.values, **self._plain_static})
        common.add_extra(tree, record, fields, "error.stack_trace")
        return dump(tree)
