"""The rules of HTTP/1.1 that a request must keep, each said once.

A rule has a stable reason code (what logs and metrics say), the status of the answer, and the section that
it comes from. Where the RFC leaves a choice, the strict one is taken: a request that two parties may read
differently is the raw material of request smuggling. Which code applies each rule is found by the constant's
name; `tests/http1/corpus.py` holds at least one request that breaks each.
"""

from __future__ import annotations

import re
from typing import NamedTuple

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
        detail = self.says if found is None else f"{self.says}, found {quoted(found)}"
        return RemoteProtocolError(self.status, self.reason, detail)


def quoted(found: str | bytes) -> str:
    """Offending data as a quoted, escaped, shortened text that is safe in any log.

    A query and user information may hold secrets, so neither is shown. Callers do not pass values of fields
    that may hold any, nor more than a few bytes of a body.
    """
    text = found.decode("latin-1") if isinstance(found, bytes) else found
    shown = _USERINFO.sub("", text.partition("?")[0][:QUOTED_MAX])
    return ascii(shown) if shown == text else f"{shown!a}..."


# Lines
BARE_LF = Rule("bare_lf", 400, "RFC 9112 2.2", "a line ends with CR LF, not with LF alone")
BARE_CR = Rule("bare_cr", 400, "RFC 9112 2.2", "CR stands only before LF")
EMPTY_LINES = Rule("empty_lines", 400, "RFC 9112 2.2", "only a few empty lines may precede a request")

# The request line
BAD_REQUEST_LINE = Rule(
    "bad_request_line", 400, "RFC 9112 3", "a request line is 'METHOD target HTTP/1.1' with single spaces"
)
REQUEST_LINE_TOO_LONG = Rule("request_line_too_long", 414, "RFC 9112 3", "the request line exceeds its limit")
BAD_METHOD = Rule("bad_method", 400, "RFC 9110 9.1", "a method is a token")
UNKNOWN_METHOD = Rule("unknown_method", 501, "RFC 9110 9.1", "the method must be a registered HTTP method")
BAD_VERSION = Rule("bad_version", 400, "RFC 9112 2.3", "the version has the form 'HTTP/1.1'")
UNSUPPORTED_VERSION = Rule(
    "unsupported_version", 505, "RFC 9110 15.6.6", "only HTTP/1.0 and HTTP/1.1 are spoken here"
)
BAD_TARGET_CHARACTER = Rule(
    "bad_target_character", 400, "RFC 9112 3.2", "a request target holds only visible ASCII characters"
)
FRAGMENT_IN_TARGET = Rule("fragment_in_target", 400, "RFC 9112 3.2", "a request target has no fragment")
BAD_TARGET = Rule(
    "bad_target",
    400,
    "RFC 9112 3.2",
    "a target is a path, an http or https URI, '*' for OPTIONS, or 'host:port' for CONNECT",
)
BAD_AUTHORITY = Rule("bad_authority", 400, "RFC 9110 4.2.1", "a URI's authority is 'host' or 'host:port'")
USERINFO_IN_TARGET = Rule(
    "userinfo_in_target", 400, "RFC 9110 4.2.4", "a request target carries no user information"
)

# Field lines, in the head and among trailers
OBS_FOLD = Rule("obs_fold", 400, "RFC 9112 5.2", "a field line does not begin with white space")
MISSING_COLON = Rule("missing_colon", 400, "RFC 9112 5", "a field line is 'name: value'")
SPACE_BEFORE_COLON = Rule(
    "space_before_colon", 400, "RFC 9112 5.1", "no white space stands between field name and colon"
)
BAD_FIELD_NAME = Rule("bad_field_name", 400, "RFC 9110 5.1", "a field name is a token")
BAD_FIELD_VALUE = Rule("bad_field_value", 400, "RFC 9110 5.5", "a field value has no control characters")
TOO_MANY_FIELDS = Rule("too_many_fields", 431, "RFC 6585 5", "there are more fields than the limit allows")
FIELD_TOO_LARGE = Rule("field_too_large", 431, "RFC 6585 5", "a field line exceeds its limit")
HEAD_TOO_LARGE = Rule("head_too_large", 431, "RFC 6585 5", "the fields together exceed their limit")

# Host
MISSING_HOST = Rule("missing_host", 400, "RFC 9112 3.2", "an HTTP/1.1 request has a Host field")
DUPLICATE_HOST = Rule("duplicate_host", 400, "RFC 9112 3.2", "a request has one Host field")
BAD_HOST = Rule("bad_host", 400, "RFC 9110 7.2", "Host is 'host' or 'host:port'")

# What llhttp refuses beyond the rules here, such as a tab behind `chunked`
UNPARSABLE = Rule("unparsable", 400, "RFC 9112 2.2", "the head must be understood by the parser, too")

# Framing
BAD_CONTENT_LENGTH = Rule(
    "bad_content_length", 400, "RFC 9110 8.6", "Content-Length is one number in decimal digits"
)
DUPLICATE_CONTENT_LENGTH = Rule(
    "duplicate_content_length", 400, "RFC 9112 6.3", "a request has one Content-Length field"
)
CONTENT_LENGTH_OVERFLOW = Rule(
    "content_length_overflow", 400, "RFC 9110 8.6", "Content-Length must be below 10 to the 18th"
)
CONTENT_LENGTH_AND_TRANSFER_ENCODING = Rule(
    "content_length_and_transfer_encoding",
    400,
    "RFC 9112 6.1",
    "Content-Length does not stand beside Transfer-Encoding",
)
TRANSFER_ENCODING_IN_1_0 = Rule(
    "transfer_encoding_in_1_0", 400, "RFC 9112 6.1", "HTTP/1.0 has no Transfer-Encoding"
)
NOT_CHUNKED = Rule("not_chunked", 400, "RFC 9112 6.3", "Transfer-Encoding ends in one 'chunked'")
UNKNOWN_TRANSFER_CODING = Rule(
    "unknown_transfer_coding", 501, "RFC 9112 6.1", "'chunked' is the only transfer coding understood"
)
UNKNOWN_EXPECTATION = Rule(
    "unknown_expectation", 417, "RFC 9110 10.1.1", "'100-continue' is the only expectation understood"
)
BODY_TOO_LARGE = Rule("body_too_large", 413, "RFC 9110 15.5.14", "the body exceeds its limit")

# The chunked coding
BAD_CHUNK_SIZE = Rule("bad_chunk_size", 400, "RFC 9112 7.1", "a chunk size is hexadecimal digits")
CHUNK_SIZE_OVERFLOW = Rule("chunk_size_overflow", 400, "RFC 9112 7.1", "a chunk size has at most 15 digits")
BAD_CHUNK_EXTENSION = Rule(
    "bad_chunk_extension", 400, "RFC 9112 7.1.1", "a chunk extension is ';name' or ';name=value'"
)
CHUNK_EXTENSIONS_TOO_LONG = Rule(
    "chunk_extensions_too_long", 400, "RFC 9112 7.1.1", "chunk extensions exceed their limit"
)
BAD_CHUNK_ENDING = Rule("bad_chunk_ending", 400, "RFC 9112 7.1", "a chunk's data ends with CR LF")
FORBIDDEN_TRAILER = Rule(
    "forbidden_trailer",
    400,
    "RFC 9110 6.5.1",
    "a field for framing, routing, authentication or content is no trailer",
)
TRAILERS_TOO_LARGE = Rule("trailers_too_large", 431, "RFC 6585 5", "the trailers exceed their limit")

# What did not come
CLIENT_CLOSED = Rule("client_closed", 400, "RFC 9112 8", "the client closed inside a request")
HEADER_TIMEOUT = Rule("header_timeout", 408, "RFC 9110 15.5.9", "the request's head did not arrive in time")
BODY_TIMEOUT = Rule("body_timeout", 408, "RFC 9110 15.5.9", "the request's body did not arrive in time")

RULES: tuple[Rule, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""Every rule, in the order of this file."""
