"""gunicorn's metrics for StatsD: a datagram each, sent without waiting, never an error of a request's."""

from __future__ import annotations

import datetime
import logging
import socket
from collections.abc import Mapping
from typing import Any, Final

from logserve.compat.config import Config
from logserve.compat.logger import Logger
from logserve.compat.views import RequestView, ResponseView
from logserve.logs.access.exchange import Exchange
from logserve.settings.endpoints import parse_statsd_address

_LEVELS: Final = {logging.CRITICAL: "critical", logging.ERROR: "error", logging.WARNING: "warning"}


class StatsdClient:
    """Where metrics go. A server that is not there is no error: UDP tells nobody.

    :param address: as in the setting.
    :param prefix: of each name; a dot follows it.
    :param tags: DogStatsD's, added to each.
    """

    def __init__(self, address: str, prefix: str = "", tags: str = "") -> None:
        self._prefix = f"{prefix.rstrip('.')}." if prefix else ""
        self._suffix = f"|#{tags}".encode("utf-8", "replace") if tags else b""
        self._socket: socket.socket | None = None
        where = parse_statsd_address(address)
        try:
            if isinstance(where, str):
                self._connect(socket.AF_UNIX, where)
            else:
                family, _, _, _, resolved = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
                self._connect(family, resolved)
        except OSError as error:
            logging.getLogger("logserve.error").warning(
                "no metrics: StatsD at %s cannot be reached: %s", address, error.strerror or error
            )

    def _connect(self, family: int, where: Any) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(where)

    def send(self, name: str, value: object, kind: str) -> None:
        """Send one metric, or drop it where it would have to wait."""
        if self._socket is None:
            return
        try:
            self._socket.send(
                f"{self._prefix}{name}:{value}|{kind}".encode("utf-8", "replace") + self._suffix
            )
        except OSError:
            pass  # the buffer is full, or nobody listens

    def gauge(self, name: str, value: object) -> None:
        """A value as it is now."""
        self.send(name, value, "g")

    def increment(self, name: str, value: object, sampling_rate: float = 1.0) -> None:
        """So many more."""
        self.send(name, value, f"c|@{sampling_rate}")

    def decrement(self, name: str, value: object, sampling_rate: float = 1.0) -> None:
        """So many fewer."""
        self.send(name, f"-{value}", f"c|@{sampling_rate}")

    def timer(self, name: str, value: object) -> None:
        """A duration, in ms."""
        self.send(name, value, "ms")

    def histogram(self, name: str, value: object) -> None:
        """One of many values."""
        self.send(name, value, "h")

    def request(self, status: int, milliseconds: float) -> None:
        """What gunicorn sends of each request."""
        self.timer("gunicorn.request.duration", milliseconds)
        self.increment("gunicorn.requests", 1)
        self.increment(f"gunicorn.request.status.{status}", 1)

    def exchange(self, exchange: Exchange) -> None:
        """The same, of a request that has ended."""
        self.request(exchange.status, (exchange.end - exchange.begin) / 1e6)

    def of_record(self, record: logging.LogRecord) -> None:
        """Count a message by its level, and send the metric that it carries in ``extra``."""
        if record.exc_info and record.levelno == logging.ERROR:
            self.increment("gunicorn.log.exception", 1)
        elif record.levelno in _LEVELS:
            self.increment(f"gunicorn.log.{_LEVELS[record.levelno]}", 1)
        fields = record.__dict__
        self.extra(fields.get("metric"), fields.get("value"), fields.get("mtype"))

    def extra(self, name: Any, value: Any, kind: Any) -> None:
        """The metric of a log call: ``extra={"metric": .., "value": .., "mtype": "gauge"}``."""
        if name and value is not None and kind in ("gauge", "counter", "histogram", "timer"):
            {
                "gauge": self.gauge,
                "counter": self.increment,
                "histogram": self.histogram,
                "timer": self.timer,
            }[kind](name, value)


def client_for(cfg: Config) -> StatsdClient | None:
    """The client that the settings ask for, if they do."""
    if not cfg.statsd_host:
        return None
    return StatsdClient(cfg.statsd_host, cfg.statsd_prefix, cfg.dogstatsd_tags)


class MetricsHandler(logging.Handler):
    """Counts the records of ``logserve.error``; writes nothing."""

    def __init__(self, client: StatsdClient) -> None:
        super().__init__()
        self._client = client

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """No lock: a datagram is sent whole."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Count it, if it passes; the standard method would take the lock."""
        passes = bool(self.filter(record))
        if passes:
            self.emit(record)
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        """Count it."""
        self._client.of_record(record)


class Statsd(Logger):
    """``gunicorn.instrument.statsd.Statsd``, for logger classes that derive from it."""

    def __init__(self, cfg: Config) -> None:
        self._client = client_for(cfg)
        super().__init__(cfg)

    def access(
        self,
        resp: ResponseView,
        req: RequestView,
        environ: Mapping[str, Any],
        request_time: datetime.timedelta,
    ) -> None:
        """Log the request; its metrics are sent by the server, once it is answered."""
        super().access(resp, req, environ, request_time)

    def gauge(self, name: str, value: object) -> None:
        """A value as it is now."""
        if self._client is not None:
            self._client.gauge(name, value)

    def increment(self, name: str, value: object, sampling_rate: float = 1.0) -> None:
        """So many more."""
        if self._client is not None:
            self._client.increment(name, value, sampling_rate)

    def decrement(self, name: str, value: object, sampling_rate: float = 1.0) -> None:
        """So many fewer."""
        if self._client is not None:
            self._client.decrement(name, value, sampling_rate)

    def timer(self, name: str, value: object) -> None:
        """A duration, in ms."""
        if self._client is not None:
            self._client.timer(name, value)

    def histogram(self, name: str, value: object) -> None:
        """One of many values."""
        if self._client is not None:
            self._client.histogram(name, value)
