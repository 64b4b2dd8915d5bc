"""The one table of access fields: name, type, and how each is taken from an exchange.

The JSON encoder, the formatters, the attributes of the access LogRecord, the text atoms and the
documentation are made from it. Names and types are those of the Elastic Common Schema 9.4; what is
logserve's own stands under ``logserve``. An absent value is left out, never null.

``@timestamp`` is when the request began, so that it stands before the records made during it; its end is
that plus ``event.duration``. Texts that the client sent are redacted, taken as UTF-8 (bytes that are not
become U+FFFD), and cut to :data:`MAX_VALUE` characters, the names of cut fields being in
``logserve.truncated``.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from logserve.logs.access.exchange import TRUNCATED, Exchange
from logserve.logs.access.memo import Memo
from logserve.logs.access.outcome import EVENT_OUTCOME, Outcome
from logserve.logs.access.target import Target
from logserve.logs.redact import Redaction
from logserve.logs.text import client_text
from logserve.logs.tree import Shape
from logserve.shm.layout import Phase

ECS_VERSION: Final = "9.4.0"
MAX_VALUE: Final = 4096
"""Characters of a text from the client that are kept in one field."""
LOGGER_NAME: Final = "logserve.access"
LEVEL_NAME: Final = "info"


class Take(Enum):
    """What an access field's source gives, and so what has to be done before it is written."""

    CONSTANT = "constant"
    """The same in each record."""
    INTEGER = "integer"
    TIME = "time"
    """ns since the epoch; written in UTC with microseconds."""
    WORD = "word"
    """Text of our own that is safe as it is."""
    UNIQUE = "unique"
    """Outside text that is another one in each request."""
    TEXT = "text"
    """Outside text that comes again and again."""
    TARGET = "target"
    """A part of the :class:`Target`, which is clean."""
    MESSAGE = "message"
    """Made of other fields' values."""


@dataclass(frozen=True, slots=True)
class AccessField:
    """One field of the access record.

    :param source: a Python expression over the exchange ``x``, the :class:`Target` ``t`` and :data:`NAMES`.
    :param present: an expression that says whether the field is there; empty: always; ``value``: where the
        source's value is not empty.
    :param header: the header field that it is the value of, for redaction.
    :param usually: the field, unique too, whose value this one mostly has.
    :param words: the table in :data:`NAMES` that has the word for the source's value.
    :param steady: the same in all requests of a connection: of its :class:`Ends`.
    :param common: one of few values, whoever sends what.
    :param atom: the gunicorn atom that shows it, such as ``s``.
    :param own_attribute: the LogRecord attribute's name where it is not the field's with underscores; ``-``
        where the record has it elsewhere, or needs none.
    """

    name: str
    type: str
    take: Take
    source: str
    doc: str
    present: str = ""
    header: str = ""
    atom: str = ""
    own_attribute: str = ""
    usually: str = ""
    words: str = ""
    steady: bool = False
    common: bool = False

    @property
    def attribute(self) -> str:
        """The LogRecord attribute that holds it; empty if none."""
        if self.own_attribute == "-":
            return ""
        return self.own_attribute or self.name.replace(".", "_")


PHASES: Final = tuple(phase.name.lower() for phase in Phase)
OUTCOMES: Final = {outcome: outcome.value for outcome in Outcome}
EVENT_OUTCOMES: Final = EVENT_OUTCOME
_PLAIN_OUTCOMES: Final = (Outcome.OK, Outcome.CLIENT_ERROR, Outcome.SERVER_ERROR)
REMARKS: Final = {
    outcome.value: "" if outcome in _PLAIN_OUTCOMES else f" {outcome.value}" for outcome in Outcome
}
"""What the message says behind the status, by outcome."""

NAMES: Final[dict[str, Any]] = {
    "PHASES": PHASES,
    "OUTCOMES": OUTCOMES,
    "EVENT_OUTCOMES": EVENT_OUTCOMES,
    "REMARKS": REMARKS,
}
"""What the sources may name beside the exchange and the target."""


def message(method: str, shown: str, status: int, remark: str) -> str:
    """The short message: ``GET /path 200``, ``GET /path - worker_killed``."""
    return f"{method or '-'} {shown or '-'} {status or '-'}{remark}"


_CONSTANT, _INTEGER, _WORD, _UNIQUE, _TEXT, _TARGET = (
    Take.CONSTANT,
    Take.INTEGER,
    Take.WORD,
    Take.UNIQUE,
    Take.TEXT,
    Take.TARGET,
)
_SPENT: Final = "x.called and x.returned"

# Inside each group the first field is one that is always there, where the group has one: the encoder's
# commas are made so.
# fmt: off
FIELDS: Final[tuple[AccessField, ...]] = (
    AccessField("@timestamp", "date", Take.TIME, "x.begin_wall", "when the request's first byte was read, UTC", own_attribute="-"),
    AccessField("log.level", "keyword", _CONSTANT, repr(LEVEL_NAME), "the record's level", own_attribute="-"),
    AccessField("log.logger", "keyword", _CONSTANT, repr(LOGGER_NAME), "the logger", own_attribute="-"),
    AccessField("message", "match_only_text", Take.MESSAGE, "", "method, path, status, and the outcome where the status does not say it", own_attribute="-"),
    AccessField("ecs.version", "keyword", _CONSTANT, repr(ECS_VERSION), "the schema's version", own_attribute="-"),
    AccessField("event.id", "keyword", _WORD, "x.id", "unique: boot id, slot, incarnation, sequence number"),
    AccessField("event.kind", "keyword", _CONSTANT, "'event'", "always event", own_attribute="-"),
    AccessField("event.category", "keyword", _CONSTANT, "['web']", "always web", own_attribute="-"),
    AccessField("event.type", "keyword", _CONSTANT, "['access']", "always access", own_attribute="-"),
    AccessField("event.dataset", "keyword", _CONSTANT, "'logserve.access'", "always logserve.access", own_attribute="-"),
    AccessField("event.outcome", "keyword", _WORD, "x.outcome", "success below 400, unknown where the client went away, else failure", words="EVENT_OUTCOMES", common=True),
    AccessField("event.duration", "long", _INTEGER, "x.end - x.begin", "ns from the first byte read to the last byte handed to the kernel, by a monotonic clock"),
    AccessField("http.request.id", "keyword", _UNIQUE, "x.request_id", "the client's, if it sent a well-formed one, else event.id", own_attribute="request_id", usually="event.id"),
    AccessField("http.request.method", "keyword", _TEXT, "x.method", "the method", "value", atom="m", common=True),
    AccessField("http.request.referrer", "keyword", _TEXT, "x.fields.get('HTTP_REFERER', '')", "Referer", "value", "referer", atom="f"),
    AccessField("http.request.body.bytes", "long", _INTEGER, "x.body_received", "bytes of the body that were read"),
    AccessField("http.response.status_code", "long", _INTEGER, "x.status", "the status that went out", "x.status", atom="s", common=True),
    AccessField("http.response.body.bytes", "long", _INTEGER, "x.body_sent", "bytes of the body that went out", "x.status", atom="B"),
    AccessField("http.version", "keyword", _TEXT, "x.version", "1.1 or 1.0", "value", common=True),
    AccessField("url.path", "wildcard", _TARGET, "t.path", "the path as sent", "t.path", atom="U"),
    AccessField("url.query", "keyword", _TARGET, "t.query", "the query as sent, secrets redacted", "t.query", atom="q"),
    AccessField("url.original", "wildcard", _TARGET, "t.original", "the whole target where it is more than path and query", "t.original"),
    AccessField("client.ip", "ip", _TEXT, "x.ends.client_ip", "the client's address; behind trusted proxies the one that they tell", "value", atom="h", steady=True),
    AccessField("client.port", "long", _INTEGER, "x.ends.client_port", "the client's port", "x.ends.client_port", steady=True),
    AccessField("source.ip", "ip", _TEXT, "x.ends.source_ip", "the address of the proxy in front, where client.ip is not the connection's other end", "value", steady=True),
    AccessField("source.port", "long", _INTEGER, "x.ends.source_port", "the proxy's port", "x.ends.source_port", steady=True),
    AccessField("server.address", "keyword", _TEXT, "x.ends.server_address", "the listener's address, or its unix socket's path", "value", steady=True),
    AccessField("server.port", "long", _INTEGER, "x.ends.server_port", "the listener's port", "x.ends.server_port", steady=True),
    AccessField("user_agent.original", "keyword", _TEXT, "x.fields.get('HTTP_USER_AGENT', '')", "User-Agent", "value", "user-agent", atom="a"),
    AccessField("trace.id", "keyword", _UNIQUE, "x.trace_id", "the trace of a valid traceparent", "x.trace_id"),
    AccessField("span.id", "keyword", _UNIQUE, "x.span_id", "this request's span in that trace", "x.span_id"),
    AccessField("process.pid", "long", _INTEGER, "x.origin.pid", "the worker's process id", own_attribute="-"),
    AccessField("logserve.outcome", "keyword", _WORD, "x.outcome", "what became of the request, one of a closed set", words="OUTCOMES", common=True),
    AccessField("logserve.phase", "keyword", _WORD, "x.phase", "where the request stood when it ended", words="PHASES", common=True),
    AccessField("logserve.reason", "keyword", _TEXT, "x.reason", "the rule that a malformed request broke", "value", common=True),
    AccessField("logserve.signal", "keyword", _TEXT, "x.signal", "the signal that killed the worker", "value", common=True),
    AccessField("logserve.worker", "long", _INTEGER, "x.origin.slot", "the worker's slot"),
    AccessField("logserve.connection", "long", _INTEGER, "x.connection", "serial of the connection in its worker"),
    AccessField("logserve.request_in_connection", "long", _INTEGER, "x.number", "number of the request in its connection"),
    AccessField("logserve.seq", "long", _INTEGER, "x.seq", "sequence number in the worker; a hole is a missing record"),
    AccessField("logserve.queue_time", "long", _INTEGER, "x.called - x.begin", "ns from the first byte until the application was called", "x.called"),
    AccessField("logserve.app_time", "long", _INTEGER, "x.returned - x.called", "ns in the application, its iterable included", _SPENT),
    AccessField("logserve.send_time", "long", _INTEGER, "x.end - x.returned", "ns from the application's end to the last byte handed to the kernel", _SPENT),
    AccessField("logserve.parent_id", "keyword", _UNIQUE, "x.parent_id", "the caller's span in a valid traceparent", "x.parent_id"),
)
# fmt: on

BY_NAME: Final = {field.name: field for field in FIELDS}
BY_ATTRIBUTE: Final = {field.attribute: field for field in FIELDS if field.attribute}

SHAPE: Final = Shape(
    [
        *BY_NAME,
        TRUNCATED,
        "error.type",
        "error.message",
        "error.stack_trace",
        "log.origin.file.name",
        "log.origin.file.line",
        "log.origin.function",
        "process.name",
        "process.thread.id",
        "process.thread.name",
        "service.name",
    ]
)
"""Which names are fields with a value and which are groups, in access and application records."""


def iso_time(microseconds: int) -> str:
    """Microseconds since the epoch as ``2026-11-24T22:18:46.123456Z``."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_SECONDS[seconds]}.{rest:06d}Z"


def _iso_second(seconds: int) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # beyond the year 9999: a clock gone wrong
        moment = datetime.datetime.fromtimestamp(0, datetime.UTC)
    return moment.isoformat()[: len("2026-11-24T22:18:46")]


_SECONDS: Final = Memo(_iso_second)


def _compiled(source: str) -> Callable[[Exchange, Target], Any]:
    function: Callable[[Exchange, Target], Any] = eval(f"lambda x, t: {source}", dict(NAMES))
    return function


def taker(field: AccessField) -> Callable[[Exchange, Target], Any]:
    """A function that takes a field's raw value; None where the field is absent."""
    source = f"{field.words}[{field.source}]" if field.words else field.source or "''"
    if field.present not in ("", "value"):
        source = f"{source} if {field.present} else None"
    return _compiled(source)


# Looked up once: reading a member of an Enum class takes as long as reading three fields.
_TAKERS: Final = [
    (field, taker(field), field.take in (Take.TEXT, Take.UNIQUE, Take.TARGET), field.take is Take.TARGET)
    for field in FIELDS
]


CONSTANTS: Final = {field.name: eval(field.source) for field in FIELDS if field.take is Take.CONSTANT}
"""What is the same in each record."""


def values(exchange: Exchange, redaction: Redaction) -> dict[str, Any]:
    """All fields that are there, by name, in the table's order: redacted, clean, cut."""
    target = Target.parse(exchange.target, redaction)
    fields: dict[str, Any] = {}
    truncated: list[str] = []
    for field, take, is_text, is_clean in _TAKERS:
        value = take(exchange, target)
        if value is None:
            continue
        if is_text:
            if not value and field.present:
                continue
            if field.header:
                value = redaction.header(field.header, value)
            if not is_clean:
                value = client_text(value)
            if len(value) > MAX_VALUE:
                truncated.append(field.name)
                value = value[:MAX_VALUE]
        fields[field.name] = value
    fields["@timestamp"] = iso_time(exchange.begin_wall // 1000)
    if truncated:
        fields[TRUNCATED] = truncated
    fields["message"] = message_of(fields)
    return fields


def message_of(fields: dict[str, Any]) -> str:
    """The short message for these fields."""
    return message(
        fields.get("http.request.method", ""),
        fields.get("url.path") or fields.get("url.original", ""),
        fields.get("http.response.status_code", 0),
        REMARKS.get(fields.get("logserve.outcome", ""), ""),
    )
