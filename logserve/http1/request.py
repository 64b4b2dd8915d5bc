"""The events of a request, and the quick way from a head's bytes to a :class:`Request`.

The quick way: llhttp validates the head in C with no callback into Python, then the head is decoded once and
split. Both together cost about half of a callback for each field. Whatever looks unusual raises
:class:`Unusual`, and `head.explain` finds out what it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools

from logserve.http1 import grammar, head, rules

_CONTENT = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}

# Visible ASCII but "#", the path without "?" (RFC 9112 3.2.1).
_PLAIN_LINE = re.compile(r"([A-Z]+) ((/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))?) HTTP/1\.1")

_VERSIONS = {"HTTP/1.1": "1.1", "HTTP/1.0": "1.0"}

_COMMON_NAMES = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "DNT",
    "Expect",
    "Forwarded",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Origin",
    "Pragma",
    "Priority",
    "Proxy-Authorization",
    "Range",
    "Referer",
    "Sec-CH-UA",
    "Sec-CH-UA-Mobile",
    "Sec-CH-UA-Platform",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "TE",
    "Traceparent",
    "Tracestate",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Upgrade-Insecure-Requests",
    "User-Agent",
    "Via",
    "X-Api-Key",
    "X-Correlation-ID",
    "X-CSRF-Token",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Request-ID",
    "X-Requested-With",
]

CACHE_MAX = 1024
"""Entries that each cache of this module holds at most; a full one learns no more, that of the request lines is
emptied."""

CACHED_LENGTH_MAX = 64
"""Characters of the longest entry that is worth its memory."""

CACHED_LINE_MAX = 256
"""Bytes of the longest request line that is worth it."""


class Unusual(Exception):  # noqa: N818 - not an error: a detour
    """The quick way ends here; whether a rule was broken is for `head.explain` to say."""


def cgi_name(name: str) -> str:
    """A field's name in the environment: `HTTP_USER_AGENT`, `CONTENT_TYPE` (RFC 3875 4.1.18)."""
    return _CONTENT.get(name.lower()) or "HTTP_" + name.upper().replace("-", "_")


_cgi_names = {
    spelling: cgi_name(name) for name in _COMMON_NAMES for spelling in (name, name.lower(), name.title())
}
_plain_lines: dict[bytes, tuple[str, str, str, str]] = {}
"""Method, target, path and query of request lines in origin form that were found good."""
_methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"}
_good_hosts: set[str] = set()
_connection_options: dict[str, tuple[bool, bool]] = {}


class Request:
    """A request's head, as it was sent."""

    # No slots: an attribute that stands in the class costs nothing to make.

    method: str
    target: str
    """As it stands in the request line."""
    path: str
    """Percent-encoded, without the query; `*` and CONNECT's `host:port` as they are."""
    query: str
    """What follows the `?`, "" for none."""
    authority: str = ""
    """Of a target in absolute form, else ""."""
    version: str = "1.1"
    """`1.0` or `1.1`."""
    fields: dict[str, str]
    """By CGI name; not to be changed: requests of one connection may share it. Lines of one name are joined by ","
    (Cookie: "; "); names with `_` are left out, since an application could not tell them from those with `-`. Text
    is latin-1 (PEP 3333)."""
    head: bytes
    """From the method to the empty line, included."""
    line: bytes
    """The request line, without its CR LF."""
    keep_alive: bool = True
    """Whether the client's version and Connection options let the connection persist (RFC 9112 9.3)."""
    expect_continue: bool = False
    """Whether the client may be waiting for `100 Continue` before it sends the body (RFC 9110 10.1.1)."""
    has_body: bool = False
    """Whether Data and EndOfMessage follow."""
    content_length: int | None = None
    """In bytes; None where the field is absent."""
    chunked: bool = False
    left_out: bool = False
    """Whether a name with `_` was left out of `fields`."""
    repeatable: bool = False
    """Whether the same field lines behind another request line mean the same: see :func:`repeat_head`."""

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Every field line in the order sent, name and value without the white space around it."""
        pairs = [line.partition(b":") for line in self.head[:-4].split(b"\r\n")[1:]]
        return [(name, value.strip(b" \t")) for name, _, value in pairs]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target} HTTP/{self.version}>"


class Data:
    """Some bytes of the body, never none; the chunked coding is taken off."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class EndOfMessage:
    """The body's end, with the trailer fields if there were any."""

    __slots__ = ("trailers",)

    def __init__(self, trailers: list[tuple[str, str]] | None = None) -> None:
        self.trailers = trailers or []


class ProxyHeader(NamedTuple):
    """What a TCP proxy said of the connection before its first request (:mod:`logserve.http1.proxy`)."""

    length: int
    """Bytes of the header."""
    protocol: str = ""
    """``TCP4`` or ``TCP6``; "" where no addresses were given (LOCAL, UNKNOWN): those of the connection hold."""
    client: tuple[str, int] = ("", 0)
    """Address and port of who called the proxy."""
    proxy: tuple[str, int] = ("", 0)
    """Address and port where the proxy was called."""


Event = Request | Data | EndOfMessage | ProxyHeader
"""What a connection gives out."""


def parse_head(raw: bytes, parser: httptools.HttpRequestParser, limits: head.Limits) -> Request:
    """The request of one complete head, its empty line included.

    :raises Unusual: it cannot be taken as it is.
    :raises RemoteProtocolError: the body that it announces exceeds its limit.
    """
    lines = raw[:-4].decode("latin-1").split("\r\n")
    request = Request()
    try:
        method, target, version = lines[0].split(" ")
        request.version = version = _VERSIONS[version]
        parser.feed_data(raw)
    except (ValueError, KeyError, httptools.HttpParserError) as error:
        raise Unusual(str(error)) from None
    except httptools.HttpParserUpgrade:
        pass  # CONNECT, or Upgrade, which is ignored: the head is whole, and llhttp goes on after it
    if method not in _methods:
        _learn_method(method)
    if "#" in target or len(lines) - 1 > limits.fields > 0:
        raise Unusual
    request.head = raw
    request.line = raw[: raw.find(b"\r\n")]
    request.method = method
    request.target = target
    # All ASCII white space but these two has been refused, so the quicker strip() is right where all is ASCII.
    blanks = None if raw.isascii() else " \t"
    del lines[0]
    fields: dict[str, str] = {}
    try:
        for line in lines:
            name, _, value = line.partition(": ")  # without the space it is no name known: the slower way
            fields[_cgi_names[name]] = value.strip(blanks)
    except KeyError:
        pass
    if len(fields) < len(lines):
        fields = _read_fields(lines)
        request.left_out = fields.pop("", None) is not None
    request.fields = fields

    if target[0] == "/" and method != "CONNECT":
        request.path, _, request.query = target.partition("?")
        request.repeatable = version == "1.1"
    else:
        request.authority, request.path, request.query = head.split_target(method, target)
    host = fields.get("HTTP_HOST")
    if host not in _good_hosts:
        _learn_host(host, version)
    if request.authority:
        fields["HTTP_HOST"] = request.authority  # RFC 9112 3.2.2
    if "HTTP_CONNECTION" in fields:
        options = fields["HTTP_CONNECTION"]
        close, keep = _connection_options.get(options) or _learn_connection_options(options)
        request.keep_alive = not close and (keep or version == "1.1")
    else:
        request.keep_alive = version == "1.1"
    if "CONTENT_LENGTH" in fields or "HTTP_TRANSFER_ENCODING" in fields or "HTTP_EXPECT" in fields:
        request.repeatable = False
        _frame(request, limits)
    return request


def repeat_head(raw: bytes, last: Request, tail: bytes) -> Request | None:
    """The request of a head whose field lines are, byte for byte, those of the request before it.

    A client that keeps its connection mostly sends the same fields again, so that only the request line has to be
    looked at; it has to be a plain one (origin form), of a method seen before. None where it is not.

    :param last: the request before it, `repeatable`.
    :param tail: its head from the end of the request line on.
    """
    if not raw.endswith(tail):
        return None
    line = raw[: -len(tail)]
    parts = _plain_lines.get(line) or _learn_line(line)
    if parts is None:
        return None
    request = Request()
    request.method, request.target, request.path, request.query = parts
    request.line = line
    request.fields = last.fields
    request.keep_alive = last.keep_alive
    request.head = raw
    request.repeatable = True
    return request


def _frame(request: Request, limits: head.Limits) -> None:
    """How the body is framed, and whether the client waits before it sends it."""
    fields = request.fields
    length = fields.get("CONTENT_LENGTH")
    coding = fields.get("HTTP_TRANSFER_ENCODING")
    head.check_framing(
        request.version, () if length is None else (length,), () if coding is None else (coding,)
    )
    if coding is not None:
        request.chunked = request.has_body = True
    elif length is not None:
        request.content_length = size = head.parse_content_length(length)
        request.has_body = size > 0
    if "HTTP_EXPECT" in fields and request.version == "1.1":
        head.check_expectation(fields["HTTP_EXPECT"])
        request.expect_continue = request.has_body
    if request.content_length is not None and request.content_length > limits.body > 0:
        raise rules.BODY_TOO_LARGE.error(f"{request.content_length} bytes, limit {limits.body}")


def _read_fields(lines: list[str]) -> dict[str, str]:
    """The fields of a head in which a name comes twice, is new, or stays out of the environment.

    Values of one name are joined (RFC 9110 5.3; Cookie: RFC 9113 8.2.3); those that stay out stand under "".
    """
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = _cgi_names.get(name) or _learn_name(name)
        value = value.strip(" \t")
        if key not in fields:
            fields[key] = value
        elif key in ("HTTP_HOST", "CONTENT_LENGTH"):
            raise Unusual
        else:
            fields[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
    return fields


def _learn_line(line: bytes) -> tuple[str, str, str, str] | None:
    """The parts of a request line not seen yet, if it is a plain one; many a target is asked for again."""
    match = _PLAIN_LINE.fullmatch(line.decode("latin-1"))
    if match is None or match[1] not in _methods or match[1] == "CONNECT":
        return None
    parts = (match[1], match[2], match[3], match[4] or "")
    if len(line) <= CACHED_LINE_MAX:
        if len(_plain_lines) >= CACHE_MAX:
            _plain_lines.clear()
        _plain_lines[line] = parts
    return parts


def _learn_method(method: str) -> None:
    """Check a method not seen yet; llhttp knows it, but skips any CR and LF before it."""
    if grammar.TOKEN.fullmatch(method) is None:
        raise Unusual
    _methods.add(method)


def _learn_name(name: str) -> str:
    """The CGI name of a field name not seen yet, "" for one that the environment leaves out."""
    if grammar.TOKEN.fullmatch(name) is None:
        raise Unusual
    if "_" in name:
        return ""
    key = cgi_name(name)
    if len(_cgi_names) < CACHE_MAX and len(name) <= CACHED_LENGTH_MAX:
        _cgi_names[name] = key
    return key


def _learn_host(host: str | None, version: str) -> None:
    """Check a Host not seen yet."""
    head.check_host(version, () if host is None else (host,))
    if host is not None and len(_good_hosts) < CACHE_MAX and len(host) <= CACHED_LENGTH_MAX:
        _good_hosts.add(host)


def _learn_connection_options(value: str) -> tuple[bool, bool]:
    """Whether a Connection field, its lines joined, says `close` and `keep-alive` (RFC 9110 7.6.1)."""
    options = {option.strip(" \t").lower() for option in value.split(",")}
    result = ("close" in options, "keep-alive" in options)
    if len(_connection_options) < CACHE_MAX and len(value) <= CACHED_LENGTH_MAX:
        _connection_options[value] = result
    return result
