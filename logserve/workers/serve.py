"""One request from its parsed head to its record: the application's call and everything that may go wrong.

:meth:`Server.call` runs in whatever thread the worker type gives it; the connection is that thread's until it
returns. It touches no poller and no timer: what comes next is read from the connection by the loop.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from typing import Any

from logserve import http1
from logserve.errors import RemoteProtocolError
from logserve.http1.response import error_response
from logserve.logs import redact
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.outcome import Outcome, outcome_of
from logserve.logs.capture import ErrorsStream
from logserve.logs.context import new_span_id, parse_traceparent, set_current, well_formed_request_id
from logserve.shm.layout import Phase
from logserve.workers.connection import Connection, Undeliverable
from logserve.workers.ledger import APPLICATION, SENDING, Ledger
from logserve.workers.protocol_log import ProtocolLog
from logserve.wsgi.environ import request_environ
from logserve.wsgi.response import Response
from logserve.wsgi.traceback import application_frames

_monotonic_ns = time.monotonic_ns
# Bound once: a look at a member of an Enum class takes as long as four at a variable.
_IN_APPLICATION, _IN_SENDING = Phase.APPLICATION, Phase.SENDING
log = logging.getLogger("logserve.error")


class QuickStop(BaseException):
    """Raised inside the application's call by a quick stop (INT, QUIT)."""


class Server:
    """Answers requests with one application.

    :param errors: ``wsgi.errors``; what is left in it is flushed when a call ends.
    :param request_id_header: the header that carries the request's id, both ways.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        ledger: Ledger,
        errors: ErrorsStream,
        request_id_header: str,
    ) -> None:
        self.application = application
        self.ledger = ledger
        self._errors = errors
        self._protocol_log = ProtocolLog()
        self.in_application = False
        """Whether a call runs; where they run in several threads it says nothing."""
        self._id_field = "HTTP_" + request_id_header.upper().replace("-", "_")
        self._id_prefix = request_id_header.encode("latin-1") + b": "

    def look_back(self, now: float) -> None:
        """What is due from time to time, at `now` (CLOCK_MONOTONIC, seconds)."""
        self._protocol_log.summarise(now)

    # -- before the call

    def head_complete(self, connection: Connection, request: http1.Request, phase: int) -> None:
        """The head has been read: its exchange gets the facts, its entry the request line."""
        exchange = connection.exchange
        assert exchange is not None
        connection.request = request
        exchange.method = request.method
        exchange.target = request.target
        exchange.version = request.version
        exchange.fields = fields = request.fields
        trace = fields.get("HTTP_TRACEPARENT", "")
        given = fields.get(self._id_field, "")
        if not trace and not given:
            exchange.request_id = exchange.id
            self.ledger.describe(connection, request.line, b"", b"", phase)
            return
        minted = identify(exchange, given, trace)
        self.ledger.describe(
            connection,
            request.line,
            trace.encode("latin-1"),
            b"" if minted else given.encode("latin-1"),
            phase,
        )

    # -- the call

    def call(self, connection: Connection) -> int:
        """Call the application and send its answer as far as the client takes it.

        Afterwards the request either has its record (`exchange` is None), and `keep` and `ended` say what comes
        next, or something of its answer still waits for the client.

        The request stays the current one of this context until the next call, or until the caller ends it: the
        change of a context variable is dear.

        :returns: how long the application took, in ns.
        :raises QuickStop: the call was ended by a quick stop; the request has its record.
        """
        exchange, request = connection.exchange, connection.request
        assert exchange is not None
        assert request is not None
        response = connection.response = Response(request, connection, self._id_line(exchange))
        environ = request_environ(connection.environ, request)
        body = connection.body
        if body is None:
            environ["wsgi.input"] = io.BytesIO()
        else:
            exchange.body_received = body.received
            environ["wsgi.input"] = body.open()
        environ["wsgi.early_hints"] = response.early_hints
        exchange.environ = environ
        exchange.phase = _IN_APPLICATION
        set_current(exchange)
        self.ledger.phase(connection, APPLICATION)
        exchange.called = called = _monotonic_ns()
        self.in_application = True
        try:
            last = response.run(self.application, environ)
            self.in_application = False
            exchange.returned = returned = _monotonic_ns()
        except BaseException as error:
            self.in_application = False
            exchange.returned = returned = _monotonic_ns()
            self._failed(connection, exchange, response, error)
            if isinstance(error, QuickStop):
                raise
        else:
            self._answered(connection, exchange, response, last)
        finally:
            if self._errors.may_wait:
                self._errors.flush()
        return returned - called

    def _id_line(self, exchange: Exchange) -> bytes:
        return b"%b%b\r\n" % (self._id_prefix, exchange.request_id.encode())

    def _answered(self, connection: Connection, exchange: Exchange, response: Response, last: bytes) -> None:
        assert response.framing is not None
        exchange.status = status = response.framing.status
        exchange.response_headers = response.headers
        exchange.body_sent = response.written
        exchange.phase = _IN_SENDING
        if response.outcome is None:
            if status >= 400:
                exchange.outcome = outcome_of(status)
        else:
            exchange.outcome = response.outcome
            log.error("%s", response.problem, extra={"event.reason": response.outcome.value})
        connection.keep = response.keep_alive
        self.send_last(connection, last)

    def _failed(
        self, connection: Connection, exchange: Exchange, response: Response, error: BaseException
    ) -> None:
        """The application raised, or its answer could not go out."""
        connection.keep = False
        if response.framing is not None:
            exchange.response_headers = response.headers
            exchange.status = response.framing.status
        if connection.gone is not None and (error is connection.gone or isinstance(error, OSError)):
            self.undeliverable(connection, connection.gone)
            return
        stopped = isinstance(error, QuickStop)
        exchange.outcome = Outcome.SHUTDOWN if stopped else Outcome.APP_RAISED
        started = response.framing is not None and (
            connection.answer_began or connection.outgoing is not None
        )
        exchange.reason = "after_headers" if started else "before_headers"
        if not stopped:
            log.error(
                "the application raised %s %s: %s %s",
                type(error).__name__,
                "after the response's headers" if started else "before the response's headers",
                exchange.method,
                redact.active().url(exchange.target),
                exc_info=(type(error), error, application_frames(error)),
            )
        if not started:
            self.send_error(connection, 503 if stopped else 500, "shutdown" if stopped else "app_raised")
            return
        exchange.phase = _IN_SENDING
        exchange.body_sent = self._body_sent(connection)
        if not connection.answer_began:
            exchange.status = 0  # what there was of it waits in memory, and goes with the connection
        self.abort(connection)

    def note_progress(self, connection: Connection) -> None:
        """Some of a streamed answer has gone out: what a record would say if the worker died now."""
        response = connection.response
        if response is not None and response.framing is not None and connection.answer_began:
            self.ledger.progress(connection, response.framing.status, self._body_sent(connection))

    # -- the answer's end

    def send_last(self, connection: Connection, last: bytes) -> None:
        """Send the last bytes with the record prepared, or leave them to the loop behind what still waits."""
        exchange = connection.exchange
        assert exchange is not None
        try:
            if self._push(connection, exchange, last):
                return
        except OSError as error:
            self._account(connection, exchange, last)
            self._not_delivered(connection, error)
            return
        self._account(connection, exchange, last)
        self.ledger.progress(connection, exchange.status, self._body_sent(connection))
        self.ledger.phase(connection, SENDING)

    def resume(self, connection: Connection) -> bool:
        """The client reads again: go on sending; True when something went out or the request is done."""
        exchange = connection.exchange
        assert exchange is not None
        before = connection.sent
        try:
            if self._push(connection, exchange, connection.last):
                return True
        except OSError as error:
            self._not_delivered(connection, error)
            return True
        self.ledger.progress(connection, exchange.status, self._body_sent(connection))
        return connection.sent > before

    def _not_delivered(self, connection: Connection, error: OSError) -> None:
        self.undeliverable(
            connection, error if isinstance(error, Undeliverable) else Undeliverable.client_gone(error)
        )

    def _push(self, connection: Connection, exchange: Exchange, last: bytes) -> bool:
        """Send what waits and then the last bytes; True when all is out and the record is published."""
        if connection.outgoing is not None and not connection.flush():
            # The record is prepared before the last bytes, so where they wait in memory they are taken back.
            connection.last = last or connection.outgoing.take_last()
            return False
        exchange.end = _monotonic_ns()
        if last:
            sent = self.ledger.answer(connection, exchange, last)
            if sent < len(last):
                connection.sent += sent
                connection.last = last[sent:]
                return False
        else:
            self.ledger.record(connection, exchange)
        connection.reset()
        return True

    def _account(self, connection: Connection, exchange: Exchange, last: bytes) -> None:
        """Once it is known that an answer does not go out at once: how many of its bytes are not the body's."""
        connection.overhead += len(last) - (exchange.body_sent - connection.written)

    def send_error(self, connection: Connection, status: int, reason: str) -> None:
        """Answer with an error of the server's own; the connection ends with it."""
        exchange = connection.exchange
        assert exchange is not None
        exchange.status = status
        data = error_response(status, reason, self._id_line(exchange), exchange.method)
        exchange.body_sent = len(data) - data.index(b"\r\n\r\n") - 4
        connection.keep = False
        self.send_last(connection, data)

    def abort(self, connection: Connection) -> None:
        """Write the record of a request whose answer ends here, and end the connection."""
        exchange, response = connection.exchange, connection.response
        assert exchange is not None
        exchange.end = _monotonic_ns()
        framing = response.framing if response is not None else None
        self.ledger.record(connection, exchange)
        connection.reset()
        if connection.outgoing is not None:
            connection.outgoing.close()
            connection.outgoing = None
        connection.keep = False
        connection.ended = True
        if framing is not None and framing.has_body and not framing.chunked and framing.length is None:
            connection.reset_on_close()  # who reads until the end would take the torn body for whole

    # -- what else may become of a request

    def undeliverable(self, connection: Connection, why: Undeliverable) -> None:
        """The answer could not be handed over whole."""
        exchange = connection.exchange
        assert exchange is not None
        exchange.outcome = why.outcome
        exchange.reason = why.reason
        exchange.body_sent = self._body_sent(connection)
        exchange.phase = _IN_SENDING
        if not connection.answer_began:
            exchange.status = 0
            if why.outcome is Outcome.CLIENT_ABORTED:
                exchange.phase = _IN_APPLICATION  # it left while it waited
        sentence = f"{why}: {exchange.method} {redact.active().url(exchange.target)}"
        if why.outcome in (Outcome.CLIENT_ABORTED, Outcome.TIMEOUT_SEND):
            self._protocol_log.tell(exchange, logging.INFO, sentence)
        else:
            _say(exchange, sentence)
        self.abort(connection)

    def client_left_early(self, connection: Connection, phase: Phase) -> None:
        """The client closed or reset the connection inside its request."""
        exchange = connection.exchange
        assert exchange is not None
        exchange.outcome = Outcome.CLIENT_ABORTED
        exchange.reason = "client_closed"
        exchange.phase = phase
        self._fill_partial(connection, exchange)
        self._protocol_log.tell(exchange, logging.INFO, "the client left inside its request")
        self.abort(connection)

    def reader_timed_out(self, connection: Connection) -> None:
        """The client took nothing of its answer for ``--send-timeout``."""
        self.undeliverable(connection, Undeliverable.reader_timed_out(connection.send_timeout))

    def body_not_kept(self, connection: Connection, error: OSError) -> None:
        """The request's body could not be kept: a full disk, no descriptor."""
        exchange = connection.exchange
        assert exchange is not None
        self._fill_partial(connection, exchange)
        exchange.outcome = Outcome.SERVER_ERROR
        exchange.phase = Phase.BODY
        exchange.reason = "body_not_kept"
        what = f"{exchange.method} {redact.active().url(exchange.target)}"
        _say(exchange, f"the request's body could not be kept: {error.strerror or error}: {what}")
        self.send_error(connection, 503, exchange.reason)

    def shut_down(self, connection: Connection) -> None:
        """A quick stop ends a request that is being read or answered."""
        exchange = connection.exchange
        assert exchange is not None
        self._fill_partial(connection, exchange)
        exchange.outcome = Outcome.SHUTDOWN
        exchange.phase = self.ledger.phase_of(connection)
        exchange.body_sent = self._body_sent(connection)
        if not connection.answer_began:
            exchange.status = 0
        self.abort(connection)

    def unanswered(self, connection: Connection) -> None:
        """The connection ended with the answer to an earlier request."""
        exchange = connection.exchange
        assert exchange is not None
        self._fill_partial(connection, exchange)
        exchange.outcome = Outcome.UNANSWERED
        exchange.phase = self.ledger.phase_of(connection)
        exchange.reason = "connection_ended"
        self.abort(connection)

    def refuse(self, connection: Connection, error: RemoteProtocolError) -> None:
        """The request broke a rule of HTTP, or a limit, or came too slowly: answer and end."""
        exchange = connection.exchange
        assert exchange is not None
        self._fill_partial(connection, exchange)
        in_body = connection.body is not None
        exchange.phase = Phase.BODY if in_body else Phase.HEADER
        if error.status == 408:
            exchange.outcome = Outcome.TIMEOUT_BODY if in_body else Outcome.TIMEOUT_HEADER
        elif error.status in (413, 414, 431):
            exchange.outcome = Outcome.TOO_LARGE
        elif error.status in (429, 503):
            exchange.outcome = Outcome.REFUSED
        else:
            exchange.outcome = Outcome.MALFORMED
        exchange.reason = error.reason
        self._protocol_log.tell(exchange, logging.WARNING, str(error))
        self.send_error(connection, error.status, error.reason)

    def _fill_partial(self, connection: Connection, exchange: Exchange) -> None:
        if connection.body is not None:
            exchange.body_received = connection.body.received
        if connection.request is None:
            partial = connection.http.partial
            if partial is None:  # it broke no rule, it was cut off
                connection.http.time_out()
                partial = connection.http.partial
                assert partial is not None
            exchange.method = partial.method
            exchange.target = partial.target
            exchange.version = partial.version
            exchange.fields = partial.fields
            identify(
                exchange, partial.fields.get(self._id_field, ""), partial.fields.get("HTTP_TRACEPARENT", "")
            )

    @staticmethod
    def _body_sent(connection: Connection) -> int:
        """Body bytes that the kernel took, as far as the framing lets one tell: never more than went out."""
        exchange = connection.exchange
        assert exchange is not None
        sent = max(0, connection.sent - connection.overhead)
        return min(sent, exchange.body_sent) if exchange.body_sent else sent


def identify(exchange: Exchange, given: str, traceparent: str) -> bool:
    """Give a request its ids; True where its request id is minted, because the client gave no good one."""
    if traceparent and (parent := parse_traceparent(traceparent)) is not None:
        exchange.trace_id = parent.trace_id
        exchange.parent_id = parent.parent_id
        exchange.span_id = new_span_id()
    if given and well_formed_request_id(given):
        exchange.request_id = given
        return False
    exchange.request_id = exchange.id
    return True


def _say(exchange: Exchange, sentence: str) -> None:
    """Log an error of a request's outside of its call, under its ids."""
    token = set_current(exchange)
    log.error("%s", sentence, extra={"event.reason": exchange.reason})
    token.var.reset(token)
