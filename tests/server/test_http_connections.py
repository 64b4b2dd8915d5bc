"""Persistent connections: order, options, the forms of a target, the ends (RFC 9112 section 9)."""

from __future__ import annotations

import email.utils
import time

import pytest

from tests.conftest import StartServer
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server
from tests.support.wire import request_bytes


def test_requests_follow_one_another_on_one_connection(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        for number in range(3):
            answer = client.request(f"/{number}")
            assert (answer.status, answer.body, answer.closes) == (200, b"ok", False)
    records = watch.exactly(3)
    assert [value(record, "logserve.request_in_connection") for record in records] == [1, 2, 3]
    assert len({value(record, "logserve.connection") for record in records}) == 1


def test_connections_have_serials_of_their_own(http_server: Server) -> None:
    with http_server.watch() as watch:
        http_server.get("/one")
        http_server.get("/two")
    serials = {value(record, "logserve.connection") for record in watch.exactly(2)}
    assert len(serials) == 2


def test_pipelined_requests_are_answered_in_order(http_server: Server) -> None:
    bodies = [b"x" * size for size in (3, 1, 70_000, 0, 5)]
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(b"".join(request_bytes(f"/echo/{len(body)}", "POST", body=body) for body in bodies))
        assert [client.read_answer().body for _ in bodies] == bodies
    records = watch.exactly(len(bodies))
    assert [value(record, "url.path") for record in records] == [f"/echo/{len(body)}" for body in bodies]


def test_a_quick_answer_does_not_overtake_a_slow_one(http_server: Server, module_gate: Gate) -> None:
    with http_server.connect() as client:
        client.send(request_bytes("/gate/slow") + request_bytes("/quick") + request_bytes("/echo/last"))
        module_gate.wait("slow")
        module_gate.open("slow")
        assert [client.read_answer().body for _ in range(3)] == [b"slow", b"ok", b""]


def test_pipelined_requests_cut_anywhere(http_server: Server) -> None:
    stream = request_bytes("/echo/1", "POST", body=b"first") + request_bytes(
        "/echo/2", "POST", body=b"second"
    )
    for cut in range(1, len(stream), 7):
        with http_server.connect() as client:
            client.send(stream[:cut])
            client.send(stream[cut:])
            assert client.read_answer().body == b"first"
            assert client.read_answer().body == b"second"


@pytest.mark.parametrize(
    "lines",
    [
        [("Connection", "close")],
        [("Connection", "Close")],
        [("Connection", "x-one, close, x-two")],
        [("Connection", "x-one"), ("Connection", "close")],
        [("Connection", "keep-alive, close")],
    ],
)
def test_close_among_the_options_ends_the_connection(
    http_server: Server, lines: list[tuple[str, str]]
) -> None:
    with http_server.connect() as client:
        answer = client.request("/", headers=lines)
        assert (answer.status, answer.closes) == (200, True)
        client.expect_end()


def test_bytes_after_connection_close_are_dropped(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        last = request_bytes("/last", headers=[("Connection", "close")])
        client.send(last + request_bytes("/never") + b"\x00\xffno request")
        assert client.read_answer().body == b"ok"
        client.expect_end()
    assert value(watch.one(), "url.path") == "/last"


def test_http_1_0_closes_unless_asked_to_keep(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.read_answer()
        assert (answer.status, answer.body, answer.closes) == (200, b"ok", True)
        client.expect_end()
    with http_server.connect() as client:
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = client.read_answer()
            assert (answer.body, (answer.header("Connection") or "").lower()) == (b"ok", "keep-alive")


def test_http_1_0_gets_no_chunks(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(b"GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.read_answer()
        assert (answer.framing, answer.body, answer.closes) == ("close", b"one two three", True)


def test_http_1_1_gets_chunks_where_the_length_is_unknown(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        answer = client.request("/pieces")
        assert (answer.framing, answer.chunks) == ("chunked", [b"one ", b"two ", b"three"])
        assert client.request("/").body == b"ok"
    assert value(watch.exactly(2)[0], "http.response.body.bytes") == len(b"one two three")


def test_head_has_the_headers_and_no_body(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        head, get = client.request("/", "HEAD"), client.request("/")
        assert (head.status, head.header("Content-Length")) == (200, get.header("Content-Length"))
        assert client.request("/pieces", "HEAD").status == 200
        assert client.request("/").body == b"ok"
    sizes = [value(record, "http.response.body.bytes") for record in watch.exactly(4)]
    assert sizes == [0, 2, 0, 2]


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_may_have_no_body_has_none(http_server: Server, status: int) -> None:
    http_server.expect(f"/status/{status}")
    with http_server.connect() as client:
        answer = client.request(f"/status/{status}")
        assert (answer.status, answer.header("X-Chosen")) == (status, "yes")
        if answer.closes:
            client.expect_end()
        else:
            assert client.request("/").body == b"ok"


def test_the_absolute_form_replaces_the_host(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(b"GET http://other.example:81/report?x=1 HTTP/1.1\r\nHost: test\r\n\r\n")
        told = client.read_answer().json()
    assert told["fields"]["HTTP_HOST"] == "other.example:81"
    assert (told["path"], told["query"]) == ("/report", "x=1")
    assert told["raw_uri"] == "http://other.example:81/report?x=1"


def test_the_asterisk_form_reaches_the_application(http_server: Server) -> None:
    with http_server.connect() as client:
        told = client.request("*", "OPTIONS").json()
    assert (told["method"], told["raw_uri"]) == ("OPTIONS", "*")


def test_connect_reaches_the_application(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(b"CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n")
        answer = client.read_answer()
        assert (answer.status, answer.body) == (405, b"far.example:443")
    record = watch.one()
    assert (value(record, "http.request.method"), value(record, "logserve.outcome")) == (
        "CONNECT",
        "client_error",
    )


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "HTTP/2.0"])
def test_an_upgrade_is_ignored(http_server: Server, protocol: str) -> None:
    headers = [("Connection", "Upgrade"), ("Upgrade", protocol)]
    with http_server.connect() as client:
        answer = client.request("/", headers=headers)
        assert (answer.status, answer.closes) == (200, False)
        answer = client.request("/echo", "POST", headers, b"with a body")
        assert answer.body == b"with a body"
        client.send(request_bytes("/echo/1", "POST", headers, b"one") + request_bytes("/echo/2"))
        assert [client.read_answer().body for _ in range(2)] == [b"one", b""]


def test_a_client_that_half_closes_is_answered(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(request_bytes("/echo/1", "POST", body=b"one") + request_bytes("/pieces"))
        client.half_close()
        assert client.read_answer().body == b"one"
        assert client.read_answer().body == b"one two three"
        client.expect_end()
    assert [value(record, "logserve.outcome") for record in watch.exactly(2)] == ["ok", "ok"]


def test_a_client_that_half_closes_while_the_application_works_is_answered(
    http_server: Server, module_gate: Gate
) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(request_bytes("/gate/half"))
        module_gate.wait("half")
        client.half_close()
        module_gate.open("half")
        assert client.read_answer().body == b"half"
        client.expect_end()
    assert value(watch.one(), "logserve.outcome") == "ok"


@pytest.mark.parametrize(
    "start",
    [
        b"G",
        b"GET /half HTTP/1.1\r\nHost: te",
        b"POST /half HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345",
        b"POST /half HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
    ],
)
def test_a_request_that_ends_half_way_has_a_record(http_server: Server, start: bytes) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(start)
        client.half_close()
        client.read_rest()
    record = watch.one()
    assert value(record, "logserve.outcome") == "client_aborted"
    assert value(record, "event.outcome") != "success"


def test_connections_without_a_byte_are_counted(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.http_paths", *worker_options, "--header-timeout", "1")
    for _ in range(3):
        with server.connect() as client:
            client.half_close()
            client.expect_end()
    with server.connect() as client:
        assert client.request("/").status == 200
    with server.connect() as client:
        client.expect_end()  # its time is over
    server.stop()
    (end,) = [record for record in server.error.records() if "has stopped" in str(record["message"])]
    assert (end["requests"], end["connections_without_a_byte"]) == (1, 4)


def test_a_connection_without_a_byte_has_no_record(http_server: Server) -> None:
    with http_server.watch(0), http_server.connect() as client:
        client.half_close()
        client.expect_end()


def test_a_kept_connection_that_the_client_closes_has_no_further_record(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        client.request("/")
        client.half_close()
        client.expect_end()
    watch.one()


def test_each_answer_has_date_and_server(http_server: Server) -> None:
    answer = http_server.get("/")
    date = answer.header("Date") or ""
    told = email.utils.parsedate_to_datetime(date)
    assert date == email.utils.format_datetime(told, usegmt=True)
    assert abs(told.timestamp() - time.time()) < 5
    assert "logserve" in (answer.header("Server") or "").lower()


def test_empty_lines_before_a_request_are_skipped(http_server: Server) -> None:
    """RFC 9112 section 2.2."""
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(b"\r\n\r\n" + request_bytes("/") + b"\r\n" + request_bytes("/"))
        assert [client.read_answer().status for _ in range(2)] == [200, 200]
    watch.exactly(2)
