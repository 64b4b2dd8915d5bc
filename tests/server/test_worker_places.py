"""Who has a place in a worker, for how long, and who must not lose theirs: limits, deadlines, the heartbeat, the end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.apps.blocks import BLOCK, block
from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

APP = "tests.apps.faults"
PLACES = 4
CALLS = 8
CALL = 0.25
"""Seconds; :data:`CALLS` of them take longer than ``--timeout`` of the server that they are sent to."""


# -- the heartbeat


@pytest.fixture(scope="module")
def impatient(
    worker_type: str, module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker, one call at a time, that is given a second; no test here may cost it its life."""
    options = ["--worker-class", worker_type, "--threads", "1", "--timeout", "1", "--keep-alive", "30"]
    options += ["--header-timeout", "1", "--send-timeout", "0", "--response-spool", str(BLOCK)]
    with running(
        tmp_path_factory.mktemp("impatient"), APP, options, environment=module_gate.environment
    ) as server:
        before = server.wait_workers(1)
        yield server
        assert server.wait_workers(1) == before


def test_calls_behind_one_another_are_no_hang(impatient: Server) -> None:
    """Each is short; that together they are not does not cost the worker its life."""
    before = impatient.wait_workers(1)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(impatient.connect()) for _ in range(CALLS)]
        for client in clients:
            assert client.request("/").status == 200
        for client in clients:
            client.send(request_bytes(f"/slow/{CALL}"))
        assert {client.read_answer().status for client in clients} == {200}
    assert impatient.wait_workers(1) == before


def test_pipelined_calls_are_no_hang(impatient: Server) -> None:
    before = impatient.wait_workers(1)
    with impatient.connect() as client:
        client.send(request_bytes(f"/slow/{CALL}") * CALLS)
        assert {client.read_answer().status for _ in range(CALLS)} == {200}
    assert impatient.wait_workers(1) == before


def test_a_reader_that_is_slow_is_no_hang(impatient: Server) -> None:
    """The call waits for it, beyond --timeout, because the answer is larger than --response-spool."""
    before = impatient.wait_workers(1)
    count = 24
    with impatient.watch() as watch, impatient.connect(receive_buffer=65536) as client:
        client.send(request_bytes(f"/large/{count}"))
        assert client.read_head().status == 200
        for number in range(count):
            assert client.read_exactly(BLOCK) == block(number)
            pace(0.08)
        (record,) = watch.exactly(1)
    assert value(record, "logserve.outcome") == "ok"
    assert impatient.wait_workers(1) == before


def test_no_send_timeout_is_no_limit(impatient: Server) -> None:
    """Another deadline of the same server passes twice meanwhile, and --timeout with it."""
    before = impatient.wait_workers(1)
    with impatient.watch() as watch, impatient.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/whole/24"))  # waits in the loop
        assert client.read_head().status == 200
        for _ in range(2):
            with impatient.connect() as other:
                other.send(b"G")
                assert other.read_answer().status == 408
        for number in range(24):
            assert client.read_exactly(BLOCK) == block(number)
        assert client.request("/").body == b"ok"
        watch.exactly(4)
    assert impatient.wait_workers(1) == before


def test_no_send_timeout_is_no_limit_inside_a_call(impatient: Server) -> None:
    before = impatient.wait_workers(1)
    with impatient.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/large/24"))
        assert client.read_head().status == 200
        pace(1.5)
        for number in range(24):
            assert client.read_exactly(BLOCK) == block(number)
        assert client.request("/").body == b"ok"
    assert impatient.wait_workers(1) == before


def pace(seconds: float) -> None:
    """Be a client that takes its time."""
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= until, seconds + 10)


def test_who_was_asleep_with_the_arbiter_is_not_aborted(
    start_server: StartServer, worker_options: list[str]
) -> None:
    """A machine that is suspended, or stopped with the whole group: heartbeats are old through no fault."""
    server = start_server(APP, *worker_options, "--timeout", "1", "--workers", "2")
    before = server.wait_workers(2)
    everybody = [server.pid, server.collector(), *before]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    pace(2.5)
    os.kill(server.pid, signal.SIGCONT)
    server.send(signal.SIGTTIN)  # handled, so that the arbiter has looked around
    wait_for(lambda: len(server.workers()) == 3, what=server.describe)
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    after = server.wait_workers(3)
    assert set(before) < set(after)
    assert server.get("/").body == b"ok"


# -- --worker-connections


@pytest.fixture(scope="module")
def small(worker_type: str, module_gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with few places, and a thread for more calls than that."""
    options = ["--worker-class", worker_type, "--worker-connections", str(PLACES), "--keep-alive", "60"]
    options += ["--header-timeout", "60", *(["--threads", "8"] if worker_type == "gthread" else [])]
    with running(
        tmp_path_factory.mktemp("small"), APP, options, environment=module_gate.environment
    ) as server:
        yield server


def port(client: Client) -> int:
    """The client's own."""
    return int(client.socket.getsockname()[1])


def test_lingering_connections_have_no_place(small: Server) -> None:
    (pid,) = small.wait_workers(1)
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(small.connect()) for _ in range(PLACES)]
        for client in old:
            assert client.request("/", headers=[("Connection", "close")]).status == 200
            client.expect_end()
        new = stack.enter_context(small.connect())
        assert new.request("/").body == b"ok"
        assert all(processes.has_connection(pid, port(client)) for client in old), "it waited for their end"


def test_the_oldest_head_that_is_not_whole_makes_room(small: Server) -> None:
    (pid,) = small.wait_workers(1)
    with small.watch() as watch, contextlib.ExitStack() as stack:
        halves = [stack.enter_context(small.connect()) for _ in range(PLACES)]
        for number, client in enumerate(halves):
            client.send(f"GET /half/{number} HTTP/1.1\r\nHost: test\r\n".encode())
            wait_for(partial(processes.has_connection, pid, port(client)))
        new = stack.enter_context(small.connect())
        assert new.request("/new").body == b"ok"
        answer = halves[0].read_answer()
        assert (answer.status, answer.closes) == (408, True)
        for client in halves[1:]:
            client.send(b"\r\n")
            assert client.read_answer().body == b"ok"
    records = {value(record, "url.path"): record for record in watch.exactly(1 + PLACES)}
    assert value(records["/half/0"], "logserve.outcome") == "timeout_header"
    assert value(records["/half/3"], "logserve.outcome") == "ok"


def test_a_head_that_is_not_whole_makes_room_beside_calls(start_server: StartServer, gate: Gate) -> None:
    """The calls came first, and are not what makes room."""
    options = ["--worker-class", "gthread", "--threads", "8", "--worker-connections", str(PLACES)]
    server = start_server(APP, *options, "--header-timeout", "60", environment=gate.environment)
    (pid,) = server.wait_workers(1)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(PLACES - 1)]
        for number, client in enumerate(busy, 1):
            client.send(request_bytes("/gate/inside"))
            gate.wait("inside", number)
        half = stack.enter_context(server.connect())
        half.send(b"GET /half HTTP/1.1\r\n")
        wait_for(partial(processes.has_connection, pid, port(half)))
        new = stack.enter_context(server.connect())
        assert new.request("/new").body == b"ok"
        assert half.read_answer().status == 408
        gate.open("inside")
        assert {client.read_answer().status for client in busy} == {200}


def test_while_every_place_is_busy_a_new_connection_waits(
    small: Server, worker_type: str, module_gate: Gate
) -> None:
    """And is not reset. They are in calls, or where there is one call at a time have answers to read; once they are
    idle the new ones take their places, although they are kept."""
    (pid,) = small.wait_workers(1)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(small.connect(receive_buffer=65536)) for _ in range(PLACES)]
        for number, client in enumerate(busy, 1):
            if worker_type == "gthread":
                client.send(request_bytes("/gate/busy"))
                module_gate.wait("busy", number)
            else:
                client.send(request_bytes("/whole/12"))
                assert client.read_head().status == 200
        news = [stack.enter_context(small.connect()) for _ in range(3)]
        for new in news:
            new.send(request_bytes("/new"))
        assert not any(processes.has_connection(pid, port(new)) for new in news)
        assert not select.select([new.socket for new in news], [], [], 0)[0]
        if worker_type == "gthread":
            module_gate.open("busy")
            assert {client.read_answer().status for client in busy} == {200}
        else:
            for client in busy:
                for number in range(12):
                    assert client.read_exactly(BLOCK) == block(number)
        for new in news:
            assert new.read_answer().body == b"ok"


def test_a_kept_connection_whose_call_runs_is_not_idle(start_server: StartServer, gate: Gate) -> None:
    """It has idled for longest, but for its request."""
    options = ["--worker-class", "gthread", "--threads", "8", "--worker-connections", str(PLACES)]
    server = start_server(APP, *options, "--keep-alive", "60", environment=gate.environment)
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(PLACES)]
        for client in busy:
            assert client.request("/").status == 200
        for number, client in enumerate(busy, 1):
            client.send(request_bytes("/gate/inside"))
            gate.wait("inside", number)
        new = stack.enter_context(server.connect())
        new.send(request_bytes("/new"))
        pace(0.3)  # let the worker see it: what it does wrong then is what the answers show
        gate.open("inside")
        for client in (*busy, new):
            assert client.read_answer().status == 200
    records = server.access.wait(lambda each: value(each, "url.path") == "/gate/inside", PLACES)
    assert {value(record, "logserve.outcome") for record in records} == {"ok"}


# -- the ends of a connection


def sends_in_vain(client: Client) -> None:
    """Send after the server has ended its side: it reads, so that no reset destroys what it had answered.

    On the loopback interface a reset would be there before the second send.
    """
    for _ in range(3):
        client.send(request_bytes("/late"))


@pytest.fixture(scope="module")
def brief(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A worker that waits a second for a next request, and two for a head, at a unix socket.

    There the kernel does not keep back connections that have sent nothing, as TCP_DEFER_ACCEPT does.
    """
    options = [*worker_options, "--bind", "unix:here.sock", "--keep-alive", "1", "--header-timeout", "2"]
    with running(
        tmp_path_factory.mktemp("brief"), APP, options, environment=module_gate.environment
    ) as server:
        yield server


def test_an_idle_connection_that_is_closed_lingers(brief: Server) -> None:
    with brief.watch() as watch, brief.connect() as client:
        assert client.request("/").status == 200
        client.expect_end()
        sends_in_vain(client)
    assert value(watch.one(), "url.path") == "/"


def test_a_connection_that_sends_nothing_is_closed(brief: Server) -> None:
    with brief.watch(0), brief.connect() as client:
        client.expect_end()


def test_a_head_is_timed_from_the_accept(brief: Server) -> None:
    """The first byte comes late; whoever connects after that is closed later."""
    with brief.connect() as early:
        pace(1.2)
        early.send(b"G")
        with brief.connect() as late:
            answer = early.read_answer()
            assert (answer.status, answer.closes) == (408, True)
            assert not select.select([late.socket], [], [], 0)[0], "they were timed from the same moment"
            late.expect_end()


def test_no_keep_alive_closes_after_each_answer(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(APP, *worker_options, "--keep-alive", "0")
    for _ in range(3):
        with server.connect() as client:
            assert client.request("/").closes
            client.expect_end()
    with server.connect() as client:
        client.send(request_bytes("/1") + request_bytes("/2"))
        assert client.read_answer().status == 200


def test_an_idle_connection_lingers_at_the_end(start_server: StartServer, worker_options: list[str]) -> None:
    """What is sent too late gets no reset, which would be taken for a broken answer."""
    server = start_server(APP, *worker_options, "--keep-alive", "30")
    with server.connect() as client:
        assert client.request("/").status == 200
        server.send(signal.SIGTERM)
        client.expect_end()
        sends_in_vain(client)
    assert server.wait_exit() == 0
    assert [value(record, "url.path") for record in server.access.records()] == ["/"]


@pytest.mark.parametrize(("path", "status", "outcome"), [("gate", 503, "shutdown"), ("stubborn", 200, "ok")])
def test_a_quick_stop_begins_nothing_more(
    start_server: StartServer, gate: Gate, path: str, status: int, outcome: str
) -> None:
    """The worker has found ten requests at once, and is inside the first one; even where that one takes no notice."""
    server = start_server(APP, "--keep-alive", "60", environment=gate.environment)
    server.expect("SIGINT|SIGQUIT|shutdown")
    (pid,) = server.wait_workers(1)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(10)]
        for client in clients:
            assert client.request("/").status == 200
        os.kill(pid, signal.SIGSTOP)
        for client in clients:
            client.send(request_bytes(f"/{path}/held"))
        os.kill(pid, signal.SIGCONT)
        gate.wait("held")
        server.send(signal.SIGINT)
        assert server.wait_exit() == 0
        answers = [answered(client) for client in clients]
    assert sorted(answers) == [0] * 9 + [status]
    assert gate.told("begun held") == [str(pid)]
    assert "SIGKILL" not in server.said()
    outcomes = [value(record, "logserve.outcome") for record in server.access.records()]
    assert outcomes == ["ok"] * 10 + [outcome]  # the other nine were not even read


def test_a_quick_stop_begins_no_request_that_was_read_ahead(start_server: StartServer, gate: Gate) -> None:
    """Those have records all the same."""
    server = start_server(APP, environment=gate.environment)
    server.expect("SIGINT|SIGQUIT|shutdown")
    with server.connect() as client:
        client.send(request_bytes("/stubborn/held") * 3)
        gate.wait("held")
        server.send(signal.SIGINT)
        assert server.wait_exit() == 0
        assert answered(client) == 200
    assert len(gate.told("begun held")) == 1
    assert "SIGKILL" not in server.said()
    records = server.access.records()
    assert [value(record, "logserve.outcome") for record in records] == ["ok", "unanswered", "unanswered"]
    assert [value(record, "logserve.phase") for record in records] == ["sending", "queued", "queued"]


def answered(client: Client) -> int:
    """The status of what a client is answered, 0 for nothing."""
    try:
        data = client.read_rest()
    except ConnectionResetError:
        return 0
    return int(data.split()[1]) if data else 0
