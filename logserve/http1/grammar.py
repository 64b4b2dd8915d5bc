"""The grammar of HTTP/1.1 as compiled patterns, and where a line ends.

The patterns are linear: no alternative of one can match what another does.
"""

from __future__ import annotations

import re

from logserve.http1.rules import BARE_CR, BARE_LF, Rule

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

TOKEN = re.compile(_TOKEN)
"""token, RFC 9110 5.6.2: a method, a field name."""

NOT_IN_FIELD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What a field value never holds: field-vchar and white space are all but these (RFC 9110 5.5)."""

TARGET = re.compile(r"[\x21-\x7e]+")
"""Visible ASCII. RFC 3986 is narrower: a quote, `<>{}|^`, a backtick and a backslash reach us from real clients."""

VERSION = re.compile(r"HTTP/[0-9]\.[0-9]")
"""HTTP-version, RFC 9112 2.3."""

_HOST = (
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]"  # IPv6address; IPvFuture has no user
    r"|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}){1,255})"  # IPv4address or reg-name, not empty
)

HOST = re.compile(rf"{_HOST}(?::([0-9]{{0,5}}))?")
"""uri-host [ ":" port ], RFC 9110 7.2; never empty (RFC 9110 4.2.1)."""

ABSOLUTE = re.compile(r"(?i:https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
"""absolute-form, RFC 9112 3.2.2: authority, path, query."""

CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+(?=[ \t;]|\Z)")
"""chunk-size, RFC 9112 7.1, before its extensions."""

CHUNK_EXTENSIONS = re.compile(
    rb"(?:[ \t]*;[ \t]*%(token)b(?:[ \t]*=[ \t]*(?:%(token)b|"
    rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*' % {b"token": _TOKEN.encode()}
)
"""chunk-ext, RFC 9112 7.1.1, with quoted-string of RFC 9110 5.6.4."""


def is_host(value: str) -> bool:
    """Whether a value is `uri-host [":" port]` with a port that exists."""
    match = HOST.fullmatch(value)
    return match is not None and int(match[1] or 0) <= 65535


def line_end(buffer: bytes, start: int, limit: int, too_long: Rule) -> int | None:
    """The index of the CR that ends the line at `start`, None while it has not come.

    What the line holds is not quoted: it may be a secret. Which error is raised depends on the bytes' positions alone, never on how they were split over reads.

    :raises RemoteProtocolError: a CR or LF alone, or more than `limit` bytes before the end (`too_long`).
    """
    stop = min(len(buffer), start + limit + 2)
    newline = buffer.find(b"\n", start, stop)
    carriage = buffer.find(b"\r", start, min(stop, start + limit + 1) if newline < 0 else newline)
    if carriage >= 0:
        if carriage + 1 == newline:
            return carriage
        if carriage + 1 < stop:
            raise BARE_CR.error()
    elif newline >= 0 and newline - start <= limit:
        raise BARE_LF.error()
    elif stop - start > limit:
        raise too_long.error(f"more than {limit} bytes")
    return None
