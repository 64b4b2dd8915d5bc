"""Signals, to the arbiter alone and to the whole process group."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

import pytest

from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.load import Load, settle
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes

APP = "tests.apps.process_paths"
Send = Callable[[Server, signal.Signals], None]


@pytest.fixture(params=["arbiter", "group"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send a signal to the arbiter, or to the whole group as a terminal and systemd do: the same happens."""
    return Server.send if request.param == "arbiter" else Server.send_group


def test_term_finishes_what_was_begun(
    start_server: StartServer, worker_options: list[str], gate: Gate, send: Send
) -> None:
    server = start_server(APP, *worker_options, "--workers", "2", environment=gate.environment)
    server.wait_workers(2)
    with server.connect() as client, server.connect() as idle:
        assert idle.request("/").status == 200
        client.send(request_bytes("/gate/term"))
        gate.wait("term")
        send(server, signal.SIGTERM)
        idle.expect_end()
        gate.open("term")
        answer = client.read_answer()
        assert (answer.status, answer.closes) == (200, True)
        client.expect_end()
    assert server.wait_exit() == 0
    outcomes = [value(record, "logserve.outcome") for record in server.access.records()]
    assert outcomes == ["ok", "ok"]


def test_nobody_is_let_in_after_term(start_server: StartServer, gate: Gate) -> None:
    """A connection that nobody will serve is refused, so that a balancer can take another server."""
    server = start_server(APP, environment=gate.environment)
    with server.connect() as client:
        client.send(request_bytes("/gate/refuse"))
        gate.wait("refuse")
        server.send(signal.SIGTERM)
        wait_for(
            lambda: refuses(server), what="the end of listening, while a request is still being answered"
        )
        gate.open("refuse")
        assert client.read_answer().status == 200
    assert server.wait_exit() == 0


def refuses(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("which", "send"), [(signal.SIGINT, Server.send_group), (signal.SIGQUIT, Server.send)]
)
def test_int_and_quit_are_quick(
    start_server: StartServer, worker_options: list[str], gate: Gate, send: Send, which: signal.Signals
) -> None:
    """A request that would never end does not hold it, and has its record."""
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect("worker|SIG|signal|KeyboardInterrupt")
    with server.connect() as client:
        assert client.request("/").status == 200
    with server.connect() as client:
        client.send(request_bytes("/gate/quick"))
        gate.wait("quick")
        send(server, which)
        assert server.wait_exit(15) == 0
    by_path = {
        value(record, "url.path"): value(record, "logserve.outcome") for record in server.access.records()
    }
    assert by_path == {"/": "ok", "/gate/quick": "shutdown"}


def test_term_ends_what_outlasts_the_graceful_timeout(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, "--graceful-timeout", "1", environment=gate.environment)
    server.expect("worker|SIG|signal|graceful")
    with server.connect() as client:
        client.send(request_bytes("/gate/forever"))
        gate.wait("forever")
        assert server.stop() == 0
    (record,) = server.access.records()
    assert value(record, "logserve.outcome") in ("shutdown", "worker_killed")
    assert value(record, "url.path") == "/gate/forever"


def test_term_under_load_records_each_answer(
    start_server: StartServer, worker_options: list[str], send: Send
) -> None:
    server = start_server(APP, *worker_options, "--workers", "2")
    with Load(server, "term", clients=4) as load:
        load.wait_more(200)
        send(server, signal.SIGTERM)
        assert server.wait_exit() == 0
    settle(load.book, server.access, timeout=0.1)  # all was written before the arbiter went


def test_ttin_and_ttou_change_the_number_of_workers(start_server: StartServer, send: Send) -> None:
    server = start_server(APP)
    first = server.wait_workers(1)
    send(server, signal.SIGTTIN)
    assert set(first) < set(server.wait_workers(2))
    send(server, signal.SIGTTIN)
    server.wait_workers(3)
    for count in (2, 1):
        send(server, signal.SIGTTOU)
        server.wait_workers(count)
    wanted = server.said().count("1 worker wanted")
    send(server, signal.SIGTTOU)  # one is the least
    # Signals of two kinds that wait together come in the order of their numbers: each is awaited.
    wait_for(lambda: server.said().count("1 worker wanted") > wanted, what="SIGTTOU to be heard")
    send(server, signal.SIGTTIN)
    server.wait_workers(2)
    assert server.get("/").body == b"ok"


def test_ttin_and_ttou_fail_no_request(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(APP, *worker_options, "--workers", "2")
    server.wait_workers(2)
    with Load(server, "ttou", clients=4) as load:
        for which, count in ((signal.SIGTTIN, 3), (signal.SIGTTOU, 2), (signal.SIGTTOU, 1)):
            load.wait_more()
            server.send(which)
            server.wait_workers(count)
        load.wait_more()
    assert not load.stop().failed
    settle(load.book, server.access)


@pytest.mark.parametrize("which", [signal.SIGWINCH, signal.SIGUSR2])
def test_winch_and_usr2_change_nothing(start_server: StartServer, send: Send, which: signal.Signals) -> None:
    server = start_server(APP, "--workers", "2")
    before = server.wait_workers(2)
    collector = server.collector()
    send(server, which)
    send(server, signal.SIGTTIN)  # it is handled after the other
    assert set(before) < set(server.wait_workers(3))
    assert server.collector() == collector
    assert server.get("/").body == b"ok"


def test_usr1_reopens_the_log_files(start_server: StartServer, worker_options: list[str], send: Send) -> None:
    server = start_server(APP, *worker_options, "--workers", "2")
    server.leaves.add("moved.json")
    moved = server.directory / "moved.json"
    workers = server.wait_workers(2)
    with Load(server, "usr1", clients=2) as load:
        load.wait_more()
        server.access.path.rename(moved)
        load.wait_more()
        send(server, signal.SIGUSR1)
        wait_for(server.access.path.exists, what="a new file under the old name")
        load.wait_more()
    book = load.stop()
    assert not book.failed
    assert server.workers() == workers
    settle(book, server.access, type(server.access)(moved))


def test_signals_in_a_storm(start_server: StartServer) -> None:
    """None is lost, none does harm, whatever comes between."""
    server = start_server(APP)
    server.wait_workers(1)
    for count in (2, 3, 4):
        server.send(signal.SIGTTIN)
        for which in (signal.SIGUSR1, signal.SIGWINCH, signal.SIGCHLD, signal.SIGUSR1):
            server.send_group(which)
        server.wait_workers(count)
    assert server.get("/").body == b"ok"
    server.send_group(signal.SIGTERM)
    server.send_group(signal.SIGTERM)
    assert server.wait_exit() == 0


def test_nothing_outlives_the_arbiter_and_nothing_is_lost(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(APP, *worker_options, "--workers", "2")
    server.wait_workers(2)
    collector = server.collector()
    with Load(server, "orphans", clients=4) as load:
        load.wait_more(300)
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait_exit() == -signal.SIGKILL
        wait_for(lambda: not processes.session_members(server.pid), 20, "the end of workers and collector")
    assert not processes.is_alive(collector)
    settle(load.book, server.access, timeout=0.1)


def test_idle_workers_do_not_outlive_the_arbiter(start_server: StartServer) -> None:
    server = start_server(APP, "--workers", "2")
    server.wait_workers(2)
    os.kill(server.pid, signal.SIGKILL)
    server.wait_exit()
    wait_for(lambda: not processes.session_members(server.pid), 20, "the end of workers and collector")


def test_a_request_that_outlives_the_arbiter_is_finished(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    with server.connect() as client:
        client.send(request_bytes("/gate/orphan"))
        gate.wait("orphan")
        os.kill(server.pid, signal.SIGKILL)
        server.wait_exit()
        gate.open("orphan")
        assert client.read_answer().status == 200
    wait_for(lambda: not processes.session_members(server.pid), 20, "the end of workers and collector")
    (record,) = server.access.records()
    assert value(record, "logserve.outcome") == "ok"


def test_a_hung_worker_does_not_outlive_the_arbiter_for_ever(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    """It would hold the listening socket, so that no new server could start."""
    server = start_server(APP, *worker_options, "--graceful-timeout", "1", environment=gate.environment)
    with server.connect() as client:
        client.send(request_bytes("/gate/never"))
        gate.wait("never")
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)  # not even the end of its channel reaches it
        os.kill(server.pid, signal.SIGKILL)
        server.wait_exit()
        wait_for(lambda: not processes.session_members(server.pid), 20, "the end of worker and collector")
    (record,) = server.access.records()
    assert value(record, "logserve.outcome") == "shutdown"


def test_the_terminals_interrupt_leaves_the_screen_tidy(start_server: StartServer) -> None:
    """No traceback from any process (the leak check looks), nothing lost."""
    server = start_server(APP, "--workers", "3")
    server.wait_workers(3)
    for _ in range(10):
        server.get("/")
    server.send_group(signal.SIGINT)
    with contextlib.suppress(ProcessLookupError):
        server.send_group(signal.SIGINT)
    assert server.wait_exit() == 0
    assert len(server.access.records()) == 10
