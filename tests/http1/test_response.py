"""Answers: how the body is framed, which fields the server adds, what the application may not send."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logserve.errors import LocalProtocolError
from logserve.http1 import (
    CONTINUE,
    LAST_CHUNK,
    Connection,
    Limits,
    Request,
    ResponseFraming,
    begin_response,
    encode_chunk,
    encode_early_hints,
    error_response,
)
from tests.http1.replay import replay

Fields = dict[str, str]


def request(line: str = "GET / HTTP/1.1") -> Request:
    connection = Connection(Limits())
    connection.receive(f"{line}\r\nHost: a:1\r\n\r\n".encode())
    event = connection.next_event()
    assert isinstance(event, Request)
    return event


def answer(
    line: str | None, status: str, headers: list[tuple[str, str]], keep_alive: bool = True, extra: bytes = b""
) -> tuple[str, Fields, ResponseFraming]:
    """Status line, fields (each once) and framing."""
    head, framing = begin_response(request(line) if line else None, status, headers, keep_alive, extra)
    assert head.endswith(b"\r\n\r\n")
    status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    fields: Fields = dict(pairs)
    assert len(fields) == len(pairs)
    assert fields.pop("Server", "logserve") == "logserve"
    fields.pop("Date", None)
    return status_line, fields, framing


LENGTH = [("Content-Length", "5")]
CHUNKED = {"Transfer-Encoding": "chunked"}
CLOSE = {"Connection": "close"}
KEEP = {"Connection": "keep-alive"}
FIVE = {"Content-Length": "5"}


@pytest.mark.parametrize(
    ("line", "status", "headers", "keep_alive", "fields", "framing"),
    [
        # framing: (chunked, length, has_body, must_close)
        ("GET / HTTP/1.1", "200 OK", LENGTH, True, FIVE, (False, 5, True, False)),
        ("GET / HTTP/1.1", "200 OK", LENGTH, False, FIVE | CLOSE, (False, 5, True, True)),
        ("GET / HTTP/1.1", "200 OK", [], True, CHUNKED, (True, None, True, False)),
        ("GET / HTTP/1.1", "200 OK", [], False, CHUNKED | CLOSE, (True, None, True, True)),
        ("GET / HTTP/1.0", "200 OK", LENGTH, True, FIVE | KEEP, (False, 5, True, False)),
        ("GET / HTTP/1.0", "200 OK", LENGTH, False, FIVE | CLOSE, (False, 5, True, True)),
        ("GET / HTTP/1.0", "200 OK", [], True, CLOSE, (False, None, True, True)),
        ("HEAD / HTTP/1.1", "200 OK", LENGTH, True, FIVE, (False, 5, False, False)),
        ("HEAD / HTTP/1.1", "200 OK", [], True, {}, (False, None, False, False)),
        ("HEAD / HTTP/1.0", "200 OK", [], True, KEEP, (False, None, False, False)),
        ("GET / HTTP/1.1", "204 No Content", [], True, {}, (False, None, False, False)),
        ("GET / HTTP/1.1", "204 No Content", LENGTH, True, {}, (False, 5, False, False)),
        ("GET / HTTP/1.1", "304 Not Modified", LENGTH, True, FIVE, (False, 5, False, False)),
        ("GET / HTTP/1.1", "304 Not Modified", [], True, {}, (False, None, False, False)),
        ("CONNECT a:1 HTTP/1.1", "200 OK", LENGTH, True, CLOSE, (False, None, True, True)),
        ("CONNECT a:1 HTTP/1.1", "405 Method Not Allowed", LENGTH, True, FIVE, (False, 5, True, False)),
        (None, "400 Bad Request", LENGTH, False, FIVE | CLOSE, (False, 5, True, True)),
        (None, "400 Bad Request", [], True, CLOSE, (False, None, True, True)),
    ],
)
def test_framing(
    line: str | None,
    status: str,
    headers: list[tuple[str, str]],
    keep_alive: bool,
    fields: Fields,
    framing: tuple[bool, int | None, bool, bool],
) -> None:
    status_line, found, how = answer(line, status, headers, keep_alive)
    assert status_line == f"HTTP/1.1 {status}"
    assert found == fields
    assert (how.chunked, how.length, how.has_body, how.must_close) == framing


@pytest.mark.parametrize(
    ("line", "status", "headers", "known", "fields"),
    [
        ("GET / HTTP/1.1", "200 OK", [], 5, FIVE),
        ("GET / HTTP/1.0", "200 OK", [], 5, FIVE | KEEP),
        ("GET / HTTP/1.1", "200 OK", [], 0, {"Content-Length": "0"}),
        ("GET / HTTP/1.1", "200 OK", LENGTH, 7, FIVE),
        ("GET / HTTP/1.1", "204 No Content", [], 0, {}),
        ("GET / HTTP/1.1", "304 Not Modified", [], 0, {}),
        ("HEAD / HTTP/1.1", "200 OK", [], 5, FIVE),
        ("HEAD / HTTP/1.1", "200 OK", [], 0, {}),
    ],
)
def test_a_body_that_is_there_already_is_announced(
    line: str, status: str, headers: list[tuple[str, str]], known: int, fields: Fields
) -> None:
    head, framing = begin_response(request(line), status, headers, True, known_length=known)
    names = (b"Content-Length", b"Connection", b"Transfer-Encoding")
    pairs = [field.split(b": ") for field in head[:-4].split(b"\r\n")[1:]]
    assert {name.decode(): value.decode() for name, value in pairs if name in names} == fields
    assert not framing.must_close


def test_the_applications_fields_stay_as_they_are() -> None:
    headers = [
        ("content-type", "text/html"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=\xe9\t2"),
        ("X-Empty", ""),
    ]
    head, _ = begin_response(request(), "200 Gr\xfc\xdf", headers, True, b"X-Request-ID: 7\r\n")
    text = head.decode("latin-1")
    assert text.startswith(
        "HTTP/1.1 200 Gr\xfc\xdf\r\ncontent-type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9\t2\r\n"
    )
    assert "\r\nX-Empty: \r\n" in text
    assert text.endswith("X-Request-ID: 7\r\n\r\n")


def test_date_is_now_and_the_applications_wins() -> None:
    before = int(time.time())
    for _ in range(2):
        head, _framing = begin_response(request(), "200 OK", LENGTH, True)
        dates = re.findall(rb"Date: (.*)\r\n", head)
        assert len(dates) == 1
        assert before <= parsedate_to_datetime(dates[0].decode()).timestamp() <= time.time()
    own = [("date", "Thu, 01 Jan 1970 00:00:00 GMT"), *LENGTH]
    head, _ = begin_response(request(), "200 OK", own, True)
    assert head.lower().count(b"date:") == 1
    assert head.count(b"Server: logserve\r\n") == 1
    head, _ = begin_response(request(), "200 OK", [("Server", "mine"), *LENGTH], True)
    assert head.count(b"Server: mine\r\n") == 1
    assert b"logserve" not in head
    assert head.count(b"Date: ") == 1


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (200, [], "must be a str"),
        ([], [], "must be a str"),
        ("200", [], "must look like '200 OK'"),
        ("OK", [], "must look like '200 OK'"),
        ("2000 OK", [], "must look like '200 OK'"),
        ("\xb2\xb2\xb2 OK", [], "must look like '200 OK'"),
        ("100 Continue", [], "200 or above"),
        ("101 Switching Protocols", [], "200 or above"),
        ("200 OK\r\nX: y", [], "control character"),
        ("200 \u20ac", [], "outside latin-1"),
        ("200 OK", [("X", "a\r\nY: b")], "control character"),
        ("200 OK", [("X", "a\n")], "control character"),
        ("200 OK", [("X", "a\0")], "control character"),
        ("200 OK", [("X", "a\u20ac")], "outside latin-1"),
        ("200 OK", [("X\r\nY", "a")], "must be a token"),
        ("200 OK", [("X ", "a")], "must be a token"),
        ("200 OK", [("", "a")], "must be a token"),
        ("200 OK", [("X", 1)], "tuple of two str"),
        ("200 OK", [("X", b"a")], "tuple of two str"),
        ("200 OK", [(b"X", "a")], "must be a str"),
        ("200 OK", [([], "a")], "tuple of two str"),
        ("200 OK", [("Content-Length", 5)], "tuple of two str"),
        ("200 OK", [("X", "a", "b")], "tuple of two str"),
        ("200 OK", [None], "tuple of two str"),
        ("200 OK", None, "tuple of two str"),
        ("200 OK", [("Connection", "close")], "the server's to send"),
        ("200 OK", [("transfer-encoding", "chunked")], "the server's to send"),
        ("200 OK", [("Upgrade", "websocket")], "the server's to send"),
        ("200 OK", [("Keep-Alive", "timeout=5")], "the server's to send"),
        ("200 OK", [("Content-Length", "-1")], "decimal digits"),
        ("200 OK", [("Content-Length", "5, 5")], "decimal digits"),
        ("200 OK", [("Content-Length", "")], "decimal digits"),
        ("200 OK", [("Content-Length", "\xb2")], "decimal digits"),
        ("200 OK", [("Content-Length", "5"), ("content-length", "5")], "given twice"),
    ],
)
def test_what_an_application_may_not_send(status: Any, headers: Any, says: str) -> None:
    for _ in range(2):  # nothing bad is learnt
        with pytest.raises(LocalProtocolError, match=re.escape(says)):
            begin_response(request(), status, headers, True)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=12)), max_size=4), st.text(max_size=8))
def test_no_text_can_break_out_of_its_field(headers: list[tuple[str, str]], reason: str) -> None:
    try:
        head, _ = begin_response(request(), f"200 {reason}", headers, True)
    except LocalProtocolError:
        return
    lines = head[:-4].decode("latin-1").split("\r\n")
    own = sum(name.lower() in ("content-length", "date", "server") for name, _ in headers)
    assert len(lines) >= 1 + len(headers) - own + 1
    assert not re.search(r"[\r\n\0]", "".join(lines))


def test_chunks() -> None:
    assert encode_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert encode_chunk(b"") == b""
    assert LAST_CHUNK == b"0\r\n\r\n"


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_chunks_are_what_the_decoder_reads(pieces: list[bytes]) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    outcome = replay([head + b"".join(map(encode_chunk, pieces)) + LAST_CHUNK])
    assert outcome.error is None
    assert outcome.seen[0].body == b"".join(pieces)


def test_interim_answers() -> None:
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"
    hints = [("Link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]
    assert encode_early_hints(hints) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\r\n"
    )


@pytest.mark.parametrize(
    "headers",
    [[("Link", "a\r\nb")], [("Li nk", "a")], [("Link", b"a")], [("Content-Length", "1")], [("Link", "\u20ac")], [1]],
)  # fmt: skip
def test_bad_early_hints(headers: Any) -> None:
    with pytest.raises(LocalProtocolError):
        encode_early_hints(headers)


def test_error_answers() -> None:
    raw = error_response(431, "too_many_fields", b"X-Request-ID: 7\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"\r\nConnection: close" in head
    assert b"\r\nX-Request-ID: 7" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b"431 Request Header Fields Too Large: too_many_fields\n"
    assert error_response(400, "bare_lf", method="HEAD").endswith(b"\r\n\r\n")
