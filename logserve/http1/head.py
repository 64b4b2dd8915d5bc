"""A request's head, checked with patience: while it arrives, and to say what is wrong with it.

The quick way (`request.parse_head`) only finds that a head is not as it should be; the functions here find
which rule it broke. What the quick way accepts keeps every rule here, which property tests hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import httptools
import msgspec

from logserve.errors import RemoteProtocolError
from logserve.http1 import grammar, rules

CONTENT_LENGTH_DIGITS = 18
"""Ten to the 18th bytes are more than anybody sends, and fit in 64 bits."""


class Limits(msgspec.Struct, frozen=True):
    """What a request may take, in bytes or pieces; 0 means no limit of its own."""

    request_line: int = 4094
    """The request line without its CR LF."""
    fields: int = 100
    """The number of field lines."""
    field_size: int = 8190
    """One field line without its CR LF."""
    head: int = 262_144
    """Request line and field lines together; always in force."""
    body: int = 0
    """The body, chunked coding taken off."""
    trailers: int = 8190
    """The trailer section of a chunked body; always in force."""


class HeadScan:
    """Follows a head line by line while it arrives, whatever its pieces: line endings and limits.

    Positions are relative to the head's first byte, so that the buffer may move.
    """

    __slots__ = ("_fields", "_limits", "_line")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._line = 0  # where the current line begins
        self._fields = -1  # field lines seen; -1: the request line has not ended

    def advance(self, buffer: bytes, start: int) -> bool:
        """Look at what has arrived of the head that begins at `start`; True once its empty line has come.

        :raises RemoteProtocolError: the first rule broken, by position, as far as this can be seen yet.
        """
        limits = self._limits
        while True:
            line = start + self._line
            if self._fields < 0:
                limit, rule = limits.request_line or limits.head, rules.REQUEST_LINE_TOO_LONG
            else:
                if self._fields >= limits.fields > 0 and line < len(buffer) and buffer[line] != 13:
                    raise rules.TOO_MANY_FIELDS.error(f"more than {limits.fields}")
                limit, rule = limits.field_size or limits.head, rules.FIELD_TOO_LARGE
                left = max(limits.head - self._line, 0)
                if left < limit:
                    limit, rule = left, rules.HEAD_TOO_LARGE
            end = grammar.line_end(buffer, line, limit, rule)
            if end is None:
                return False
            if self._fields < 0:
                check_request_line(buffer[line:end].decode("latin-1"))
            elif end == line:
                return True
            self._fields += 1
            self._line = end + 2 - start


def explain(head: bytes, limits: Limits, refusal: str = "") -> RemoteProtocolError:
    """The error for a complete head that the quick way refused.

    :param refusal: what llhttp said, for a head in which no rule here is broken.
    """
    try:
        check_head(head, limits)
    except RemoteProtocolError as error:
        return error
    return rules.UNPARSABLE.error(refusal)


def check_head(head: bytes, limits: Limits) -> None:
    """Every rule for a complete head, in the order in which they can be seen to be broken.

    :raises RemoteProtocolError: the first that it broke.
    """
    HeadScan(limits).advance(head, 0)
    lines = head[:-4].decode("latin-1").split("\r\n")
    check_semantics(lines[0], check_field_lines(lines[1:]))


def check_request_line(line: str) -> None:
    """Method, target and version, each for itself and the target's form (RFC 9112 3).

    :raises RemoteProtocolError: the rule that it broke.
    """
    parts = line.split(" ")
    if len(parts) != 3 or not parts[1]:
        raise rules.BAD_REQUEST_LINE.error(line)
    method, target, version = parts
    if grammar.TOKEN.fullmatch(method) is None:
        raise rules.BAD_METHOD.error(method)
    if grammar.TARGET.fullmatch(target) is None:
        raise rules.BAD_TARGET_CHARACTER.error(target)
    if grammar.VERSION.fullmatch(version) is None:
        raise rules.BAD_VERSION.error(version)
    if version not in ("HTTP/1.0", "HTTP/1.1"):
        raise rules.UNSUPPORTED_VERSION.error(version)
    if not is_known_method(method):
        raise rules.UNKNOWN_METHOD.error(method)
    if "#" in target:
        raise rules.FRAGMENT_IN_TARGET.error(target)
    if target[0] != "/" or method == "CONNECT":
        split_target(method, target)


def is_known_method(method: str) -> bool:
    """Whether llhttp knows a method for HTTP, asked of llhttp itself."""
    target = "a:1" if method == "CONNECT" else "/"
    try:
        httptools.HttpRequestParser(None).feed_data(f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    except httptools.HttpParserUpgrade:
        return True
    except httptools.HttpParserError:
        return False
    return True


def split_target(method: str, target: str) -> tuple[str, str, str]:
    """Authority, path and query of a target that is no plain path (RFC 9112 3.2.2 to 3.2.4).

    :raises RemoteProtocolError: it has none of the forms, or one that the method does not allow.
    """
    if method == "CONNECT":
        match = grammar.HOST.fullmatch(target)
        if match is None or not match[1] or not grammar.is_host(target):
            raise rules.BAD_TARGET.error(target)
        return "", target, ""
    if target == "*" and method == "OPTIONS":
        return "", target, ""
    match = grammar.ABSOLUTE.fullmatch(target)
    if match is None:
        raise rules.BAD_TARGET.error(target)
    authority, path, query = match[1], match[2], match[3]
    if "@" in authority:
        raise rules.USERINFO_IN_TARGET.error()
    if not grammar.is_host(authority):
        raise rules.BAD_AUTHORITY.error(target)
    if not path:
        path = "*" if method == "OPTIONS" and query is None else "/"  # RFC 9112 3.2.4, RFC 9110 4.2.3
    return authority, path, query or ""


def check_field_lines(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values of field lines, of a head or a trailer section (RFC 9112 5).

    Errors quote names only, and nothing of what may be the rest of a value.

    :raises RemoteProtocolError: the rule that the first bad line broke.
    """
    fields = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            raise rules.OBS_FOLD.error()
        name, colon, value = line.partition(":")
        if not colon:
            raise rules.MISSING_COLON.error()
        if name[-1:] in (" ", "\t"):
            raise rules.SPACE_BEFORE_COLON.error(name)
        if grammar.TOKEN.fullmatch(name) is None:
            raise rules.BAD_FIELD_NAME.error(name)
        if grammar.NOT_IN_FIELD_VALUE.search(value) is not None:
            raise rules.BAD_FIELD_VALUE.error(f"a control character in {name}")
        fields.append((name, value.strip(" \t")))
    return fields


def check_semantics(request_line: str, fields: Sequence[tuple[str, str]]) -> None:
    """What the fields of a head mean together: Host, framing, expectations.

    :raises RemoteProtocolError: the rule that was broken.
    """
    version = request_line[-3:]
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value)
    check_host(version, values.get("host", []))
    check_framing(version, values.get("content-length", []), values.get("transfer-encoding", []))
    if version == "1.1" and "expect" in values:
        check_expectation(",".join(values["expect"]))


def check_host(version: str, hosts: Sequence[str]) -> None:
    """One well-formed Host (RFC 9112 3.2); HTTP/1.0 may leave it out."""
    if len(hosts) > 1:
        raise rules.DUPLICATE_HOST.error(", ".join(hosts))
    if not hosts:
        if version == "1.1":
            raise rules.MISSING_HOST.error()
    elif not grammar.is_host(hosts[0]):
        raise rules.BAD_HOST.error(hosts[0])


def check_framing(version: str, lengths: Sequence[str], codings: Sequence[str]) -> None:
    """Content-Length and Transfer-Encoding: at most one of them, and only in the one form (RFC 9112 6)."""
    if codings:
        if version == "1.0":
            raise rules.TRANSFER_ENCODING_IN_1_0.error(", ".join(codings))
        if lengths:
            raise rules.CONTENT_LENGTH_AND_TRANSFER_ENCODING.error()
        check_transfer_encoding(",".join(codings))
    if len(lengths) > 1:
        raise rules.DUPLICATE_CONTENT_LENGTH.error(", ".join(lengths))
    if lengths:
        parse_content_length(lengths[0])


def check_transfer_encoding(value: str) -> None:
    """Exactly one `chunked`; 400 where the end cannot be known, 501 where it can (RFC 9112 6.1, 6.3)."""
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if codings[-1] != "chunked" or "chunked" in codings[:-1] or "" in codings:
        raise rules.NOT_CHUNKED.error(value)
    if len(codings) > 1:
        raise rules.UNKNOWN_TRANSFER_CODING.error(value)


def parse_content_length(value: str) -> int:
    """The number of bytes that a Content-Length announces; digits only, where `int()` takes much more."""
    if not (value.isascii() and value.isdigit()):
        raise rules.BAD_CONTENT_LENGTH.error(value)
    if len(value) > CONTENT_LENGTH_DIGITS:
        raise rules.CONTENT_LENGTH_OVERFLOW.error(value)
    return int(value)


def check_expectation(value: str) -> None:
    """`100-continue` and nothing else (RFC 9110 10.1.1)."""
    if value.lower() != "100-continue":
        raise rules.UNKNOWN_EXPECTATION.error(value)
