"""The rules of HTTP/1.1 that a request must keep, each said once.

A rule has a stable reason code (what logs and metrics say), the status of the answer, and the section that
it comes from. Where the RFC leaves a choice, the strict one is taken: a request that two parties may read
differently is the raw material of request smuggling. Which code applies each rule is found by the constant's
name; `tests/http1/corpus.py` holds at least one request that breaks each.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from logserve.errors import RemoteProtocolError

QUOTED_MAX = 100
"""Bytes of the offending data that an error quotes."""

_USERINFO = re.compile(r"[^/\s]*@")


class ClientClosed(RemoteProtocolError):  # noqa: N818 - what happened, not whose error it is
    """The client ended its input inside a message: nothing was malformed, the rest just never came."""


class Rule(NamedTuple):
    """One rule: its reason code, the status to answer with, its source, and what it says."""

    reason: str
    status: int
    section: str
    says: str

    def error(self, found: str | bytes | None = None) -> RemoteProtocolError:
        """The error for a request that broke this rule, quoting what was found."""
        detail = self.says if found is None else f"{self.says}; found {quoted(found)}"
        return RemoteProtocolError(self.status, self.reason, detail)


def quoted(found: str | bytes) -> str:
    """Offending data as a quoted, escaped, shortened text that is safe in any log.

    A query and user information may hold secrets, so neither is shown. Callers do not pass values of fields
    that may hold any, nor more than a few bytes of a body.
    """
    text = found.decode("latin-1") if isinstance(found, bytes) else found
    begin, rest = text.partition("?")[0][:QUOTED_MAX], text[QUOTED_MAX:]
    beyond = _USERINFO.match(rest)  # a cut must not take away the "@" by which user information is known
    shown = _USERINFO.sub("", begin + beyond[0] if beyond else begin)
    return ascii(shown) if shown == text else f"{shown!a}..."


# Lines
BARE_LF = Rule("bare_lf", 400, "RFC 9112 2.2", "a line must end with CR LF, not with LF alone")
BARE_CR = Rule("bare_cr", 400, "RFC 9112 2.2", "CR must stand only before LF")
EMPTY_LINES = Rule(
    "empty_lines", 400, "RFC 9112 2.2", "a client must not send more than a few empty lines before a request"
)

# The request line
BAD_REQUEST_LINE = Rule(
    "bad_request_line",
    400,
    "RFC 9112 3",
    "a request line must be 'METHOD target HTTP/1.1' with single spaces",
)
REQUEST_LINE_TOO_LONG = Rule(
    "request_line_too_long", 414, "RFC 9112 3", "a request line must not exceed its limit"
)
BAD_METHOD = Rule(
    "bad_method", 400, "RFC 9110 9.1", "a method must be a token (letters, digits and !#$%&'*+-.^_`|~)"
)
UNKNOWN_METHOD = Rule(
    "unknown_method", 501, "RFC 9110 9.1", "a method must be one that is registered for HTTP"
)
BAD_VERSION = Rule("bad_version", 400, "RFC 9112 2.3", "a version must have the form 'HTTP/1.1'")
UNSUPPORTED_VERSION = Rule(
    "unsupported_version", 505, "RFC 9110 15.6.6", "a version must be HTTP/1.0 or HTTP/1.1"
)
BAD_TARGET_CHARACTER = Rule(
    "bad_target_character", 400, "RFC 9112 3.2", "a request target must hold only visible ASCII characters"
)
FRAGMENT_IN_TARGET = Rule(
    "fragment_in_target", 400, "RFC 9112 3.2", "a request target must not have a fragment"
)
BAD_TARGET = Rule(
    "bad_target",
    400,
    "RFC 9112 3.2",
    "a request target must be a path, an http or https URI, '*' for OPTIONS, or 'host:port' for CONNECT",
)
BAD_AUTHORITY = Rule(
    "bad_authority", 400, "RFC 9110 4.2.1", "a URI's authority must be 'host' or 'host:port'"
)
USERINFO_IN_TARGET = Rule(
    "userinfo_in_target", 400, "RFC 9110 4.2.4", "a request target must not carry user information"
)

# Field lines, in the head and among trailers
OBS_FOLD = Rule("obs_fold", 400, "RFC 9112 5.2", "a field line must not begin with white space")
MISSING_COLON = Rule("missing_colon", 400, "RFC 9112 5", "a field line must be 'name: value'")
SPACE_BEFORE_COLON = Rule(
    "space_before_colon",
    400,
    "RFC 9112 5.1",
    "a field name must be followed by its colon, without white space between",
)
BAD_FIELD_NAME = Rule(
    "bad_field_name",
    400,
    "RFC 9110 5.1",
    "a field name must be a token (letters, digits and !#$%&'*+-.^_`|~)",
)
BAD_FIELD_VALUE = Rule(
    "bad_field_value", 400, "RFC 9110 5.5", "a field value must not hold control characters"
)
TOO_MANY_FIELDS = Rule(
    "too_many_fields", 431, "RFC 6585 5", "a request must not have more fields than the limit allows"
)
FIELD_TOO_LARGE = Rule("field_too_large", 431, "RFC 6585 5", "a field line must not exceed its limit")
HEAD_TOO_LARGE = Rule(
    "head_too_large", 431, "RFC 6585 5", "the fields of a request must not exceed their limit together"
)

# Host
MISSING_HOST = Rule("missing_host", 400, "RFC 9112 3.2", "an HTTP/1.1 request must have a Host field")
DUPLICATE_HOST = Rule(
    "duplicate_host", 400, "RFC 9112 3.2", "a request must not have more than one Host field"
)
BAD_HOST = Rule("bad_host", 400, "RFC 9110 7.2", "Host must be 'host' or 'host:port'")

# What llhttp refuses beyond the rules here, such as a tab behind `chunked`
UNPARSABLE = Rule("unparsable", 400, "RFC 9112 2.2", "a head must be understood by the parser, too")

# Framing
BAD_CONTENT_LENGTH = Rule(
    "bad_content_length", 400, "RFC 9110 8.6", "Content-Length must be one number in decimal digits"
)
DUPLICATE_CONTENT_LENGTH = Rule(
    "duplicate_content_length",
    400,
    "RFC 9112 6.3",
    "a request must not have more than one Content-Length field",
)
CONTENT_LENGTH_OVERFLOW = Rule(
    "content_length_overflow", 400, "RFC 9110 8.6", "Content-Length must be below 10 to the 18th"
)
CONTENT_LENGTH_AND_TRANSFER_ENCODING = Rule(
    "content_length_and_transfer_encoding",
    400,
    "RFC 9112 6.1",
    "Content-Length must not stand beside Transfer-Encoding",
)
TRANSFER_ENCODING_IN_1_0 = Rule(
    "transfer_encoding_in_1_0", 400, "RFC 9112 6.1", "an HTTP/1.0 request must not have Transfer-Encoding"
)
NOT_CHUNKED = Rule("not_chunked", 400, "RFC 9112 6.3", "Transfer-Encoding must end in one 'chunked'")
UNKNOWN_TRANSFER_CODING = Rule(
    "unknown_transfer_coding",
    501,
    "RFC 9112 6.1",
    "a transfer coding must be 'chunked', the only one that is understood",
)
UNKNOWN_EXPECTATION = Rule(
    "unknown_expectation",
    417,
    "RFC 9110 10.1.1",
    "an expectation must be '100-continue', the only one that is understood",
)
BODY_TOO_LARGE = Rule("body_too_large", 413, "RFC 9110 15.5.14", "a body must not exceed its limit")

# The chunked coding
BAD_CHUNK_SIZE = Rule("bad_chunk_size", 400, "RFC 9112 7.1", "a chunk size must be hexadecimal digits")
CHUNK_SIZE_OVERFLOW = Rule(
    "chunk_size_overflow", 400, "RFC 9112 7.1", "a chunk size must have at most 15 digits"
)
BAD_CHUNK_EXTENSION = Rule(
    "bad_chunk_extension", 400, "RFC 9112 7.1.1", "a chunk extension must be ';name' or ';name=value'"
)
CHUNK_EXTENSIONS_TOO_LONG = Rule(
    "chunk_extensions_too_long", 400, "RFC 9112 7.1.1", "chunk extensions must not exceed their limit"
)
BAD_CHUNK_ENDING = Rule("bad_chunk_ending", 400, "RFC 9112 7.1", "a chunk's data must end with CR LF")
FORBIDDEN_TRAILER = Rule(
    "forbidden_trailer",
    400,
    "RFC 9110 6.5.1",
    "a trailer must not be a field for framing, routing, authentication or content",
)
TRAILERS_TOO_LARGE = Rule(
    "trailers_too_large", 431, "RFC 6585 5", "trailers must not exceed their limit together"
)

# What did not come
CLIENT_CLOSED = Rule(
    "client_closed", 400, "RFC 9112 8", "a client must send a whole request before it closes"
)
HEADER_TIMEOUT = Rule(
    "header_timeout", 408, "RFC 9110 15.5.9", "a client must send a request's head within the header timeout"
)
BODY_TIMEOUT = Rule(
    "body_timeout",
    408,
    "RFC 9110 15.5.9",
    "a client must go on sending a request's body within the body timeout",
)

RULES: Final[tuple[Rule, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""Every rule of HTTP, in the order of this file."""

# What a proxy in front says, and limits on connections. The settings decide which of these are in force.
PROXY_HEADER_MISSING = Rule(
    "proxy_header_missing",
    400,
    "PROXY protocol 2",
    "a proxy must begin its connection with a header of the PROXY protocol",
)
BAD_PROXY_HEADER = Rule(
    "bad_proxy_header", 400, "PROXY protocol 2.1, 2.2", "a header of the PROXY protocol must be well-formed"
)
PROXY_NOT_ALLOWED = Rule(
    "proxy_not_allowed",
    403,
    "PROXY protocol 2",
    "a header of the PROXY protocol must come from an address of --proxy-allow-ips",
)
SCHEME_FIELDS_DISAGREE = Rule(
    "scheme_fields_disagree", 400, "RFC 7239 5.4", "a proxy's fields must agree on the scheme"
)
UNDERSCORE_IN_NAME = Rule(
    "underscore_in_name", 400, "RFC 3875 4.1.18", "a field name must not hold an underscore"
)
TOO_MANY_CONNECTIONS = Rule(
    "too_many_connections",
    503,
    "RFC 9110 15.6.4",
    "connections must not exceed the limit of the server",
)
TOO_MANY_OF_ADDRESS = Rule(
    "too_many_connections_of_address",
    429,
    "RFC 6585 4",
    "a client address must not have more connections than the limit allows",
)

EDGE_RULES: Final = (
    PROXY_HEADER_MISSING,
    BAD_PROXY_HEADER,
    PROXY_NOT_ALLOWED,
    SCHEME_FIELDS_DISAGREE,
    UNDERSCORE_IN_NAME,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_OF_ADDRESS,
)
"""Those that only hold where a setting says so."""
