"""How the access log's handlers are fed, worked out once and not for each request.

The short way: every handler only writes lines, by a formatter of logserve's, and no filter looks at the
record; then a request's frames are encoded straight from its exchange. Otherwise a LogRecord is made and goes
the way that ``logging`` would send it. The lines are the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from logserve.logs import adopt
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.record import make_access_record
from logserve.logs.forward import ForwardingHandler, complain, forwarding
from logserve.logs.origin import Origin
from logserve.shm.layout import Kind, frame_word

Encoder = Callable[[Exchange], bytes]
Frames = list[tuple[int, bytes]]
"""Frames ready for the ring: the first word (``frame_word(sink, kind, 0)``) and the payload."""

LEVEL: Final = logging.INFO
"""The level of access records."""


class AccessPlan:
    """What becomes of an access record.

    `enabled` is False where no handler would take one. `lines` has, for the short way, each handler's frame
    word and encoder; it is None where a LogRecord is needed. `foreign` tells that there are handlers that run
    in this very process: who publishes a record then has to call :meth:`handle_foreign` as well.
    """

    __slots__ = ("_logger", "enabled", "foreign", "frames", "lines")

    frames: Callable[[Exchange], Frames]
    """Make an exchange's frames; may be called again for one whose answer went otherwise than expected."""

    def __init__(
        self, logger: logging.Logger, lines: list[tuple[int, Encoder]] | None, foreign: bool
    ) -> None:
        self._logger = logger
        self.lines = lines
        self.foreign = foreign
        self.enabled = lines is None or bool(lines)
        self.frames = self._frames_of_record if lines is None else _lines_maker(lines)

    @classmethod
    def of(cls, logger: logging.Logger, origin: Origin) -> AccessPlan:
        """Work out the plan for a logger as it is now; ``runtime.on_access_changed`` tells when to do so anew."""
        if not logger.isEnabledFor(LEVEL):
            return cls(logger, [], False)
        handlers = [handler for handler in reached(logger) if handler.level <= LEVEL]
        foreign = any(forwarding(handler) is None for handler in handlers)
        lines = [_short_way(handler, origin) for handler in handlers]
        short = [line for line in lines if line is not None]
        if logger.filters or len(short) < len(lines):
            return cls(logger, None if handlers else [], foreign)
        return cls(logger, short, False)

    def emit(self, exchange: Exchange) -> None:
        """Log an exchange outside the prepared way: as ``logging`` would."""
        self._logger.handle(make_access_record(exchange))

    def _frames_of_record(self, exchange: Exchange) -> Frames:
        """The frames of the forwarding handlers that take the record; never raises an Exception."""
        try:
            record = make_access_record(exchange)
            return [frame for handler in self._taking(record) for frame in _frame(handler, record)]
        except Exception as error:  # a filter of the application's
            complain("the access log", self._logger, error)
            return []

    def handle_foreign(self, exchange: Exchange) -> None:
        """Give the record to the handlers that run in this process; once, after it was published."""
        try:
            record = make_access_record(exchange)
            for handler in self._taking(record):
                if adopt.outlet_for(handler) is None and not isinstance(handler, ForwardingHandler):
                    handler.handle(record)
        except Exception as error:
            complain("the access log", self._logger, error)

    def _taking(self, record: logging.LogRecord) -> Iterator[logging.Handler]:
        verdict: Any = self._logger.filter(record)
        if verdict:
            for handler in reached(self._logger):
                if record.levelno >= handler.level:
                    yield handler


def frames_of(logger: logging.Logger, record: logging.LogRecord) -> Frames:
    """The frames of a record that the logger's own filters have let through."""
    taking = [handler for handler in reached(logger) if record.levelno >= handler.level]
    return [frame for handler in taking for frame in _frame(handler, record)]


def reached(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that ``Logger.callHandlers`` would call, levels not considered."""
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _lines_maker(lines: list[tuple[int, Encoder]]) -> Callable[[Exchange], Frames]:
    if len(lines) == 1:
        ((word, encode),) = lines
        return lambda exchange: [(word, encode(exchange))]
    encoders = {id(encoder): encoder for _, encoder in lines}
    if len(lines) > 1 and len(encoders) == 1:

        def one_line_for_all(exchange: Exchange) -> Frames:
            line = lines[0][1](exchange)
            return [(word, line) for word, _ in lines]

        return one_line_for_all
    return lambda exchange: [(word, encode(exchange)) for word, encode in lines]


def _short_way(handler: logging.Handler, origin: Origin) -> tuple[int, Encoder] | None:
    """A handler's frame word and encoder, or None where it needs a LogRecord."""
    outlet = forwarding(handler)
    make_encoder = getattr(handler.formatter, "access_encoder", None)
    if outlet is None or make_encoder is None or handler.filters or not outlet.line:
        return None
    terminator = getattr(handler, "terminator", "\n")
    if terminator != "\n" or outlet.encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return None
    return frame_word(outlet.sink, Kind.LINE, 0), make_encoder(origin)


def _frame(handler: logging.Handler, record: logging.LogRecord) -> Frames:
    """A forwarding handler's frame of a record, if its filters let the record through."""
    outlet = handler if isinstance(handler, ForwardingHandler) else adopt.outlet_for(handler)
    if outlet is None:
        return []
    verdict: Any = handler.filter(record)
    if not verdict:
        return []
    if isinstance(verdict, logging.LogRecord):  # Python 3.12: a filter may replace the record
        record = verdict
    kind, payload = outlet.frame(record, handler.formatter, getattr(handler, "terminator", "\n"))
    return [(frame_word(outlet.sink, kind, 0), payload)]
