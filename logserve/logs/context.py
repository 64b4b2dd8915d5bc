"""The current request: what a record made during a request knows about it.

The worker sets the exchange before it calls the application. Records made in the call, in threads started
with a copied context (``contextvars.copy_context().run``) and in tasks inherit it.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple

from logserve.logs.access.exchange import Exchange
from logserve.shm.layout import MAX_ID_TEXT

_current: Final[ContextVar[Exchange | None]] = ContextVar("logserve_exchange", default=None)

IDS: Final = "_logserve_ids"
"""The attribute of a LogRecord with its ids; the public ones may be the application's own."""
Ids = tuple[str, str, str, str]
"""A record's request id, trace id, span id and event id; empty where it has none."""

MAX_REQUEST_ID: Final = MAX_ID_TEXT
"""Characters of the longest request id that is taken from a client: what a request's scoreboard entry holds."""

# Letters, digits and the marks of UUID, ULID, base64, URL-safe and AWS trace ids: no blank, quote, backslash,
# comma, semicolon or bracket, so that an id can neither end nor forge a field in any format or header.
_REQUEST_ID: Final = re.compile(rf"[0-9A-Za-z._~+/=:@-]{{1,{MAX_REQUEST_ID}}}", re.ASCII)

# W3C Trace Context, section 3.2: version "ff" is invalid, all-zero ids are invalid, hex is lower-case.
# Version 00 ends behind the flags; a later one may go on behind another dash (section 3.2.4).
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)


class TraceParent(NamedTuple):
    """What a ``traceparent`` header says: the trace, and the caller's span in it."""

    trace_id: str
    parent_id: str


def well_formed_request_id(value: str) -> bool:
    """Whether a client's request id is taken: 1 to 128 of letters, digits and ``. _ ~ + / = : @ -``."""
    return _REQUEST_ID.fullmatch(value) is not None


def parse_traceparent(value: str) -> TraceParent | None:
    """A ``traceparent`` header's ids, or None where it is invalid (W3C Trace Context, section 3.2)."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None or (match["more"] is not None and match["version"] == "00"):
        return None
    return TraceParent(match["trace"], match["parent"])


def new_span_id() -> str:
    """16 random hex digits, never all zero: this request's own span in its caller's trace."""
    drawn = int.from_bytes(os.urandom(8), "big")  # from the kernel: two forks never draw the same
    return f"{drawn or 1:016x}"


set_current: Final[Callable[[Exchange | None], Token[Exchange | None]]] = _current.set
"""Make an exchange the current request of this context; None ends it."""

current_exchange: Final[Callable[[], Exchange | None]] = _current.get
"""The exchange of the request that this code runs for."""


def add_ids(fields: dict[str, Any], exchange: Exchange | None, event_id: str = "") -> None:
    """Give a LogRecord's attributes the ids of its request and its own.

    `request_id`, `trace_id`, `span_id` and `event_id` are set unless the application's `extra` has such names:
    then the server's stand in :data:`IDS` alone.

    :param event_id: empty where it is not known yet.
    """
    if event_id:
        fields.setdefault("event_id", event_id)
    if exchange is None:
        fields[IDS] = ("", "", "", event_id)
        return
    fields[IDS] = (exchange.request_id, exchange.trace_id, exchange.span_id, event_id)
    fields.setdefault("request_id", exchange.request_id)
    if exchange.trace_id:
        fields.setdefault("trace_id", exchange.trace_id)
        fields.setdefault("span_id", exchange.span_id)


def ids_of(fields: Mapping[str, Any]) -> Ids | None:
    """The ids that the server gave a record with these attributes; None where it gave none."""
    ids = fields.get(IDS)
    if not isinstance(ids, tuple) or len(ids) != 4 or not all(type(one) is str for one in ids):
        return None  # an `extra` of the application's
    return ids


def stamp_all_records() -> None:
    """Have every record that is made during a request carry its ids, whatever handler takes it.

    A wrapper of ``Logger.makeRecord``, and no log record factory: with that, an application's
    ``extra={"request_id": ...}`` would raise KeyError.
    """
    if getattr(logging.Logger.makeRecord, "logserve", False):
        return
    make_record = logging.Logger.makeRecord

    @functools.wraps(make_record)
    def stamped(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make_record(*arguments, **named)
        exchange = _current.get()
        if exchange is not None:
            add_ids(record.__dict__, exchange)
        return record

    stamped.logserve = True  # type: ignore[attr-defined]
    logging.Logger.makeRecord = stamped  # type: ignore[method-assign]


class CurrentRequest:
    """The application's view of its request; ``logserve.current_request()`` gives it.

    Its added fields stand in the access record at the top level under their own names; one that collides
    with a field of the server's goes under ``logserve.extra``.
    """

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def id(self) -> str:
        """The request's id, as sent back in the response and written in each of its records."""
        return self._exchange.request_id

    @property
    def trace_id(self) -> str:
        """The trace that the client named in ``traceparent``; empty if none."""
        return self._exchange.trace_id

    @property
    def span_id(self) -> str:
        """This request's own span in that trace; empty if none."""
        return self._exchange.span_id

    @property
    def method(self) -> str:
        """The request method, such as ``GET``."""
        return self._exchange.method

    @property
    def path(self) -> str:
        """The target's path as sent: percent-encoding kept, no query."""
        return self._exchange.target.partition("?")[0]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields added so far; a plain mapping that may be changed until the request ends."""
        extra = self._exchange.extra
        if extra is None:
            extra = self._exchange.extra = {}
        return extra

    def add(self, **fields: Any) -> None:
        """Add fields to the request's access record, of any type; the last value of a name counts."""
        self.fields.update(fields)

    def __repr__(self) -> str:
        return f"<CurrentRequest {self.id} {self.method} {self.path}>"


def current_request() -> CurrentRequest | None:
    """The request that this code runs for; None outside one (at import, in a thread with a fresh context)."""
    exchange = _current.get()
    return None if exchange is None else CurrentRequest(exchange)
