"""What goes back to the client: heads, chunks and the server's own error answers, as bytes.

The application's status and header fields are checked before a byte is sent; how the body is framed follows
from them, the request's method and its version (RFC 9112 6.3).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, NamedTuple
from wsgiref.util import is_hop_by_hop

from logserve.errors import LocalProtocolError
from logserve.http1 import grammar
from logserve.http1.request import Request

Headers = Sequence[tuple[str, str]]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

CACHE_MAX = 512
"""Entries that each cache of this module holds at most; when full it learns no more."""


class Kind(Enum):
    """What a field name means to the server."""

    PLAIN = auto()
    CONTENT_LENGTH = auto()
    DATE = auto()
    SERVER = auto()


_PLAIN = Kind.PLAIN
_CONTENT_LENGTH = Kind.CONTENT_LENGTH
_KINDS = {"content-length": Kind.CONTENT_LENGTH, "date": Kind.DATE, "server": Kind.SERVER}

HEADS_MAX = 128
"""Heads that are remembered at most; one more, and all are forgotten."""
HEAD_LENGTH_MAX = 512
"""Bytes of the longest head that is worth its memory."""

_names: dict[str, Kind] = {}
_statuses: dict[str, tuple[int, str]] = {}

_second = -1
_date_and_server = b""


class ResponseFraming:
    """How the body that follows a head is delimited."""

    __slots__ = ("chunked", "has_body", "length", "must_close", "status")

    def __init__(
        self, status: int, chunked: bool, length: int | None, has_body: bool, must_close: bool
    ) -> None:
        self.status = status
        """The status code."""
        self.chunked = chunked
        """Each piece goes through encode_chunk(), then comes LAST_CHUNK."""
        self.length = length
        """Bytes that the application's Content-Length announces, None without one."""
        self.has_body = has_body
        """Whether any byte of a body may be sent."""
        self.must_close = must_close
        """Whether the connection ends with this answer."""


class _Head(NamedTuple):
    """What the application's status and headers make of a head."""

    lines: bytes
    framing: ResponseFraming
    date: bool
    """Whether the application sent a Date of its own."""
    server: bool
    """Whether it sent a Server of its own."""


_heads: dict[tuple[object, ...], _Head] = {}
"""By all that a head depends on; most answers of an application are alike."""


def begin_response(
    request: Request | None,
    status: str,
    headers: Headers,
    keep_alive: bool,
    extra: bytes = b"",
    known_length: int | None = None,
) -> tuple[bytes, ResponseFraming]:
    """The head of an answer, and how its body is framed.

    :param request: None where it was malformed.
    :param status: such as `200 OK`.
    :param headers: the application's, in order.
    :param keep_alive: whether the server would keep the connection.
    :param extra: the server's own field lines, each with its CR LF.
    :param known_length: the body's bytes, where all of it is there already; announced if `headers` do not.
    :raises LocalProtocolError: status or headers are not as PEP 3333 asks.
    """
    try:
        key = (status, request and (request.method, request.version), keep_alive, known_length, *headers)
        made = _heads.get(key)
    except TypeError:  # no headers at all, or one that is no tuple
        raise _bad_types(status, headers) from None
    if made is None:
        made = _make_head(request, status, headers, keep_alive, known_length)
        if len(made.lines) <= HEAD_LENGTH_MAX:
            if len(_heads) >= HEADS_MAX:
                _heads.clear()
            _heads[key] = made
    if made.date or made.server:
        own = _own_lines(made.date, made.server)
    else:
        own = _date_and_server if int(time.time()) == _second else _renew_date()
    return b"".join((made.lines, own, extra, b"\r\n")), made.framing


def _make_head(
    request: Request | None, status: str, headers: Headers, keep_alive: bool, known_length: int | None
) -> _Head:
    length: int | None = None
    date = server = False
    try:
        code, first_line = _statuses.get(status) or _learn_status(status)
        parts = [first_line]
        for name, value in headers:
            kind = _names.get(name) or _learn_name(name)
            if kind is not _PLAIN:
                if kind is _CONTENT_LENGTH:
                    length = _content_length(value, length)
                    continue
                date = date or kind is Kind.DATE
                server = server or kind is Kind.SERVER
            if not value.isprintable():
                _check_value(name, value)
            parts.append(f"{name}: {value}\r\n")
    except (TypeError, ValueError, AttributeError):
        raise _bad_types(status, headers) from None

    if length is None and known_length is not None and code not in (204, 304):
        # No body for a HEAD says nothing about a GET's (RFC 9110 8.6).
        length = known_length or (None if request is not None and request.method == "HEAD" else 0)
    framing, framing_line = _frame(request, code, length, keep_alive)
    parts.append(framing_line)
    try:
        return _Head("".join(parts).encode("latin-1"), framing, date, server)
    except UnicodeEncodeError as error:
        raise _not_latin_1(error) from None


def encode_chunk(data: bytes) -> bytes:
    """One chunk; nothing for no data, which would be the last one (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def encode_early_hints(headers: Headers) -> bytes:
    """A 103 answer, to be sent to HTTP/1.1 clients before the final one (RFC 8297).

    :raises LocalProtocolError: a header is not as PEP 3333 asks.
    """
    lines = ["HTTP/1.1 103 Early Hints\r\n"]
    try:
        for name, value in headers:
            if _learn_name(name) is Kind.CONTENT_LENGTH:
                raise LocalProtocolError("Content-Length does not belong into early hints")
            _check_value(name, value)
            lines.append(f"{name}: {value}\r\n")
        return "".join([*lines, "\r\n"]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise _not_latin_1(error) from None
    except (TypeError, ValueError):
        raise _bad_types("", headers) from None


def error_response(status: int, reason_code: str, request_id_line: bytes = b"", method: str = "") -> bytes:
    """A complete answer of the server's own, after which the connection ends.

    :param reason_code: the rule's, shown to the client.
    :param request_id_line: a ready field line, or nothing.
    :param method: the request's, if it is known: HEAD gets no body.
    """
    phrase = HTTPStatus(status).phrase
    body = f"{status} {phrase}: {reason_code}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    head, _ = begin_response(None, f"{status} {phrase}", headers, False, request_id_line)
    return head if method == "HEAD" else head + body


def _frame(
    request: Request | None, code: int, length: int | None, keep_alive: bool
) -> tuple[ResponseFraming, str]:
    """The framing and the field lines that say it (RFC 9112 6.3, 9.3; RFC 9110 8.6)."""
    method = request.method if request is not None else ""
    version_1_1 = request is not None and request.version == "1.1"
    lines = f"Content-Length: {length}\r\n" if length is not None and code != 204 else ""
    chunked = False
    has_body = method != "HEAD" and code not in (204, 304)
    if method == "CONNECT" and 200 <= code < 300:
        lines, length, keep_alive = "", None, False  # RFC 9110 9.3.6: no framing field; the close ends it
    elif has_body and length is None:
        if version_1_1:
            chunked = True
            lines = "Transfer-Encoding: chunked\r\n"
        else:
            keep_alive = False
    if not keep_alive:
        lines += "Connection: close\r\n"
    elif not version_1_1:
        lines += "Connection: keep-alive\r\n"
    return ResponseFraming(code, chunked, length, has_body, not keep_alive), lines


def _learn_status(status: str) -> tuple[int, str]:
    """Code and status line of a status string (RFC 9112 4, PEP 3333)."""
    if not isinstance(status, str):
        raise LocalProtocolError(f"the status must be a str such as '200 OK', found {status!a}")
    code, _, reason = status.partition(" ")
    if len(code) != 3 or not (code.isascii() and code.isdigit()) or not reason.strip():
        raise LocalProtocolError(f"the status must look like '200 OK', found {status!a}")
    if code < "200":
        raise LocalProtocolError(f"a final status is 200 or above, found {status!a}")
    if grammar.NOT_IN_FIELD_VALUE.search(reason) is not None or not _is_latin_1(reason):
        raise LocalProtocolError(f"the status holds a control character or one outside latin-1: {status!a}")
    learnt = (int(code), f"HTTP/1.1 {status}\r\n")
    if len(_statuses) < CACHE_MAX:
        _statuses[status] = learnt
    return learnt


def _learn_name(name: str) -> Kind:
    """What a field name means to the server, after a check that the application may send it."""
    known = _names.get(name)
    if known is not None:
        return known
    if not isinstance(name, str):
        raise LocalProtocolError(f"a header's name must be a str, found {name!a}")
    if grammar.TOKEN.fullmatch(name) is None:
        raise LocalProtocolError(f"a header's name must be a token, found {name!a}")
    if is_hop_by_hop(name):
        raise LocalProtocolError(f"{name} is the server's to send, not the application's (PEP 3333)")
    kind = _KINDS.get(name.lower(), Kind.PLAIN)
    if len(_names) < CACHE_MAX:
        _names[name] = kind
    return kind


def _check_value(name: str, value: str) -> None:
    if not isinstance(value, str):
        raise LocalProtocolError(f"the value of {name} must be a str, found {value!a}")
    found = grammar.NOT_IN_FIELD_VALUE.search(value)
    if found is not None:
        raise LocalProtocolError(f"the value of {name} holds the control character {found[0]!a}")


def _content_length(value: str, previous: int | None) -> int:
    """The bytes that the application announces."""
    if not (value.isdigit() and value.isascii() and len(value) <= 18):
        raise LocalProtocolError(f"Content-Length must be a number in decimal digits, found {value!a}")
    if previous is not None:
        raise LocalProtocolError("Content-Length is given twice")
    return int(value)


def _not_latin_1(error: UnicodeEncodeError) -> LocalProtocolError:
    return LocalProtocolError(f"a header holds {error.object[error.start]!a}, outside latin-1")


def _bad_types(status: object, headers: object) -> LocalProtocolError:
    """The error for a status that is no str, or headers that are no pairs of str."""
    if not isinstance(status, str):
        return LocalProtocolError(f"the status must be a str such as '200 OK', found {ascii(status)[:100]}")
    for header in headers if isinstance(headers, list | tuple) else (headers,):
        if not (
            isinstance(header, tuple) and len(header) == 2 and all(isinstance(part, str) for part in header)
        ):
            return LocalProtocolError(f"a header must be a tuple of two str, found {ascii(header)[:100]}")
    return LocalProtocolError("headers must be a list of tuples of two str")


def _is_latin_1(text: str) -> bool:
    return not text or ord(max(text)) < 256


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date(second: int) -> str:
    """An IMF-fixdate (RFC 9110 5.6.7): ``Sun, 06 Nov 1994 08:49:37 GMT``.

    As ``email.utils.formatdate``, which would load a dozen modules into every process.
    """
    year, month, day, hour, minute, seconds, weekday, *_ = time.gmtime(second)
    clock = f"{hour:02}:{minute:02}:{seconds:02}"
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {clock} GMT"


def _renew_date() -> bytes:
    """Date and Server lines, made once a second (RFC 9110 6.6.1)."""
    global _second, _date_and_server
    now = int(time.time())
    _date_and_server = f"Date: {_http_date(now)}\r\nServer: logserve\r\n".encode()
    _second = now
    return _date_and_server


def _own_lines(date: bool, server: bool) -> bytes:
    """Those of Date and Server that the application did not send itself."""
    date_line, server_line = _renew_date().splitlines(keepends=True)
    return (b"" if date else date_line) + (b"" if server else server_line)
