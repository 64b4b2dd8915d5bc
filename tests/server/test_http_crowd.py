"""Many clients, and slow ones: whoever takes their time holds nobody else."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.blocks import BLOCK, block
from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes


@pytest.fixture(scope="module")
def one_worker(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker, so that whatever holds it holds everybody."""
    with running(
        tmp_path_factory.mktemp("crowd"),
        "tests.apps.http_paths",
        [*worker_options, "--keep-alive", "30"],
        environment=module_gate.environment,
    ) as server:
        yield server


@pytest.mark.parametrize("target", ["/large/24", "/whole/24"])
def test_slow_readers_hold_nobody(one_worker: Server, module_gate: Gate, target: str) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(one_worker.connect(receive_buffer=65536)) for _ in range(6)]
        before = len(module_gate.told("closed"))
        for client in slow:
            client.send(request_bytes(target))
        if target.startswith("/large"):
            module_gate.wait_told("closed", before + len(slow))  # the calls are over, and nothing is read yet
        for _ in range(20):
            assert one_worker.get("/").body == b"ok"
        for client in slow:
            assert client.read_head().status == 200
            for number in range(24):
                assert client.read_exactly(BLOCK) == block(number)
            assert client.request("/").body == b"ok"


def test_a_spooled_answer_leaves_no_file_behind(one_worker: Server) -> None:
    (pid,) = one_worker.workers()
    before = len(processes.descriptors(pid))
    with one_worker.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/whole/24"))
        client.read_head()
        client.reset()
    wait_for(lambda: len(processes.descriptors(pid)) <= before, what=lambda: str(processes.descriptors(pid)))
    assert not list(one_worker.temporary.iterdir())


def test_slow_senders_hold_nobody(one_worker: Server) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(one_worker.connect()) for _ in range(20)]
        requests = [request_bytes(f"/echo/{number}", "POST", body=b"x" * number) for number in range(20)]
        for position in range(max(map(len, requests))):
            for client, data in zip(slow, requests, strict=True):
                client.send(data[position : position + 1])
            if position % 10 == 0:
                assert one_worker.get("/").body == b"ok"
        assert [client.read_answer().body for client in slow] == [b"x" * number for number in range(20)]


def test_at_the_limit_the_longest_idle_connection_is_closed(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(
        "tests.apps.http_paths", *worker_options, "--worker-connections", "8", "--keep-alive", "60"
    )
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(12):
            client = stack.enter_context(server.connect())
            assert client.request(f"/{number}").body == b"ok"
            clients.append(client)
        for client in clients[:4]:
            client.expect_end()
        for client in clients[5:]:
            assert client.request("/again").body == b"ok"


def test_at_the_limit_a_connection_that_is_busy_is_not_closed(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(
        "tests.apps.http_paths",
        *worker_options,
        *("--worker-connections", "4", "--keep-alive", "60", "--header-timeout", "60"),
        environment=gate.environment,
    )
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(server.connect())
        first.send(request_bytes("/echo", "POST", [("Content-Length", "4")], b"bo"))
        for number in range(8):
            assert stack.enter_context(server.connect()).request(f"/{number}").body == b"ok"
        first.send(b"dy")
        assert first.read_answer().body == b"body"


IDLE = 10_000
DRIPPING = 200


def test_ten_thousand_idle_connections_and_two_hundred_that_drip(
    tmp_path: Path, worker_options: list[str]
) -> None:
    """Idle ones of both kinds: that have had an answer, and that have never sent a byte."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < IDLE + DRIPPING + 200:
        pytest.skip("this process may not open enough descriptors")
    options = ["--workers", "2", "--worker-connections", "12000", "--backlog", "4096"]
    options += ["--keep-alive", "120", "--header-timeout", "120"]
    with (
        running(tmp_path, "tests.apps.http_paths", [*worker_options, *options]) as server,
        contextlib.ExitStack() as stack,
    ):
        server.wait_workers(2)
        idle = [_connected(stack, server, number) for number in range(IDLE)]
        dripping = [stack.enter_context(server.connect()) for _ in range(DRIPPING)]
        slow = request_bytes("/slow")
        for step in range(2):  # each of them sends a byte a second
            for client in dripping:
                client.send(slow[step : step + 1])
            for number in range(50):
                assert server.get(f"/ordinary/{step}/{number}").body == b"ok"
            _pause(dripping[0], 1.0)
        for client in (*idle[:: IDLE // 50], *idle[1 :: IDLE // 50]):
            assert client.request("/still").body == b"ok"
        for client in dripping:
            client.send(slow[2:])
            assert client.read_answer().body == b"ok"
        ordinary = [r for r in server.access.records() if str(value(r, "url.path")).startswith("/ordinary/")]
        assert {value(record, "logserve.outcome") for record in ordinary} == {"ok"}


def _connected(stack: contextlib.ExitStack, server: Server, number: int) -> Client:
    """A connection that has sent nothing, or one that was kept after an answer."""
    while True:
        client = stack.enter_context(server.connect(timeout=30))
        if number % 2 == 0 or not client.request("/first").closes:
            return client


def _pause(client: Client, seconds: float) -> None:
    """The pace of the dripping clients; whoever answers meanwhile was not asked."""
    client.socket.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        assert not client.socket.recv(1), "an answer before the request was whole"
        raise AssertionError("a dripping client was cut off")
    client.socket.settimeout(30)
