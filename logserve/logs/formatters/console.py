"""Lines for people, by structlog's renderer."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog

from logserve.logs import redact
from logserve.logs.access import fields as table
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.generate import Encoder
from logserve.logs.access.memo import MEMO_ENTRIES, MEMO_LENGTH
from logserve.logs.access.record import extra_of, is_access_record, named, record_values
from logserve.logs.formatters import common
from logserve.logs.origin import Origin
from logserve.logs.plain import unused
from logserve.logs.record import safe_repr
from logserve.logs.text import CONTINUATION, prose, single_line

_PLAIN_ID: Final = re.compile(r"[0-9A-Za-z._~+/:@-]{1,128}", re.ASCII)
"""Request ids that the renderer does not quote."""
_EVENT_WIDTH: Final = 30
"""Columns that a message fills at least."""
_TAKEN: Final = frozenset(
    {"event", "timestamp", "level", "logger", "logger_name", "stack", "exception", "exc_info"}
)
"""Names that mean something to the renderer."""
_ACCESS: Final = {
    "http.response.body.bytes": "bytes",
    "client.ip": "client",
    "http.request.id": "request_id",
    "trace.id": "trace_id",
    "logserve.reason": "reason",
    "logserve.signal": "signal",
}
"""Access fields that a line shows beside its message, and what it calls them."""


class _Shown:
    """A value whose text is finished; the renderer asks for its repr."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class ConsoleFormatter(common.MadeAgain):
    """``2026-11-24T22:18:46.123456Z [info     ] GET /path 200   [logserve.access] duration=1.2ms bytes=12 ..``.

    :param fmt: not used, nor are the next three.
    :param colors: None: where standard error is a terminal, unless ``NO_COLOR`` is set.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
        colors: bool | None = None,
    ) -> None:
        super().__init__()
        self.colors = _terminal_has_colors() if colors is None else colors
        self._renderer = structlog.dev.ConsoleRenderer(
            _EVENT_WIDTH,
            colors=self.colors,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )

    def format(self, record: logging.LogRecord) -> str:
        """One line, and indented ones below it where the record has several. Never raises an Exception."""
        try:
            if is_access_record(record):
                return self._access(record_values(record), extra_of(record))
            return self._application(record)
        except Exception as error:
            return common.last_resort_text(record, error)

    def access_encoder(self, origin: Origin) -> Encoder:
        """What writes an exchange as :meth:`format` writes its record; fast for what is ordinary."""
        redaction = redact.active()
        messages: dict[tuple[str, str, int, str], str] = {}
        template = self._template()

        def general(exchange: Exchange) -> bytes:
            line = self._access(table.values(exchange, redaction), named(exchange.extra))
            return f"{line}\n".encode()

        def message(exchange: Exchange, key: tuple[str, str, int, str]) -> str:
            if len(messages) >= MEMO_ENTRIES:
                messages.clear()
            text = single_line(_message(table.values(exchange, redaction))).ljust(_EVENT_WIDTH)
            if len(text) <= MEMO_LENGTH:
                messages[key] = text
            return text

        def encode(x: Exchange) -> bytes:
            client = x.ends.client_ip
            if x.extra or x.trace_id or x.reason or x.signal or not x.status or not client:
                return general(x)
            if x.request_id != x.id and not _PLAIN_ID.fullmatch(x.request_id):
                return general(x)
            key = (x.method, x.target, x.status, x.outcome)
            text = messages.get(key) or message(x, key)
            stamp = table.iso_time(x.begin_wall // 1000)
            values = (stamp, text, _duration(x.end - x.begin), x.body_sent, client, x.request_id)
            return (template % values).encode()

        return encode

    def _template(self) -> str:
        """The renderer's line of an ordinary request, as a %-template: time, message, duration, bytes, client, id."""
        marks = [f"<{mark}>".ljust(_EVENT_WIDTH, ".") for mark in range(6)]
        stamp, message, duration, size, client, request_id = marks
        line = self._rendered(
            {
                "timestamp": stamp,
                "level": table.LEVEL_NAME,
                "event": message,
                "logger": table.LOGGER_NAME,
                "duration": duration,
                "bytes": size,
                "client": client,
                "request_id": request_id,
            },
            {},
        )
        line = line.replace("%", "%%")
        for mark in marks:
            line = line.replace(mark, "%s")
        return f"{line}\n"

    def _access(self, values: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
        event: dict[str, Any] = {
            "timestamp": values["@timestamp"],
            "level": values["log.level"],
            "event": single_line(_message(values)),
            "logger": single_line(values["log.logger"]),
            "duration": _duration(values.get("event.duration", 0)),
        }
        for name, shown in _ACCESS.items():
            if name in values:
                event[shown] = _value(values[name])
        return self._rendered(event, extra)

    def _application(self, record: logging.LogRecord) -> str:
        message = common.message_of(record)
        event: dict[str, Any] = {
            "timestamp": table.iso_time(round(record.created * 1_000_000)),
            "level": single_line(str(record.levelname).lower()),
            "event": prose(message),
            "logger": single_line(record.name),
        }
        trace = common.trace_text(record)
        if trace is not None:
            event["exception"] = CONTINUATION + prose(trace)
        for name in ("request_id", "trace_id"):
            value = common.request_value(record, name)
            if value is not None:
                event[name] = _value(value)
        own = {f"extra.{name}": value for name, value in common.ids_of_others(record).items()}
        extra = {
            name: value for name, value in common.extra_fields(record).items() if not _told(value, message)
        }
        return self._rendered(event, {**extra, **own})

    def _rendered(self, event: dict[str, Any], extra: Mapping[str, Any]) -> str:
        for name, value in extra.items():
            key = single_line(name)
            key = f"extra.{key}" if key in _TAKEN else key
            event[unused(key, event)] = _value(value)
        return str(self._renderer(None, "", event))


def _told(value: Any, message: str) -> bool:
    """Whether a text of several lines, such as a stack, stands in the message too, where it can be read."""
    return type(value) is str and "\n" in value and value in message


def _message(values: Mapping[str, Any]) -> str:
    """The record's message with the query behind the path."""
    target = values.get("url.path") or values.get("url.original", "")
    if "url.query" in values and "url.path" in values:
        target = f"{target}?{values['url.query']}"
    return table.message(
        values.get("http.request.method", ""),
        target,
        values.get("http.response.status_code", 0),
        table.REMARKS.get(values.get("logserve.outcome", ""), ""),
    )


def _value(value: Any) -> Any:
    if type(value) is str:
        return single_line(value)
    return _Shown(single_line(safe_repr(value)))


def _duration(nanoseconds: int) -> _Shown:
    """``850us``, ``12.3ms`` or ``4.56s``."""
    if nanoseconds < 1_000_000:
        return _Shown(f"{nanoseconds // 1000}us")
    if nanoseconds < 1_000_000_000:
        return _Shown(f"{nanoseconds / 1e6:.1f}ms")
    return _Shown(f"{nanoseconds / 1e9:.2f}s")


def _terminal_has_colors() -> bool:
    """See no-color.org; standard error is where a console handler writes unless told otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    stream: Any = sys.stderr  # None in a process without a console
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
