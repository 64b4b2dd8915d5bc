"""The health check: a path that the worker itself answers, in its loop, whatever the application does.

Without the setting none of this is there. A check says that the worker's loop turns and takes requests; a worker that is
stopping answers 503. It is not logged unless asked: its sequence number goes to the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from logserve.http1 import begin_response
from logserve.logs.capture import ErrorsStream
from logserve.settings import Settings
from logserve.workers.connection import Connection
from logserve.workers.ledger import Ledger
from logserve.workers.runner import Runner
from logserve.workers.serve import Server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class HealthServer(Server):
    """Answers the checks.

    :param logged: whether they have access records.
    :param stopping: whether the worker takes no new connections any more.
    """

    def __init__(
        self,
        ledger: Ledger,
        errors: ErrorsStream,
        request_id_header: str,
        *,
        logged: bool,
        stopping: Callable[[], bool],
    ) -> None:
        super().__init__(self._answer, ledger, errors, request_id_header)
        self._logged = logged
        self._stopping = stopping

    def call(self, connection: Connection) -> int:
        """See :class:`Server`.

        A check whose number cannot be given back, because a later request has begun, has a record after all: a
        number without one would say that a record is lost.
        """
        exchange = connection.exchange
        assert exchange is not None
        if self._logged or not self.ledger.is_newest(exchange):
            return super().call(connection)
        status, body = self._state()
        headers = [*HEADERS, ("Content-Length", str(len(body)))]
        request = connection.request
        keep = connection.may_keep() and request is not None and request.keep_alive
        head, framing = begin_response(request, status, headers, keep, self._id_line(exchange))
        data = head + body if framing.has_body else head
        try:
            connection.ended = connection.sock.send(data) < len(data)
        except OSError:
            connection.ended = True
        self.ledger.cancel(connection, exchange)
        connection.reset()
        connection.keep = not framing.must_close
        return 0

    def _state(self) -> tuple[str, bytes]:
        if self._stopping():
            return "503 Service Unavailable", b"stopping\n"
        return "200 OK", b"ok\n"

    def _answer(self, _environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        status, body = self._state()
        start_response(status, [*HEADERS, ("Content-Length", str(len(body)))])
        return [body]


class HealthRunner:
    """Answers the checks itself, and has all else run by another runner."""

    def __init__(self, inner: Runner, server: HealthServer, path: str) -> None:
        self._inner = inner
        self._server = server
        self._path = path
        self.inline = inner.inline

    def start(self, connection: Connection, /) -> bool:
        """See :class:`Runner`."""
        request = connection.request
        assert request is not None
        if request.path != self._path or request.method not in ("GET", "HEAD"):
            return self._inner.start(connection)
        self._server.call(connection)
        return True

    def look_at_deadlines(self, now: float, /) -> None:
        """See :class:`Runner`."""
        self._inner.look_at_deadlines(now)

    @property
    def full(self) -> bool:
        """See :class:`Runner`."""
        return self._inner.full

    def wind_down(self) -> None:
        """See :class:`Runner`."""
        self._inner.wind_down()

    def stop(self) -> None:
        """See :class:`Runner`."""
        self._inner.stop()


def runner_for(
    settings: Settings,
    runner: Runner,
    ledger: Ledger,
    errors: ErrorsStream,
    stopping: Callable[[], bool],
) -> Runner:
    """The runner that answers the checks; the given one itself where no path is set."""
    if settings.health_path is None:
        return runner
    server = HealthServer(
        ledger, errors, settings.request_id_header, logged=settings.health_log, stopping=stopping
    )
    return HealthRunner(runner, server, settings.health_path)
