"""Request bodies: Expect, chunks, trailers, limits, and refusals that the client can read (RFC 9110, 9112)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client, chunked, request_bytes

CHUNKED = ("Transfer-Encoding", "chunked")
EXPECT = ("Expect", "100-continue")


def test_expect_gets_a_continue_before_the_body_is_sent(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(request_bytes("/echo", "POST", [EXPECT, ("Content-Length", "4")]))
        assert client.read_head().status == 100
        client.send(b"body")
        assert client.read_answer().body == b"body"
        assert client.request("/").body == b"ok"


def test_expect_with_the_body_already_there_needs_no_continue(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(request_bytes("/echo", "POST", [EXPECT], b"body"))
        assert client.read_answer().body == b"body"


def test_expect_with_chunks(http_server: Server) -> None:
    with http_server.connect() as client:
        client.send(request_bytes("/echo", "POST", [EXPECT, CHUNKED]))
        assert client.read_head().status == 100
        client.send(chunked(b"a", b"bc"))
        assert client.read_answer().body == b"abc"


def test_expect_in_front_of_an_application_that_never_reads(http_server: Server) -> None:
    """Whether or not the body is asked for, the connection goes on with the next request, or says that it ends."""
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(request_bytes("/unread", "POST", [EXPECT, ("Content-Length", "6")]))
        answer = client.read_head()
        if answer.status == 100:
            client.send(b"unread")
            answer = client.read_head()
        assert answer.status == 200
        assert client.read_exactly(6) == b"unread"
        if answer.closes:
            client.expect_end()
        else:
            assert client.request("/").body == b"ok"
    assert {value(record, "logserve.outcome") for record in watch.wait(1)} == {"ok"}


def test_an_unknown_expectation_is_refused(http_server: Server) -> None:
    with http_server.watch() as watch, http_server.connect() as client:
        assert client.request("/", headers=[("Expect", "the-unexpected")]).status == 417
    record = watch.one()
    assert value(record, "http.response.status_code") == 417


@pytest.mark.parametrize(
    "body",
    [chunked(), chunked(b"one", b"two"), b"3;name=value\r\none\r\n0\r\n\r\n", b"003\r\none\r\n0\r\n\r\n"],
)
def test_chunks_are_joined(http_server: Server, body: bytes) -> None:
    with http_server.connect() as client:
        for _ in range(2):
            answer = client.request("/report", "POST", [CHUNKED], body)
            assert answer.json()["body"] in ("", "one", "onetwo")
            assert "CONTENT_LENGTH" not in answer.json()["fields"]


def test_trailers_are_read_and_do_not_become_headers(http_server: Server) -> None:
    with http_server.connect() as client:
        body = chunked(b"data", trailers=b"X-Checksum: 1234\r\nX-Other: 5\r\n")
        told = client.request("/report", "POST", [CHUNKED, ("Trailer", "X-Checksum")], body).json()
        assert told["body"] == "data"
        assert "HTTP_X_CHECKSUM" not in told["fields"]
        assert client.request("/").body == b"ok"


def test_a_body_beyond_the_threshold_arrives_whole(http_server: Server) -> None:
    data = bytes(range(256)) * 12_000  # 3 MB, beyond --body-spool
    with http_server.watch() as watch, http_server.connect() as client:
        assert client.request("/echo", "POST", body=data).body == data
        pieces = [data[start : start + 50_000] for start in range(0, len(data), 50_000)]
        assert client.request("/echo", "POST", [CHUNKED], chunked(*pieces)).body == data
    for record in watch.exactly(2):
        assert value(record, "http.request.body.bytes") == len(data)


def test_an_unread_body_does_not_become_the_next_request(http_server: Server) -> None:
    evil = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
    with http_server.watch() as watch, http_server.connect() as client:
        answer = client.request("/unread", "POST", body=evil)
        assert answer.body == b"unread"
        if answer.closes:
            client.expect_end()
        else:
            assert client.request("/next").body == b"ok"
    assert "/smuggled" not in [value(record, "url.path") for record in watch.wait(1)]


# -- limits


@pytest.fixture(scope="module")
def limited(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Small limits for everything."""
    options = ["--limit-request-line", "200", "--limit-request-fields", "5"]
    options += ["--limit-request-field-size", "100", "--limit-request-body", "1000"]
    with running(
        tmp_path_factory.mktemp("limits"),
        "tests.apps.http_paths",
        [*worker_options, *options],
        environment=module_gate.environment,
    ) as server:
        yield server


def refused(client: Client, status: int) -> None:
    """The answer is read whole, says that the connection ends, and it does."""
    answer = client.read_answer()
    assert (answer.status, answer.closes) == (status, True)
    client.expect_end()


@pytest.mark.parametrize(
    ("status", "request_text"),
    [
        (414, request_bytes("/" + "x" * 300)),
        (431, request_bytes("/", headers=[("X-Long", "x" * 200)])),
        (431, request_bytes("/", headers=[(f"X-{number}", "x") for number in range(10)])),
        (413, request_bytes("/echo", "POST", body=b"x" * 1001)),
        (413, request_bytes("/echo", "POST", [CHUNKED], chunked(b"x" * 600, b"x" * 600))),
    ],
)
def test_what_is_too_large_is_refused(limited: Server, status: int, request_text: bytes) -> None:
    with limited.watch() as watch, limited.connect() as client:
        client.send(request_text)
        refused(client, status)
    record = watch.one()
    assert value(record, "http.response.status_code") == status
    assert value(record, "logserve.outcome") == "too_large"
    assert value(record, "logserve.reason")


@pytest.mark.parametrize(
    "request_text",
    [
        request_bytes("/" + "x" * 100),
        request_bytes("/", headers=[("X-Long", "x" * 80)]),
        request_bytes("/", headers=[(f"X-{number}", "x") for number in range(4)]),
        request_bytes("/echo", "POST", body=b"x" * 1000),
        request_bytes("/echo", "POST", [CHUNKED], chunked(b"x" * 500, b"x" * 500)),
    ],
)
def test_what_is_within_the_limits_is_served(limited: Server, request_text: bytes) -> None:
    with limited.connect() as client:
        client.send(request_text)
        assert client.read_answer().status == 200


def test_a_request_line_without_end_is_refused_before_it_ends(limited: Server) -> None:
    with limited.watch() as watch, limited.connect() as client:
        client.send(b"GET /" + b"x" * 5000)
        refused(client, 414)
    assert value(watch.one(), "logserve.outcome") == "too_large"


def test_a_header_without_end_is_refused_before_it_ends(limited: Server) -> None:
    with limited.watch() as watch, limited.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX-Long: " + b"x" * 5000)
        refused(client, 431)
    assert value(watch.one(), "logserve.outcome") == "too_large"


def test_expect_with_too_large_a_body_is_refused_without_a_continue(limited: Server) -> None:
    with limited.connect() as client:
        client.send(request_bytes("/echo", "POST", [EXPECT, ("Content-Length", "5000")]))
        assert client.read_head().status == 413


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_refused_client_that_goes_on_sending_still_reads_the_answer(limited: Server, framing: str) -> None:
    """The close lingers (RFC 9112 section 9.6): a reset would destroy the answer before it is read."""
    data = b"x" * 900_000
    with limited.connect() as client:
        if framing == "length":
            client.send(request_bytes("/echo", "POST", body=data))
        else:
            client.send(request_bytes("/echo", "POST", [CHUNKED], chunked(data)))
        refused(client, 413)


def test_a_refused_client_may_send_on_when_the_answer_is_there(limited: Server) -> None:
    """As most clients do: they look for an answer only when they have sent everything."""
    with limited.connect() as client:
        client.send(request_bytes("/echo", "POST", [("Content-Length", "640000")]))
        client.socket.recv(1, socket.MSG_PEEK)  # the answer has come
        for _ in range(10):
            client.send(b"x" * 64_000)
        refused(client, 413)


def test_a_malformed_request_with_much_behind_it_still_gets_the_answer(limited: Server) -> None:
    with limited.watch() as watch, limited.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n" + b"x" * 900_000)
        refused(client, 400)
    assert value(watch.one(), "logserve.outcome") == "malformed"


def test_a_refused_client_that_never_stops_sending_is_cut_off(limited: Server) -> None:
    """What is read and thrown away has a limit (1 MiB)."""
    with limited.connect() as client:
        client.send(request_bytes("/echo", "POST", [("Content-Length", "1000000000")]))
        with pytest.raises(ConnectionError):
            client.send(b"x" * 100_000_000)


def test_a_refused_client_that_stays_silent_is_let_go(limited: Server) -> None:
    """So has the time for which the server waits for the client's end (2 s)."""
    (pid,) = limited.workers()
    limited.get("/")
    with limited.connect() as client:
        client.send(b"no request\r\n\r\n")
        assert client.read_answer().status == 400
        port = client.socket.getsockname()[1]
        assert processes.has_connection(pid, port)
        wait_for(lambda: not processes.has_connection(pid, port), what="the end of the lingering close")


def test_a_flood_of_malformed_requests_does_not_flood_the_log(limited: Server) -> None:
    """One access record each; `logserve.http` says the first ones, and how many were left out."""
    start = limited.http.size()
    flood = 400
    with limited.watch() as watch:
        for _ in range(flood):
            with limited.connect() as client:
                client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
                assert client.read_answer().status == 400
        records = watch.exactly(flood)
    assert {value(record, "logserve.outcome") for record in records} == {"malformed"}
    said = limited.http.wait(lambda record: "bad_field_name" in str(record), start=start)
    assert len(said) < flood / 2
    limited.http.wait(lambda record: "left out" in str(record.get("message")), timeout=15, start=start)


def test_a_chunk_that_is_none_is_refused_in_the_body(http_server: Server) -> None:
    http_server.expect("chunk")
    with http_server.watch() as watch, http_server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno\r\n")
        assert client.read_answer().status == 400
    record = watch.one()
    assert value(record, "logserve.phase") == "body"
    assert value(record, "http.request.body.bytes") == 3
