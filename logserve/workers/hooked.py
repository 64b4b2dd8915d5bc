"""The server and the access plan that a worker's hooks and logger class ask for; the plain ones where there are none.

Chosen when the worker starts: a request pays for no hook that there is not.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from logserve.logs.access.plan import AccessPlan
from logserve.logs.context import set_current
from logserve.logs.origin import Origin
from logserve.workers.connection import Connection
from logserve.workers.serve import Server

if TYPE_CHECKING:
    from logserve.compat.hooks import WorkerSide


def server_for(side: WorkerSide | None, *arguments: Any) -> Server:
    """The server for these arguments of :class:`Server`."""
    if side is None or not (side.hooks.has("pre_request") or side.hooks.has("post_request")):
        return Server(*arguments)
    return HookedServer(side, *arguments)


def plan_for(side: WorkerSide | None, logger: logging.Logger, origin: Origin) -> AccessPlan:
    """The plan for a logger as it is now."""
    if side is None:
        return AccessPlan.of(logger, origin)
    from logserve.compat.plan import access_plan

    return access_plan(side, logger, origin)


class HookedServer(Server):
    """Calls ``pre_request`` and ``post_request`` around the application's call, in its thread and context."""

    def __init__(self, side: WorkerSide, *arguments: Any) -> None:
        from logserve.compat.views import RequestView, ResponseView

        super().__init__(*arguments)
        self._worker = side.worker
        self._before = side.hooks.of_requests("pre_request")
        self._after = side.hooks.of_requests("post_request")
        self._request_view = RequestView
        self._response_view = ResponseView

    def call(self, connection: Connection) -> int:
        """See :class:`Server`."""
        exchange = connection.exchange
        assert exchange is not None
        request = self._request_view(exchange)
        if self._before is not None:
            set_current(exchange)
            self._before(self._worker, request)
        self._worker.nr += 1
        try:
            return super().call(connection)
        finally:
            if self._after is not None:
                environ = exchange.environ if exchange.environ is not None else {}
                self._after(self._worker, request, environ, self._response_view(exchange, request))
