"""Requests, and what a server must make of them; replayed here and against running servers.

Every case begins on a fresh connection. `limits` says which non-default limits it needs.
"""

from __future__ import annotations

from typing import NamedTuple

from logserve.http1 import Limits

DEFAULT = Limits()


class Expected(NamedTuple):
    """One request that must be understood; with a broken body, its head and the part that came before."""

    method: str
    target: str
    body: bytes = b""
    keep_alive: bool = True
    fields: dict[str, str] | None = None
    """Some of the fields that must be there, by CGI name; None for any."""


class Case(NamedTuple):
    """Bytes from a client: the requests in them, then the rule that is broken, if any."""

    name: str
    raw: bytes
    requests: tuple[Expected, ...] = ()
    status: int = 0
    """Of the error answer that ends the connection; 0 for none."""
    reason: str = ""
    limits: Limits = DEFAULT


def get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    """A request without body; `fields` are whole lines."""
    return line + b"\r\nHost: example.org\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes) -> bytes:
    """A request with a body; `fields` are whole lines."""
    return b"POST /form HTTP/1.1\r\nHost: example.org\r\n" + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A request whose body is already in the chunked coding."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def good(name: str, raw: bytes, *requests: Expected) -> Case:
    """A case without an error."""
    return Case(name, raw, requests)


def bad(name: str, status: int, reason: str, raw: bytes, limits: Limits = DEFAULT) -> Case:
    """A case whose first head breaks a rule."""
    return Case(name, raw, (), status, reason, limits)


def bad_body(
    name: str, status: int, reason: str, body: bytes, before: bytes = b"", limits: Limits = DEFAULT
) -> Case:
    """A case whose chunked body breaks a rule."""
    expected = Expected("POST", "/form", before)
    return Case(name, chunked(body), (expected,), status, reason, limits)


ROOT = Expected("GET", "/")
SMALL = Limits(request_line=40, fields=4, field_size=50, head=160, body=10, trailers=30)

UNDERSTOOD: tuple[Case, ...] = (
    good("get", get(), ROOT),
    good("query", get(line=b"GET /a?b=c?d HTTP/1.1"), Expected("GET", "/a?b=c?d")),
    good("odd target characters", get(line=b'GET /"<>{}|^`\\ HTTP/1.1'), Expected("GET", '/"<>{}|^`\\')),
    good("double slash", get(line=b"GET //evil.example/ HTTP/1.1"), Expected("GET", "//evil.example/")),
    good("http/1.0 without host", b"GET / HTTP/1.0\r\n\r\n", ROOT._replace(keep_alive=False)),
    good("http/1.0 keep-alive", b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", ROOT),
    good(
        "http/1.0 keep-alive, close",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        ROOT._replace(keep_alive=False),
    ),
    good("connection close", get(b"Connection: close\r\n"), ROOT._replace(keep_alive=False)),
    good("connection options", get(b"Connection: foo ,\tCLOSE\r\n"), ROOT._replace(keep_alive=False)),
    good(
        "connection on two lines",
        get(b"Connection: keep-alive\r\nConnection: close\r\n"),
        ROOT._replace(keep_alive=False),
    ),
    good("close in another word", get(b"Connection: closed\r\n"), ROOT),
    good("dropped after close", get(b"Connection: close\r\n") + get(), ROOT._replace(keep_alive=False)),
    good("garbage after close", get(b"Connection: close\r\n") + b"\0\n\0", ROOT._replace(keep_alive=False)),
    good(
        "dropped after close with body",
        post(b"Connection: close\r\nContent-Length: 2\r\n", b"okGET"),
        Expected("POST", "/form", b"ok", keep_alive=False),
    ),
    good(
        "pipelined",
        get() + get(line=b"GET /2 HTTP/1.1") + get(line=b"GET /3 HTTP/1.1"),
        ROOT,
        Expected("GET", "/2"),
        Expected("GET", "/3"),
    ),
    good("empty lines before", b"\r\n\r\n" + get() + b"\r\n" + get(), ROOT, ROOT),
    good("four empty lines before", b"\r\n" * 4 + get(), ROOT),
    good("only empty lines", b"\r\n\r\n"),
    good(
        "absolute form",
        b"GET http://a.example:8080/p?q=1 HTTP/1.1\r\nHost: b\r\n\r\n",
        Expected("GET", "http://a.example:8080/p?q=1", fields={"HTTP_HOST": "a.example:8080"}),
    ),
    good(
        "absolute form without path",
        get(line=b"GET HTTPS://a?q HTTP/1.1"),
        Expected("GET", "HTTPS://a?q", fields={"HTTP_HOST": "a"}),
    ),
    good("asterisk form", get(line=b"OPTIONS * HTTP/1.1"), Expected("OPTIONS", "*")),
    good("options absolute", get(line=b"OPTIONS http://a HTTP/1.1"), Expected("OPTIONS", "http://a")),
    good("authority form", get(line=b"CONNECT a.example:443 HTTP/1.1"), Expected("CONNECT", "a.example:443")),
    good(
        "connect, then another",
        get(line=b"CONNECT a:443 HTTP/1.1") + get(),
        Expected("CONNECT", "a:443"),
        ROOT,
    ),
    good("upgrade is ignored", get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n") + get(), ROOT, ROOT),
    good(
        "upgrade with body",
        post(b"Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", b"abc") + get(),
        Expected("POST", "/form", b"abc"),
        ROOT,
    ),
    good(
        "connect with body",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 2\r\n\r\nhi" + get(),
        Expected("CONNECT", "a:1", b"hi"),
        ROOT,
    ),
    good(
        "get with body", get(b"Content-Length: 4\r\n") + b"body" + get(), Expected("GET", "/", b"body"), ROOT
    ),
    good("length zero", post(b"Content-Length: 0\r\n", b"") + get(), Expected("POST", "/form"), ROOT),
    good("leading zeros", post(b"Content-Length: 0003\r\n", b"abc"), Expected("POST", "/form", b"abc")),
    good("post without length", post(b"", b"") + get(), Expected("POST", "/form"), ROOT),
    good(
        "body like a request",
        post(b"Content-Length: 44\r\n", get(b"X: 12345\r\n")[:44]) + get(),
        Expected("POST", "/form", get(b"X: 12345\r\n")[:44]),
        ROOT,
    ),
    good(
        "chunked",
        chunked(b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n") + get(),
        Expected("POST", "/form", b"hello world"),
        ROOT,
    ),
    good(
        "chunked by another spelling",
        post(b"transfer-encoding: ChunKed\r\n", b"A\r\n0123456789\r\n000\r\n\r\n"),
        Expected("POST", "/form", b"0123456789"),
    ),
    good(
        "chunk extensions",
        chunked(b'1 ; a\t=\t"q\\"; b" ; c\r\nx\r\n0;last\r\n\r\n'),
        Expected("POST", "/form", b"x"),
    ),
    good("empty chunked", chunked(b"0\r\n\r\n") + get(), Expected("POST", "/form"), ROOT),
    good(
        "trailers",
        chunked(b"1\r\nx\r\n0\r\nX-Sum: 1\r\nX-More:\r\n\r\n") + get(),
        Expected("POST", "/form", b"x"),
        ROOT,
    ),
    good(
        "expect",
        post(b"Expect: 100-Continue\r\nContent-Length: 1\r\n", b"x"),
        Expected("POST", "/form", b"x"),
    ),
    good(
        "http/1.0 expectation is ignored",
        b"GET / HTTP/1.0\r\nExpect: magic\r\n\r\n",
        ROOT._replace(keep_alive=False),
    ),
    good(
        "repeated fields",
        get(b"Accept: a\r\nX-A: 1\r\naccept: b\r\nCookie: a=1\r\nCookie: b=2\r\n"),
        ROOT._replace(fields={"HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_A": "1"}),
    ),
    good(
        "white space around values",
        get(b"A:x\r\nB:\t y \t\r\nC:\r\nD:  \r\nE: a\tb\r\n"),
        ROOT._replace(fields={"HTTP_A": "x", "HTTP_B": "y", "HTTP_C": "", "HTTP_D": "", "HTTP_E": "a\tb"}),
    ),
    good("latin-1 value", get(b"A: \xa0\xe9\x85\r\n"), ROOT._replace(fields={"HTTP_A": "\xa0\xe9\x85"})),
    good(
        "content type",
        get(b"content-TYPE: text/plain\r\n"),
        ROOT._replace(fields={"CONTENT_TYPE": "text/plain"}),
    ),
    good("ipv6 host", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ROOT),
    good("host with empty port", b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", ROOT),
    good(
        "underscored names stay out",
        get(b"X_Real_IP: 1\r\nContent_Length: 9\r\nTransfer_Encoding: x\r\n"),
        ROOT,
    ),
    Case(
        "limits just kept",
        b"GET /23456789012345678901234567890 HTTP/1.1\r\nHost: a\r\nX: "
        + b"v" * 47
        + b"\r\nContent-Length: 10\r\nD: 4\r\n\r\n0123456789",
        (Expected("GET", "/23456789012345678901234567890", b"0123456789"),),
        limits=Limits(43, 4, 50, 200, 10, 30),
    ),
    Case(
        "zero is no limit",
        get(b"X: " + b"v" * 20000 + b"\r\n", b"GET /" + b"a" * 9000 + b" HTTP/1.1"),
        (Expected("GET", "/" + "a" * 9000),),
        limits=Limits(request_line=0, fields=0, field_size=0),
    ),
)

REFUSED_HEADS: tuple[Case, ...] = (
    bad("lf only", 400, "bare_lf", b"GET / HTTP/1.1\nHost: a\n\n"),
    bad("lf in the fields", 400, "bare_lf", get(b"A: b\nB: c\r\n")),
    bad("lf before the end", 400, "bare_lf", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    bad("lf before a request", 400, "bare_lf", b"\n" + get()),
    bad("cr in a value", 400, "bare_cr", get(b"A: b\rTransfer-Encoding: chunked\r\n")),
    bad("cr in the request line", 400, "bare_cr", get(line=b"GET /\rx HTTP/1.1")),
    bad("cr cr lf", 400, "bare_cr", get(b"A: b\r\r\n")),
    bad("many empty lines", 400, "empty_lines", b"\r\n" * 5 + get()),
    bad("tls hello", 400, "bare_lf", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n\r\n\r\n"),
    bad("simple request", 400, "bad_request_line", b"GET /\r\n\r\n"),
    bad("two spaces", 400, "bad_request_line", get(line=b"GET  / HTTP/1.1")),
    bad("space at the end", 400, "bad_request_line", get(line=b"GET / HTTP/1.1 ")),
    bad("space in the target", 400, "bad_request_line", get(line=b"GET /a b HTTP/1.1")),
    bad("no target", 400, "bad_request_line", get(line=b"GET HTTP/1.1")),
    bad("white space first", 400, "bad_request_line", get(line=b" GET / HTTP/1.1")),
    bad("method is no token", 400, "bad_method", get(line=b"G(T / HTTP/1.1")),
    bad("method in lower case", 501, "unknown_method", get(line=b"get / HTTP/1.1")),
    bad("unknown method", 501, "unknown_method", get(line=b"BREW / HTTP/1.1")),
    bad("rtsp method", 501, "unknown_method", get(line=b"DESCRIBE / HTTP/1.1")),
    bad("preface with 1.1", 501, "unknown_method", get(line=b"PRI * HTTP/1.1")),
    bad("http/2 preface", 505, "unsupported_version", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    bad("version 1.2", 505, "unsupported_version", get(line=b"GET / HTTP/1.2")),
    bad("version 0.9", 505, "unsupported_version", get(line=b"GET / HTTP/0.9")),
    bad("version in lower case", 400, "bad_version", get(line=b"GET / http/1.1")),
    bad("rtsp version", 400, "bad_version", get(line=b"GET / RTSP/1.0")),
    bad("ice version", 400, "bad_version", get(line=b"SOURCE / ICE/1.0")),
    bad("long version", 400, "bad_version", get(line=b"GET / HTTP/1.10")),
    bad("nul in the target", 400, "bad_target_character", get(line=b"GET /\0 HTTP/1.1")),
    bad("tab in the target", 400, "bad_target_character", get(line=b"GET /\tx HTTP/1.1")),
    bad("del in the target", 400, "bad_target_character", get(line=b"GET /\x7f HTTP/1.1")),
    bad("utf-8 in the target", 400, "bad_target_character", get(line=b"GET /\xc3\xa9 HTTP/1.1")),
    bad("utf-8 in the query", 400, "bad_target_character", get(line=b"GET /?\xc3\xa9 HTTP/1.1")),
    bad("fragment", 400, "fragment_in_target", get(line=b"GET /#f HTTP/1.1")),
    bad("fragment in the query", 400, "fragment_in_target", get(line=b"GET /?a#f HTTP/1.1")),
    bad("relative target", 400, "bad_target", get(line=b"GET foo HTTP/1.1")),
    bad("asterisk with get", 400, "bad_target", get(line=b"GET * HTTP/1.1")),
    bad("other scheme", 400, "bad_target", get(line=b"GET ftp://a/ HTTP/1.1")),
    bad("path with connect", 400, "bad_target", get(line=b"CONNECT / HTTP/1.1")),
    bad("connect without port", 400, "bad_target", get(line=b"CONNECT a HTTP/1.1")),
    bad("no authority", 400, "bad_authority", get(line=b"GET http:///p HTTP/1.1")),
    bad("port out of range", 400, "bad_authority", get(line=b"GET http://a:70000/ HTTP/1.1")),
    bad("user information", 400, "userinfo_in_target", get(line=b"GET http://user:secret@a/ HTTP/1.1")),
    bad("long request line", 414, "request_line_too_long", get(line=b"GET /" + b"a" * 5000 + b" HTTP/1.1")),
    bad("endless request line", 414, "request_line_too_long", b"GET /" + b"a" * 5000),
    bad("folded value", 400, "obs_fold", get(b"A: b\r\n c\r\n")),
    bad("folded framing", 400, "obs_fold", get(b"Transfer-Encoding:\r\n\tchunked\r\n")),
    bad("space before the first field", 400, "obs_fold", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    bad("no colon", 400, "missing_colon", get(b"Accept\r\n")),
    bad("space before colon", 400, "space_before_colon", get(b"Content-Length : 3\r\n")),
    bad("tab before colon", 400, "space_before_colon", get(b"Content-Length\t: 3\r\n")),
    bad("empty name", 400, "bad_field_name", get(b": x\r\n")),
    bad("parenthesis in a name", 400, "bad_field_name", get(b"X(: x\r\n")),
    bad("latin-1 in a name", 400, "bad_field_name", get(b"X\xe9: x\r\n")),
    bad("nul in a name", 400, "bad_field_name", get(b"Transfer-Encoding\0: chunked\r\n")),
    bad("nul in a value", 400, "bad_field_value", get(b"X: a\0b\r\n")),
    bad("vertical tab before chunked", 400, "bad_field_value", get(b"Transfer-Encoding: \x0bchunked\r\n")),
    bad("del in a value", 400, "bad_field_value", get(b"X: \x7f\r\n")),
    bad("too many fields", 431, "too_many_fields", get(b"A: b\r\n" * 100)),
    bad("too many fields, unended", 431, "too_many_fields", get(b"A: b\r\n" * 100)[:-2]),
    bad("large field", 431, "field_too_large", get(b"A: " + b"b" * 9000 + b"\r\n")),
    bad("endless field", 431, "field_too_large", get(b"A: " + b"b" * 9000)[:-2]),
    bad(
        "large head",
        431,
        "head_too_large",
        get(b"A: 3456789012345678901234567890123456789012345\r\n" * 3),
        SMALL,
    ),
    bad("no host", 400, "missing_host", b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n"),
    bad("no host in absolute form", 400, "missing_host", b"GET http://a/ HTTP/1.1\r\nAccept: a\r\n\r\n"),
    bad("two hosts", 400, "duplicate_host", get(b"host: example.org\r\n")),
    bad("empty host", 400, "bad_host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    bad("host with path", 400, "bad_host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    bad("host with user", 400, "bad_host", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    bad("host with bad port", 400, "bad_host", b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"),
    bad("host in latin-1", 400, "bad_host", b"GET / HTTP/1.0\r\nHost: \xe9\r\n\r\n"),
    bad("signed length", 400, "bad_content_length", post(b"Content-Length: +3\r\n", b"abc")),
    bad("negative length", 400, "bad_content_length", post(b"Content-Length: -3\r\n", b"abc")),
    bad("hexadecimal length", 400, "bad_content_length", post(b"Content-Length: 0x3\r\n", b"abc")),
    bad("listed length", 400, "bad_content_length", post(b"Content-Length: 3, 3\r\n", b"abc")),
    bad("empty length", 400, "bad_content_length", post(b"Content-Length:\r\n", b"abc")),
    bad("underscored length", 400, "bad_content_length", post(b"Content-Length: 1_0\r\n", b"abc")),
    bad("superscript length", 400, "bad_content_length", post(b"Content-Length: \xb2\r\n", b"abc")),
    bad("same length twice", 400, "duplicate_content_length", post(b"Content-Length: 3\r\n" * 2, b"abc")),
    bad(
        "two lengths",
        400,
        "duplicate_content_length",
        post(b"Content-Length: 3\r\nContent-Length: 0\r\n", b"abc"),
    ),
    bad(
        "overflowing length",
        400,
        "content_length_overflow",
        post(b"Content-Length: 18446744073709551619\r\n", b"abc"),
    ),
    bad(
        "large length", 400, "content_length_overflow", post(b"Content-Length: 1000000000000000000\r\n", b"")
    ),
    bad(
        "cl.te",
        400,
        "content_length_and_transfer_encoding",
        post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"),
    ),
    bad(
        "te.cl",
        400,
        "content_length_and_transfer_encoding",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\nGPOST / HTTP/1.1\r\n"),
    ),
    bad(
        "te in 1.0",
        400,
        "transfer_encoding_in_1_0",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    bad("xchunked", 400, "not_chunked", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    bad("chunked twice", 400, "not_chunked", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    bad(
        "chunked on two lines", 400, "not_chunked", post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n")
    ),
    bad("chunked, gzip", 400, "not_chunked", post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n")),
    bad("identity", 400, "not_chunked", post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n")),
    bad("empty coding", 400, "not_chunked", post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n")),
    bad("comma and chunked", 400, "not_chunked", post(b"Transfer-Encoding: , chunked\r\n", b"0\r\n\r\n")),
    bad(
        "chunked with parameter",
        400,
        "not_chunked",
        post(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"),
    ),
    bad("quoted chunked", 400, "not_chunked", post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n")),
    bad(
        "gzip, chunked",
        501,
        "unknown_transfer_coding",
        post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    ),
    bad(
        "gzip and chunked on two lines",
        501,
        "unknown_transfer_coding",
        post(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ),
    bad("tab behind chunked", 400, "unparsable", post(b"Transfer-Encoding: chunked\t\r\n", b"0\r\n\r\n")),
    bad(
        "other expectation", 417, "unknown_expectation", post(b"Expect: magic\r\nContent-Length: 1\r\n", b"x")
    ),
    bad("body over its limit", 413, "body_too_large", post(b"Content-Length: 11\r\n", b""), SMALL),
    Case("bad after good", get() + b"NO\r\n\r\n", (ROOT,), 400, "bad_request_line"),
    bad("closed in the request line", 400, "client_closed", b"GET /inde"),
    bad("closed in the fields", 400, "client_closed", b"GET / HTTP/1.1\r\nHost: a\r\n"),
    bad("closed in a line ending", 400, "client_closed", b"GET / HTTP/1.1\r\nHost: a\r"),
)

REFUSED_BODIES: tuple[Case, ...] = (
    bad_body("size is no number", 400, "bad_chunk_size", b"x\r\n"),
    bad_body("size in 0x", 400, "bad_chunk_size", b"0x5\r\nhello\r\n0\r\n\r\n"),
    bad_body("signed size", 400, "bad_chunk_size", b"+5\r\nhello\r\n0\r\n\r\n"),
    bad_body("empty size", 400, "bad_chunk_size", b"\r\nhello\r\n"),
    bad_body("space before size", 400, "bad_chunk_size", b" 5\r\nhello\r\n0\r\n\r\n"),
    bad_body("underscored size", 400, "bad_chunk_size", b"1_0\r\nhello\r\n0\r\n\r\n"),
    bad_body("overflowing size", 400, "chunk_size_overflow", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    bad_body("zeros before size", 400, "chunk_size_overflow", b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
    bad_body("space after size", 400, "bad_chunk_extension", b"5 \r\nhello\r\n0\r\n\r\n"),
    bad_body("nul in an extension", 400, "bad_chunk_extension", b"5;a=\0\r\nhello\r\n0\r\n\r\n"),
    bad_body("open quote in an extension", 400, "bad_chunk_extension", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    bad_body("cr in an extension", 400, "bare_cr", b"5;\rX\r\nhello\r\n0\r\n\r\n"),
    bad_body("lf in an extension", 400, "bare_lf", b"5;\nX\r\nhello\r\n0\r\n\r\n"),
    bad_body("lf after the size", 400, "bare_lf", b"5\nhello\r\n0\r\n\r\n"),
    bad_body(
        "long extension", 400, "chunk_extensions_too_long", b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n"
    ),
    bad_body("endless extension", 400, "chunk_extensions_too_long", b"5;" + b"a" * 300),
    bad_body(
        "extensions add up",
        400,
        "chunk_extensions_too_long",
        (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 30,
        b"x" * 20,
    ),
    bad_body("chunk longer than its size", 400, "bad_chunk_ending", b"3\r\nhello\r\n0\r\n\r\n", b"hel"),
    bad_body("lf after the data", 400, "bad_chunk_ending", b"5\r\nhello\n0\r\n\r\n", b"hello"),
    bad_body("two bytes instead of an ending", 400, "bad_chunk_ending", b"5\r\nhelloxx0\r\n\r\n", b"hello"),
    bad_body("trailer for framing", 400, "forbidden_trailer", b"0\r\ncontent-length: 3\r\n\r\n"),
    bad_body("trailer for routing", 400, "forbidden_trailer", b"0\r\nHost: evil\r\n\r\n"),
    bad_body("trailer for authentication", 400, "forbidden_trailer", b"0\r\nAuthorization: x\r\n\r\n"),
    bad_body("folded trailer", 400, "obs_fold", b"0\r\nA: b\r\n c\r\n\r\n"),
    bad_body("trailer without colon", 400, "missing_colon", b"0\r\nA\r\n\r\n"),
    bad_body("space before a trailer's colon", 400, "space_before_colon", b"0\r\nA : b\r\n\r\n"),
    bad_body("bad trailer name", 400, "bad_field_name", b"0\r\nA(: b\r\n\r\n"),
    bad_body("bad trailer value", 400, "bad_field_value", b"0\r\nA: \0\r\n\r\n"),
    bad_body("lf at the end", 400, "bare_lf", b"0\r\n\n"),
    bad_body("request instead of the end", 400, "missing_colon", b"0\r\nGET / HTTP/1.1\r\n\r\n"),
    bad_body("long trailers", 431, "trailers_too_large", b"0\r\nA: b\r\nC: " + b"d" * 9000 + b"\r\n\r\n"),
    bad_body("many trailers", 431, "too_many_fields", b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
    bad_body(
        "chunks over the body's limit",
        413,
        "body_too_large",
        b"8\r\n01234567\r\n3\r\nabc\r\n0\r\n\r\n",
        b"01234567",
        SMALL,
    ),
    bad_body("closed in a chunk", 400, "client_closed", b"5\r\nhel", b"hel"),
    bad_body("closed before the last chunk", 400, "client_closed", b"5\r\nhello\r\n", b"hello"),
    bad_body("closed in the trailers", 400, "client_closed", b"0\r\n"),
    Case(
        "closed in a body",
        post(b"Content-Length: 5\r\n", b"abc"),
        (Expected("POST", "/form", b"abc"),),
        400,
        "client_closed",
    ),
)

CASES = UNDERSTOOD + REFUSED_HEADS + REFUSED_BODIES
