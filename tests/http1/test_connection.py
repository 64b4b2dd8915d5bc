"""The connection's states, what it knows of a broken request, and what it must not repeat."""

from __future__ import annotations

import pytest

from logserve.errors import RemoteProtocolError
from logserve.http1 import Connection, Data, EndOfMessage, Limits, Request
from logserve.http1 import request as request_module
from tests.http1.corpus import CASES, Case, chunked, get, post
from tests.http1.replay import replay


def fed(*pieces: bytes) -> Connection:
    connection = Connection(Limits())
    for piece in pieces:
        connection.receive(piece)
    return connection


def state(connection: Connection) -> str:
    """All that the properties say."""
    words = {
        "idle": connection.idle,
        "head": connection.in_head,
        "body": connection.in_body,
        "closed": connection.closed,
        "buffered": connection.buffered,
        "ended": connection.at_eof,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def refused(connection: Connection) -> RemoteProtocolError:
    try:
        while connection.next_event() is not None:
            pass
    except RemoteProtocolError as error:
        return error
    pytest.fail("no rule was broken")


def test_a_request_without_body_is_one_event() -> None:
    connection = fed(get())
    assert state(connection) == "head, buffered"
    request = connection.next_event()
    assert isinstance(request, Request)
    assert not request.has_body
    assert request.content_length is None
    assert state(connection) == "idle"
    assert connection.next_event() is None


def test_a_pipelined_request_waits_until_it_is_asked_for() -> None:
    connection = fed(get() + b"broken\n")
    assert isinstance(connection.next_event(), Request)
    assert state(connection) == "head, buffered"
    assert refused(connection).reason == "bare_lf"


def test_empty_lines_are_no_bytes_of_a_request() -> None:
    connection = fed(post(b"Content-Length: 0\r\n", b"\r\n"))
    assert isinstance(connection.next_event(), Request)
    assert state(connection) == "idle"
    connection.receive(b"\r\n")
    assert connection.next_event() is None
    assert state(connection) == "idle"
    connection.receive(b"\r\n" * 3)
    assert refused(connection).reason == "empty_lines"


def test_states_while_a_body_arrives() -> None:
    connection = fed(post(b"Content-Length: 4\r\n", b"ab"))
    request = connection.next_event()
    assert isinstance(request, Request)
    assert (request.has_body, request.content_length, request.chunked) == (True, 4, False)
    assert state(connection) == "body, buffered"
    event = connection.next_event()
    assert isinstance(event, Data)
    assert event.data == b"ab"
    assert connection.next_event() is None
    connection.receive(b"cd" + get())
    assert isinstance(connection.next_event(), Data)
    assert state(connection) == "body, buffered"
    assert isinstance(connection.next_event(), EndOfMessage)
    assert state(connection) == "head, buffered"


def test_trailers_come_with_the_end() -> None:
    outcome = replay([chunked(b"1\r\nx\r\n0\r\nX-Sum: 12 \r\n\r\n")])
    assert outcome.seen[0].trailers == [("X-Sum", "12")]


@pytest.mark.parametrize(
    ("raw", "expects"),
    [
        (post(b"Expect: 100-continue\r\nContent-Length: 1\r\n", b""), True),
        (post(b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", b""), True),
        (post(b"Expect: 100-continue\r\nContent-Length: 0\r\n", b""), False),
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", False),
        (get(), False),
    ],
)
def test_expect_continue(raw: bytes, expects: bool) -> None:
    request = fed(raw).next_event()
    assert isinstance(request, Request)
    assert request.expect_continue == expects


def test_a_half_closed_client_gets_its_answer() -> None:
    connection = fed(get(), b"")
    assert state(connection) == "head, buffered"
    assert isinstance(connection.next_event(), Request)
    assert connection.next_event() is None
    assert state(connection) == "idle, ended"


def test_after_close_nothing_is_kept() -> None:
    connection = fed(get(b"Connection: close\r\n") + b"rest")
    assert isinstance(connection.next_event(), Request)
    assert state(connection) == "closed"
    connection.receive(b"more")
    assert state(connection) == "closed"
    connection.receive(b"")
    assert state(connection) == "closed, ended"
    assert connection.next_event() is None


def test_header_timeout() -> None:
    connection = fed(b"GET /slow HTTP/1.1\r\nHost: a\r\n")
    assert connection.next_event() is None
    error = connection.time_out()
    assert (error.status, error.reason) == (408, "header_timeout")
    assert connection.partial is not None
    assert connection.partial.target == "/slow"
    assert connection.closed


def test_body_timeout() -> None:
    connection = fed(post(b"Content-Length: 4\r\n", b"a"))
    assert isinstance(connection.next_event(), Request)
    error = connection.time_out()
    assert (error.status, error.reason) == (408, "body_timeout")
    assert connection.partial is not None
    assert connection.partial.method == "POST"
    assert connection.partial.fields["HTTP_HOST"] == "example.org"


@pytest.mark.parametrize(
    ("raw", "line", "parts"),
    [
        (b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n", "GET /a HTTP/1.1", ("GET", "/a", "1.1")),
        (b"GET /a HTTP/9.9\r\nHost: a\r\n\r\n", "GET /a HTTP/9.9", ("GET", "/a", "9.9")),
        (b"GET /a\nHost: a\r\n\r\n", "GET /a", ("", "", "")),
        (b"\x16\x03\xe9\n", "\x16\x03\xe9", ("", "", "")),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1", ("GET", "/", "1.1")),
        (chunked(b"x\r\n"), "POST /form HTTP/1.1", ("POST", "/form", "1.1")),
    ],
)
def test_what_is_known_of_a_broken_request(raw: bytes, line: str, parts: tuple[str, str, str]) -> None:
    connection = fed(raw)
    refused(connection)
    partial = connection.partial
    assert partial is not None
    assert partial.line == line
    assert (partial.method, partial.target, partial.version) == parts


@pytest.mark.parametrize(
    "raw",
    [
        get(line=b"GET /#?token=hunter2 HTTP/1.1"),
        get(line=b"GET /?token=hunter2 HTTP/1.3"),
        get(line=b"GET /?token=hunter2 x HTTP/1.1"),
        get(line=b"GET http://joe:hunter2@a/ HTTP/1.1"),
        get(line=b"GET ftp://joe:hunter2@a/ HTTP/1.1"),
        b"GET / HTTP/1.1\r\nHost: joe:hunter2@a\r\n\r\n",
        get(b"Authorization: hunter2\0\r\n"),
        get(b"Authorization: x\r\n hunter2\r\n"),
        get(b"Authorization: x\r\nhunter2\r\n"),
        get(b"Authorization: hunter2\nX: y\r\n"),
        get(b"Authorization: hunter2\rX: y\r\n"),
        get(b"Cookie: " + b"hunter2" * 2000 + b"\r\n"),
        chunked(b"password=hunter2\r\n"),
        chunked(b"1;password=\"hunter2\r\n"),
        chunked(b"1\r\nxhunter2"),
    ],
)  # fmt: skip
def test_errors_do_not_repeat_secrets(raw: bytes) -> None:
    assert "hunter2" not in str(refused(fed(raw)))


@pytest.mark.parametrize("case", [case for case in CASES if case.status], ids=lambda case: case.name)
def test_errors_are_safe_and_short(case: Case) -> None:
    error = replay([case.raw], case.limits).error
    assert error is not None
    assert error.detail.isascii()
    assert error.detail.isprintable()
    assert len(error.detail) < 600


def test_the_caches_are_bounded() -> None:
    connection = fed()
    for number in range(3000):
        connection.receive(
            b"GET / HTTP/1.1\r\nHost: h%d\r\nX-%d: a\r\nConnection: o%d\r\n\r\n" % (number, number, number)
        )
        request = connection.next_event()
        assert isinstance(request, Request)
        assert request.fields[f"HTTP_X_{number}"] == "a"
    caches = (request_module._cgi_names, request_module._good_hosts, request_module._connection_options)
    assert [len(cache) for cache in caches] == [request_module.CACHE_MAX] * 3
