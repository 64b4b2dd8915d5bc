"""Which worker takes a connection and whether it keeps it, when a worker is replaced, and what a full ring costs."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter

import pytest

from tests.conftest import StartServer
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

APP = "tests.apps.faults"
ENOUGH = 400
"""Requests on new connections after which a worker of a fast application keeps them for sure."""


def kept_connection(server: Server) -> Client:
    """A connection that its worker keeps, which it does once its calls have proved to be short."""
    for _ in range(ENOUGH):
        client = server.connect()
        try:
            if not client.request("/pid").closes:
                return client
        except BaseException:
            client.close()
            raise
        client.close()
    raise AssertionError(f"none of {ENOUGH} connections was kept")


# -- who takes it


def test_kept_connections_spread_over_the_workers(
    start_server: StartServer, worker_options: list[str]
) -> None:
    """They are idle, and so are the workers: without more the kernel would give nearly all to one of them."""
    server = start_server(APP, *worker_options, "--workers", "4", "--keep-alive", "60")
    workers = server.wait_workers(4)
    with contextlib.ExitStack() as stack:
        held: Counter[int] = Counter()
        while min(held[pid] for pid in workers) < 5:
            held[stack.enter_context(kept_connection(server)).request("/pid").json()] += 1
            assert held.total() < 80, held


def test_a_free_worker_takes_what_a_full_one_cannot(start_server: StartServer, gate: Gate) -> None:
    """One thread each: while one is in a call, the other answers."""
    options = ["--worker-class", "gthread", "--workers", "2", "--threads", "1"]
    server = start_server(APP, *options, environment=gate.environment)
    server.wait_workers(2)
    for _ in range(5):
        with server.connect() as client:
            client.send(request_bytes("/gate/held"))
            gate.wait("held")
            busy = int(gate.told("begun held")[-1])
            assert busy not in {server.get("/pid").json() for _ in range(6)}
            gate.open("held")
            assert client.read_answer().json() == busy


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_workers_that_came_later_share_the_work(
    start_server: StartServer, gate: Gate, worker_class: str
) -> None:
    """The first was forked when it was the only one; again and again four calls are inside at once."""
    options = ["--worker-class", worker_class, "--workers", "1", "--threads", "1", "--keep-alive", "60"]
    server = start_server(APP, *options, environment=gate.environment)
    (first,) = server.wait_workers(1)
    assert server.get("/multiprocess").json() is True
    for count in (2, 3, 4):
        server.send(signal.SIGTTIN)
        server.wait_workers(count)
    with contextlib.ExitStack() as stack:
        clients: list[Client | None] = [None] * 4
        for _ in range(15):
            connected = [each or stack.enter_context(server.connect(timeout=30)) for each in clients]
            for client in connected:
                client.send(request_bytes("/gate/meet"))
            gate.wait("meet", 4)
            gate.open("meet")
            answers = [client.read_answer() for client in connected]
            assert len({answer.json() for answer in answers}) == 4
            assert first in {answer.json() for answer in answers}
            clients = [
                None if answer.closes else client for client, answer in zip(connected, answers, strict=True)
            ]


def test_a_single_workers_connections_are_kept_however_slow(start_server: StartServer) -> None:
    """Nobody else could answer sooner."""
    server = start_server(APP, "--keep-alive", "60")
    with server.connect() as client:
        for target in ("/", "/slow/0.1", "/", "/"):
            assert not client.request(target).closes


def test_slow_calls_are_a_reason_not_to_keep_connections(start_server: StartServer) -> None:
    """Where there are other workers: until enough fast calls have shown that it was an exception."""
    server = start_server(APP, "--workers", "2", "--keep-alive", "60")
    server.wait_workers(2)
    with server.connect() as unproven:
        assert unproven.request("/pid").closes
    with kept_connection(server) as client:
        assert not client.request("/pid").closes
        client.request("/slow/0.1")
        assert client.request("/pid").closes
        client.expect_end()
    with kept_connection(server) as client:
        assert not client.request("/pid").closes


# -- how long it serves


def test_the_jitter_comes_on_top_of_max_requests(
    start_server: StartServer, worker_options: list[str]
) -> None:
    """No worker ends before its number, or later than the jitter allows."""
    least, jitter, count = 10, 5, 60
    server = start_server(
        APP, *worker_options, "--max-requests", str(least), "--max-requests-jitter", str(jitter)
    )
    for number in range(count):
        assert server.get(f"/{number}").status == 200
    records = server.access.wait(lambda each: True, count)
    served = Counter(value(record, "process.pid") for record in records)
    whole = list(served.values())[:-1]  # the last one has not come to its end
    assert len(whole) >= 3
    assert all(least <= number <= least + jitter for number in whole), served


def test_the_jitter_is_drawn(start_server: StartServer) -> None:
    """Of ten million: that a worker gets less than 50 happens in one run of 200,000."""
    server = start_server(APP, "--max-requests", "1", "--max-requests-jitter", "10000000")
    before = server.wait_workers(1)
    for _ in range(50):
        assert server.get("/").status == 200
    assert server.wait_workers(1) == before


# -- what a full ring costs


@pytest.mark.parametrize(
    "overflow",
    [
        pytest.param(["--log-overflow", "drop", "--log-block-timeout", "60"], id="drop"),
        pytest.param(["--log-overflow", "block", "--log-block-timeout", "0.01"], id="block"),
    ],
)
def test_requests_go_on_while_nobody_writes_the_log(
    start_server: StartServer, worker_options: list[str], overflow: list[str]
) -> None:
    """What does not fit is lost, and counted in the log as soon as there is one again."""
    count = 300
    server = start_server(APP, *worker_options, "--log-ring-size", "64K", *overflow)
    server.wait_workers(1)
    server.expect("lost")
    collector = server.collector()
    os.kill(collector, signal.SIGSTOP)
    try:
        with server.connect() as client:
            for number in range(count):
                assert client.request(f"/{number}").status == 200
    finally:
        os.kill(collector, signal.SIGCONT)

    def accounted() -> bool:
        records = server.access.records()
        lost = sum(value(record, "logserve.lost.records") or 0 for record in records)
        kept = sum(value(record, "http.response.status_code") == 200 for record in records)
        return lost > 0 and lost + kept >= count

    wait_for(accounted, what=lambda: repr(server.access))
    records = server.access.records()
    kept = [value(record, "url.path") for record in records if value(record, "url.path")]
    (report,) = [record for record in records if value(record, "logserve.lost.records")]
    lost = value(report, "logserve.lost.records")
    assert kept == [f"/{number}" for number in range(count - lost)]
    assert f"lost {lost} records" in report["message"]
    assert server.get("/after").status == 200
    server.access.wait(lambda each: value(each, "url.path") == "/after")


def test_a_record_waits_for_room(start_server: StartServer, worker_options: list[str]) -> None:
    """By default for a while: whoever writes the log again in time loses nothing."""
    server = start_server(APP, *worker_options, "--log-ring-size", "64K", "--log-block-timeout", "60")
    server.wait_workers(1)
    collector = server.collector()
    count = 300
    with server.connect() as client:
        os.kill(collector, signal.SIGSTOP)
        try:
            client.send(b"".join(request_bytes(f"/{number}") for number in range(count)))
            (pid,) = server.wait_workers(1)
            client.read_answer()
        finally:
            os.kill(collector, signal.SIGCONT)
        for _ in range(count - 1):
            assert client.read_answer().status == 200
    records = server.access.wait(lambda each: True, count)
    assert [value(record, "url.path") for record in records] == [f"/{number}" for number in range(count)]
    assert server.wait_workers(1) == [pid]
