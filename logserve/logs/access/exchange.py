"""One request and what became of it: what the access record is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from logserve.logs.access.outcome import Outcome
from logserve.logs.origin import Origin
from logserve.shm.layout import Phase

TRUNCATED: Final = "logserve.truncated"
"""The field that names what was cut or left out of a record."""

NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


class Ends(NamedTuple):
    """The two ends of a connection; empty and 0 for what a unix socket does not have."""

    client_ip: str = ""
    """Whose request it is: the other end, or where proxies are trusted who called them."""
    client_port: int = 0
    server_address: str = ""
    """The listener's address, or the path of its unix socket."""
    server_port: int = 0
    source_ip: str = ""
    """The connection's other end, where that is not the client: a proxy."""
    source_port: int = 0


NO_ENDS: Final = Ends()


class Exchange:
    """Filled by the worker while the request goes its way; a plain holder, since it is made for each request.

    Times are ns; 0 means that it did not happen. With all of them set, the request's duration is the sum of
    ``called - begin`` (reading it, waiting for the worker), ``returned - called`` (the application, its
    iterable included) and ``end - returned`` (handing the rest of the answer to the kernel).

    What the client sent stands here as it came: bytes as latin-1 text, secrets included. Whoever writes it
    anywhere goes through the field table, which redacts and cleans it.
    """

    # No slots: what stands in the class costs nothing until a request sets it.

    origin: Origin
    """Which process serves it; with `seq` it makes the record's id."""
    seq: int
    """Sequence number of the access record, drawn when the request begins."""
    connection: int
    """Serial of the connection in its worker, from 1."""
    number: int
    """Number of the request in its connection, from 1."""
    id: str
    """``origin.access_id(seq)``: the record's ``event.id``."""
    request_id: str = ""
    """The client's, if it sent a well-formed one, else `id`."""
    trace_id: str = ""
    """32 hex digits of a valid ``traceparent``, or empty."""
    span_id: str = ""
    """16 hex digits that name this request in that trace, or empty."""
    parent_id: str = ""
    """16 hex digits of the caller's span, or empty."""
    method: str = ""
    """Empty where the request line did not arrive or could not be read."""
    target: str = ""
    """The request target as sent."""
    version: str = ""
    """``1.1`` or ``1.0``; empty like `method`."""
    fields: Mapping[str, str] = NO_FIELDS
    """Header fields by their CGI names: ``HTTP_USER_AGENT``, ``CONTENT_TYPE``."""
    ends: Ends
    body_received: int = 0
    """Bytes of the request's body that were read, framing not counted."""
    status: int = 0
    """0 where no answer began."""
    body_sent: int = 0
    """Bytes of the response's body that went out, framing not counted."""
    response_headers: Sequence[tuple[str, str]] = ()
    """What was sent, in order."""
    begin: int
    """The first byte was read (CLOCK_MONOTONIC, ns)."""
    begin_wall: int
    """The same moment, ns since the epoch."""
    called: int = 0
    """The application was called."""
    returned: int = 0
    """The application's iterable was exhausted and closed."""
    end: int = 0
    """The last byte was handed to the kernel, or the request was given up."""
    outcome: Outcome = Outcome.OK
    phase: Phase = Phase.HEADER
    """Where the request stood when it ended."""
    reason: str = ""
    """Stable code of the rule that a malformed request broke, or empty."""
    signal: str = ""
    """The signal that killed the worker, such as ``SIGKILL``, or empty."""
    environ: dict[str, Any] | None = None
    """The application's WSGI environment; None where it was not called."""
    extra: dict[str, Any] | None = None
    """Fields that the application added to its access record."""

    def __init__(
        self,
        origin: Origin,
        seq: int = 0,
        connection: int = 0,
        number: int = 0,
        begin: int = 0,
        begin_wall: int = 0,
        ends: Ends = NO_ENDS,
    ) -> None:
        self.origin = origin
        self.seq = seq
        self.connection = connection
        self.number = number
        self.begin = begin
        self.begin_wall = begin_wall
        self.ends = ends
        self.id = f"{origin.prefix}{seq:x}"  # Origin.access_id(), without its call
