"""Access plans that ask the user's logger class, and that send metrics."""

from __future__ import annotations

import datetime
import logging
from contextvars import ContextVar
from typing import Any, Final

from logserve.compat.hooks import WorkerSide
from logserve.compat.loading import OF_REQUESTS, overrides
from logserve.compat.logger import Logger
from logserve.compat.statsd import StatsdClient
from logserve.compat.views import RequestView, ResponseView
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.plan import AccessPlan, Frames, frames_of
from logserve.logs.access.record import make_access_record
from logserve.logs.context import set_current
from logserve.logs.forward import complain
from logserve.logs.origin import Origin


class _Caught:
    """The records that a logger class makes of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.records: list[logging.LogRecord] = []


_catching: Final[ContextVar[_Caught | None]] = ContextVar("logserve_catching", default=None)


def access_plan(side: WorkerSide, logger: logging.Logger, origin: Origin) -> AccessPlan:
    """The plan for a logger as it is now, and as the worker's settings want it."""
    plan: AccessPlan = AccessPlan.of(logger, origin)
    kind = type(side.logger)
    if side.logger is not None and any(overrides(kind, name) for name in OF_REQUESTS):
        _catch_records(logger)
        plan = LoggerPlan(logger, side.logger)
    return plan if side.statsd is None else MeteredPlan(plan, side.statsd)


class LoggerPlan(AccessPlan):
    """Has a logger class make the records of requests, or none.

    Its ``access`` is called when an answer is made, before its last bytes are sent: what it logs on the access
    logger then is the request's record.
    """

    __slots__ = ("_compat",)

    def __init__(self, logger: logging.Logger, compat: Logger) -> None:
        super().__init__(logger, None, foreign=False)
        self._compat = compat
        self.frames = self._frames_of_logger

    def _frames_of_logger(self, exchange: Exchange) -> Frames:
        request = RequestView(exchange)
        response = ResponseView(exchange, request)
        duration = datetime.timedelta(microseconds=(exchange.end - exchange.begin) // 1000)
        caught = _Caught(exchange)
        token = _catching.set(caught)
        current = set_current(exchange)
        try:
            self._compat.access(response, request, _environ(exchange), duration)
        except Exception as error:
            complain("the logger class", self._compat, error)
            return self._frames_of_record(exchange)
        finally:
            current.var.reset(current)
            _catching.reset(token)
        return [frame for record in caught.records for frame in frames_of(self._logger, record)]


def _environ(exchange: Exchange) -> dict[str, Any]:
    """The application's environ, or what there is of it for a request that did not get so far."""
    if exchange.environ is not None:
        return exchange.environ
    path, _, query = exchange.target.partition("?")
    return {
        "REMOTE_ADDR": exchange.ends.client_ip,
        "REQUEST_METHOD": exchange.method,
        "RAW_URI": exchange.target,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{exchange.version}",
        **exchange.fields,
    }


def _catch_records(logger: logging.Logger) -> None:
    """Have records that a logger class makes of an exchange kept instead of written, once."""
    if getattr(logger.callHandlers, "catches", False):
        return
    original = logger.callHandlers

    def call_handlers(record: logging.LogRecord) -> None:
        caught = _catching.get()
        if caught is None:
            original(record)
            return
        for name, value in make_access_record(caught.exchange).__dict__.items():
            if name in ("created", "msecs", "name") or name not in record.__dict__:
                record.__dict__[name] = value
        caught.records.append(record)

    call_handlers.catches = True  # type: ignore[attr-defined]
    logger.callHandlers = call_handlers  # type: ignore[method-assign]


class MeteredPlan(AccessPlan):
    """Another plan, and a datagram or three for each request once its record is published."""

    __slots__ = ("_inner", "_statsd")

    def __init__(self, inner: AccessPlan, statsd: StatsdClient) -> None:
        super().__init__(inner._logger, inner.lines, foreign=True)
        self._inner = inner
        self._statsd = statsd
        self.enabled = inner.enabled
        self.frames = inner.frames

    def emit(self, exchange: Exchange) -> None:
        """See :class:`AccessPlan`."""
        self._inner.emit(exchange)

    def handle_foreign(self, exchange: Exchange) -> None:
        """Once for each request, after its record was published."""
        self._statsd.exchange(exchange)
        if self._inner.foreign:
            self._inner.handle_foreign(exchange)
