"""Clients that take their time: deadlines for header, body, answer and the next request.

The deadlines are short here, and what is awaited is their effect; no test measures time.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from tests.apps.blocks import BLOCK
from tests.support.gate import Gate
from tests.support.journal import Record, value
from tests.support.server import Server, running
from tests.support.wire import Client, request_bytes


@pytest.fixture(scope="module")
def hasty(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that waits a second for anything."""
    options = ["--header-timeout", "1", "--body-timeout", "1", "--send-timeout", "1", "--keep-alive", "1"]
    with running(
        tmp_path_factory.mktemp("hasty"),
        "tests.apps.http_paths",
        [*worker_options, *options, "--response-spool", str(4 * BLOCK)],
        environment=module_gate.environment,
    ) as server:
        yield server


def drip(client: Client, data: bytes, pause: float) -> bool:
    """Send a byte every `pause` seconds; True as soon as the server has answered or closed, False at the end."""
    for index in range(len(data)):
        client.socket.settimeout(pause)
        try:
            client.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            client.socket.settimeout(15)
            client.send(data[index : index + 1])
        else:
            client.socket.settimeout(15)
            return True
    return False


def timed_out(client: Client) -> None:
    """The answer is a complete 408 and the end."""
    answer = client.read_answer()
    assert (answer.status, answer.closes) == (408, True)
    client.expect_end()


def each_times_out(server: Server, starts: list[bytes]) -> list[Record]:
    """Send each on a connection of its own, all at once; each gets a 408 and one record."""
    with server.watch() as watch, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in starts]
        for client, start in zip(clients, starts, strict=True):
            client.send(start)
        for client in clients:
            timed_out(client)
    records = watch.exactly(len(starts))
    assert {value(record, "http.response.status_code") for record in records} == {408}
    return records


def test_a_header_that_does_not_arrive_in_time(hasty: Server) -> None:
    starts = [b"G", b"GET / HTTP/1.1\r\nHost: te", b"GET / HTTP/1.1\r\nHost: test\r\n"]
    records = each_times_out(hasty, starts)
    assert {value(record, "logserve.outcome") for record in records} == {"timeout_header"}


def test_a_header_on_a_kept_connection_has_its_own_deadline(hasty: Server) -> None:
    with hasty.watch() as watch, hasty.connect() as client:
        assert client.request("/").status == 200
        client.send(b"GET /second HTTP/1.1\r\n")
        timed_out(client)
    outcomes = [value(record, "logserve.outcome") for record in watch.exactly(2)]
    assert outcomes == ["ok", "timeout_header"]


def test_a_trickle_does_not_renew_the_header_deadline(hasty: Server) -> None:
    with hasty.watch() as watch, hasty.connect() as client:
        assert drip(client, b"GET / HTTP/1.1\r\nX-Drip: " + b"x" * 60, 0.2), "it was never cut off"
        timed_out(client)
    assert value(watch.one(), "logserve.outcome") == "timeout_header"


def test_a_body_that_stops(hasty: Server) -> None:
    starts = [
        request_bytes("/echo", "POST", [("Content-Length", "10")]),
        request_bytes("/echo", "POST", [("Content-Length", "10")], b"12345"),
        request_bytes("/echo", "POST", [("Transfer-Encoding", "chunked")], b"5\r\n12"),
    ]
    records = each_times_out(hasty, starts)
    assert {value(record, "logserve.outcome") for record in records} == {"timeout_body"}
    assert {value(record, "url.path") for record in records} == {"/echo"}
    assert sorted(value(record, "http.request.body.bytes") for record in records) == [0, 2, 5]


def test_a_body_that_makes_progress_is_waited_for(hasty: Server) -> None:
    """More than the deadline in all, with less than it between two bytes."""
    body = b"12345678"
    with hasty.watch() as watch, hasty.connect() as client:
        client.send(request_bytes("/echo", "POST", [("Content-Length", str(len(body)))]))
        assert not drip(client, body, 0.3)
        assert client.read_answer().body == body
    assert value(watch.one(), "logserve.outcome") == "ok"


def test_a_kept_connection_is_closed_without_an_answer(hasty: Server) -> None:
    with hasty.watch() as watch, hasty.connect() as client:
        assert client.request("/").status == 200
        client.expect_end()
    watch.one()


def test_a_client_that_reads_nothing_is_cut_off(hasty: Server, module_gate: Gate) -> None:
    """The answer is beyond the spool, so the application is held too, and let go of with the connection."""
    before = len(module_gate.told("closed"))
    with hasty.watch() as watch, hasty.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/large/64"))
        record = watch.wait(1)[0]
    assert value(record, "logserve.outcome") == "timeout_send"
    assert value(record, "http.response.status_code") == 200
    assert value(record, "http.response.body.bytes") < 64 * BLOCK
    taken = int(module_gate.wait_told("closed", before + 1)[before])
    assert 4 <= taken < 64


def test_a_spooled_answer_that_nobody_reads_is_cut_off_too(hasty: Server) -> None:
    """Less than the spool: the application is done long before."""
    with hasty.watch() as watch, hasty.connect(receive_buffer=4096) as client:
        client.send(request_bytes("/whole/32"))
        record = watch.wait(1)[0]
    assert value(record, "logserve.outcome") == "timeout_send"
    assert value(record, "http.response.body.bytes") < 32 * BLOCK
