"""The worker's half of a handler: it formats here and hands the result to the collector.

Nothing raises out of ``logger.info()``, whatever the record holds: args that do not fit are shown beside the
message, a value whose ``repr`` raises is named, and a formatter that raises is replaced, for that record, by
a plain one that says so. A formatter that logs does not loop: what it logs is formatted plainly.
"""

from __future__ import annotations

import codecs
import contextvars
import logging
import os
import weakref
from collections.abc import Mapping
from typing import Any, Final

from logserve.logs import handover, runtime
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.record import EXCHANGE
from logserve.logs.context import IDS, add_ids, current_exchange, ids_of
from logserve.logs.mend import mended, shorter
from logserve.logs.record import encode_record, safe_repr
from logserve.shm.layout import Kind

OUTLET: Final = "_logserve_outlet"
"""Attribute of a handler that was adopted: the ForwardingHandler that it sends through, or None if it stays."""

LAST_FORMATTER: Final = logging.Formatter("%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s")
"""What formats a record that its own formatter cannot."""

_STATEFUL: Final = frozenset({"utf-16", "utf-32", "utf-8-sig", "utf-7", "iso2022_jp"})
_DEFAULT: Final = logging.Formatter()

_formatting: contextvars.ContextVar[bool] = contextvars.ContextVar("logserve_formatting", default=False)


class ForwardingHandler(logging.Handler):
    """Stands in a worker for the handler that the collector runs.

    It has no lock: the ring has one, held for a copy, and formatting needs none.

    :param sink: the collector's handler, by the arbiter's number.
    :param line: whether the handler only writes lines (it gets finished bytes), or needs the record.
    :param encoding: of a line.
    :param terminator: what ends a line.
    :param errors: what becomes of a character that the encoding lacks; see ``str.encode``.
    :param spec: the HandlerSpec that the sink was registered for, where it is not the configuration's.
    """

    def __init__(
        self,
        sink: int,
        *,
        line: bool,
        encoding: str = "utf-8",
        terminator: str = "\n",
        errors: str = "backslashreplace",
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        if spec is not None:
            _registered.add(self)
        self.sink = sink
        self.line = line
        self.encoding = encoding
        self.terminator = terminator
        self.errors = errors

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<ForwardingHandler{name} to sink {self.sink} ({logging.getLevelName(self.level)})>"

    def twin(self) -> ForwardingHandler:
        """Another handler for the same sink, with the same formatter, level and filters."""
        twin = ForwardingHandler(
            self.sink,
            line=self.line,
            encoding=self.encoding,
            terminator=self.terminator,
            errors=self.errors,
            spec=self.spec,
        )
        twin.name = self.name
        twin.formatter = self.formatter
        twin.level = self.level
        twin.filters = list(self.filters)
        return twin

    def retarget(self, other: ForwardingHandler) -> None:
        """Send from now on where `other` does."""
        self.sink, self.line = other.sink, other.line
        self.encoding, self.errors, self.terminator = other.encoding, other.errors, other.terminator

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """No lock: see the class."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit; the standard method would take the lock."""
        try:
            verdict: Any = self.filter(record)
        except Exception as error:  # an application's filter: the record arrives all the same
            complain("a filter", self, error)
            verdict = True
        if verdict:
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return bool(verdict)

    def emit(self, record: logging.LogRecord) -> None:
        """Format here, hand over; never raises an Exception."""
        self.send(record, self.formatter, self.terminator)

    def send(self, record: logging.LogRecord, formatter: logging.Formatter | None, terminator: str) -> None:
        """Emit `record` as another handler's formatter and terminator say (an adopted handler's)."""
        outermost = handover.enter()
        try:
            kind, payload = self.frame(record, formatter, terminator)
            runtime.emit(self.sink, kind, payload)
        except Exception as error:
            complain("emitting", self, error)
        finally:
            if outermost:
                handover.leave()

    def frame(
        self, record: logging.LogRecord, formatter: logging.Formatter | None, terminator: str
    ) -> tuple[Kind, bytes]:
        """What :meth:`send` emits: stamped, formatted, encoded, and cut where it would not fit the ring."""
        stamp(record)
        make = self._line if self.line else self._record
        kind = Kind.LINE if self.line else Kind.RECORD
        payload = make(record, formatter, terminator)
        if len(payload) <= runtime.max_payload:
            return kind, payload
        short = record
        for short in shorter(record):
            payload = make(short, formatter, terminator)
            if len(payload) <= runtime.max_payload:
                return kind, payload
        # A formatter's own doing. An encoding may need 4 bytes for a character, an escape 10.
        return kind, make(short, formatter, terminator, runtime.max_payload // 16)

    def _line(
        self,
        record: logging.LogRecord,
        formatter: logging.Formatter | None,
        terminator: str,
        limit: int | None = None,
    ) -> bytes:
        """The encoded line, of its text at most `limit` characters."""
        text = format_safely(formatter or _DEFAULT, record)
        return (_cut(text, limit) + terminator).encode(self.encoding, self.errors)

    def _record(
        self,
        record: logging.LogRecord,
        formatter: logging.Formatter | None,
        terminator: str,
        limit: int | None = None,
    ) -> bytes:
        """The encoded record and the text that the formatter makes of it, at most `limit` characters."""
        text = None if formatter is None else _cut(format_safely(formatter, record), limit)
        return encode_record(record, text)

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - logging's name
        """Set the formatter; the access plan may change with it."""
        super().setFormatter(fmt)
        runtime.access_changed()

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
        """Set the level; the access plan may change with it."""
        super().setLevel(level)
        runtime.access_changed()

    def addFilter(self, filter: Any) -> None:  # noqa: N802, A002 - logging's names
        """Add a filter; the access plan may change with it."""
        super().addFilter(filter)
        runtime.access_changed()

    def removeFilter(self, filter: Any) -> None:  # noqa: N802, A002 - logging's names
        """Remove a filter; the access plan may change with it."""
        super().removeFilter(filter)
        runtime.access_changed()

    def close(self) -> None:
        """Nothing to close: a ``dictConfig`` of the application, which closes all handlers, ends nothing here."""


_registered: weakref.WeakSet[ForwardingHandler] = weakref.WeakSet()


def renew_registrations() -> None:
    """Ask for the sinks of adopted and bridged files anew: for another generation, or in a worker after a preload.

    :raises ConfigurationError: one is refused now.
    """
    if runtime.registrar is None:
        return
    for handler in list(_registered):
        if handler.spec is not None:
            handler.sink = runtime.registrar(handler.spec)


def forwarding(handler: logging.Handler) -> ForwardingHandler | None:
    """What `handler` forwards through: itself, an adopted handler's outlet, or None for any other handler."""
    if isinstance(handler, ForwardingHandler):
        return handler
    outlet = handler.__dict__.get(OUTLET)
    return outlet if isinstance(outlet, ForwardingHandler) else None


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else f"{text[:limit]} [cut]"


def is_stateless(encoding: str) -> bool:
    """Whether lines can be encoded one by one: no byte order mark at the start, no shift states."""
    return codecs.lookup(encoding).name not in _STATEFUL


def stamp(record: logging.LogRecord) -> None:
    """Give a record its own id and its request's ids, once, whatever handlers it reaches."""
    fields = record.__dict__
    known = ids_of(fields)
    if known is not None and known[3]:
        return
    own = fields.get(EXCHANGE)
    if isinstance(own, Exchange):
        add_ids(fields, own, own.id)
    elif known is not None:  # made during a request, whichever this thread serves now
        fields[IDS] = (*known[:3], event_id := runtime.record_id())
        fields.setdefault("event_id", event_id)
    else:
        add_ids(fields, current_exchange(), runtime.record_id())


def format_safely(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The formatter's text for `record`, or the best that can be said; never raises an Exception."""
    if _formatting.get():
        return LAST_FORMATTER.format(mended(record))
    token = _formatting.set(True)
    try:
        return formatter.format(record)
    except Exception:
        return _format_mended(formatter, record)
    finally:
        _formatting.reset(token)


def _format_mended(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The record may be at fault (args, a repr): mend it. Else the formatter is: use a plain one, and say so."""
    record = mended(record)
    try:
        return formatter.format(record)
    except Exception as error:
        problem = f"{type(formatter).__name__}.format raised {safe_repr(error)}"
    return f"{LAST_FORMATTER.format(record)} ({problem})"


def complain(what: str, handler: object, error: Exception) -> None:
    """Say on fd 2 that logging itself failed: the last place where it can be said."""
    try:
        sentence = f"logserve: {what} failed in {safe_repr(handler)}: {safe_repr(error)}\n"
        os.write(2, sentence.encode(errors="backslashreplace"))
    except OSError:
        pass
