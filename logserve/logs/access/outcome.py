"""What became of a request: the closed set of outcomes, said once."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """One word for each way in which a request can end; ``logserve.outcome`` of its access record."""

    OK = "ok"
    """The whole answer, below 400, was handed to the kernel and the socket had no error."""
    CLIENT_ERROR = "client_error"
    """The application's whole answer, 400 to 499, went out."""
    SERVER_ERROR = "server_error"
    """The application's whole answer, 500 to 599, went out."""
    MALFORMED = "malformed"
    """The request broke HTTP; ``logserve.reason`` says which rule."""
    TOO_LARGE = "too_large"
    """The request line, its fields or its body exceeded a limit (413, 414, 431)."""
    REFUSED = "refused"
    """There were too many connections, of its address (429) or of all (503); ``logserve.reason`` says which."""
    TIMEOUT_HEADER = "timeout_header"
    """The request's header did not arrive in time."""
    TIMEOUT_BODY = "timeout_body"
    """The request's body made no progress in time."""
    TIMEOUT_SEND = "timeout_send"
    """The client did not take the answer in time."""
    TIMEOUT_REQUEST = "timeout_request"
    """The application did not answer within the request's deadline."""
    CLIENT_ABORTED = "client_aborted"
    """The client went away; ``logserve.phase`` says where the request stood."""
    APP_RAISED = "app_raised"
    """The application raised; a status of 500 was sent where nothing had been sent before."""
    APP_SHORT = "app_short"
    """The application gave fewer bytes than its Content-Length."""
    APP_LONG = "app_long"
    """The application gave more bytes than its Content-Length; those beyond it were not sent."""
    WORKER_KILLED = "worker_killed"
    """The worker died by a signal (``logserve.signal``) while the request was in flight."""
    WORKER_EXITED = "worker_exited"
    """The worker's process ended by itself while the request was in flight."""
    WORKER_TIMEOUT = "worker_timeout"
    """The worker did not answer the arbiter and was killed while the request was in flight, or it was replaced
    because another of its requests hung, and this one did not end within the graceful timeout."""
    UNANSWERED = "unanswered"
    """The client had sent it behind an earlier request, with whose answer the connection ended."""
    SHUTDOWN = "shutdown"
    """The server stopped before the request was answered."""


SUCCESS: Final = "success"
FAILURE: Final = "failure"
UNKNOWN: Final = "unknown"

EVENT_OUTCOME: Final[dict[Outcome, str]] = {
    **dict.fromkeys(Outcome, FAILURE),
    Outcome.OK: SUCCESS,
    # The server did its part; whether the client had what it wanted cannot be known.
    Outcome.CLIENT_ABORTED: UNKNOWN,
}
"""ECS ``event.outcome`` for each outcome: 4xx is a failure, as in Elastic's own web server integrations."""


def outcome_of(status: int) -> Outcome:
    """The outcome of an answer with this status that the application gave and that went out whole."""
    if status < 400:
        return Outcome.OK
    return Outcome.CLIENT_ERROR if status < 500 else Outcome.SERVER_ERROR
