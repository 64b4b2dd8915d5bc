"""Workers: they share the work, die, hang, and are replaced; whatever they had begun is recorded."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import signal

import pytest

from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.load import Load, settle
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

APP = "tests.apps.process_paths"


def sharing(worker_type: str) -> list[str]:
    """Options for a server in which four calls can be inside at once."""
    return ["--workers", "4"] if worker_type == "sync" else ["--workers", "2", "--threads", "2"]


def test_four_inside_at_once_again_and_again(start_server: StartServer, worker_type: str, gate: Gate) -> None:
    """Each of four clients is answered only once all four are inside: nobody waits behind another."""
    server = start_server(
        APP, "--worker-class", worker_type, *sharing(worker_type), environment=gate.environment
    )
    with contextlib.ExitStack() as stack:
        clients: list[Client | None] = [None] * 4
        for _ in range(25):
            connected = [each or stack.enter_context(server.connect(timeout=30)) for each in clients]
            for client in connected:
                client.send(request_bytes("/gate/meet"))
            gate.wait("meet", 4)
            gate.open("meet")
            answers = [client.read_answer() for client in connected]
            assert {answer.status for answer in answers} == {200}
            clients = [
                None if answer.closes else client for client, answer in zip(connected, answers, strict=True)
            ]


def test_a_free_worker_takes_what_comes_while_the_others_are_inside(
    start_server: StartServer, gate: Gate
) -> None:
    server = start_server(APP, "--workers", "4", environment=gate.environment)
    server.wait_workers(4)
    with contextlib.ExitStack() as stack:
        inside = [stack.enter_context(server.connect(timeout=30)) for _ in range(3)]
        for number, client in enumerate(inside, 1):
            client.send(request_bytes("/gate/held"))
            gate.wait("held", number)
        free = {server.get("/pid").json() for _ in range(50)}
        assert len(free) == 1
        gate.open("held")
        held = {client.read_answer().json() for client in inside}
        assert len(held) == 3
        assert not held & free


def test_a_new_connection_does_not_wait_behind_a_kept_one(start_server: StartServer, gate: Gate) -> None:
    """A worker that wakes up for both, and is held by the kept one's request, leaves the new one to the other.

    It is stopped meanwhile, so that it finds both when it goes on.
    """
    server = start_server(APP, "--workers", "2", "--keep-alive", "30", environment=gate.environment)
    server.wait_workers(2)
    for _ in range(5):
        with kept_connection(server) as kept, server.connect() as new:
            holder = kept.request("/pid").json()
            os.kill(holder, signal.SIGSTOP)
            try:
                new.send(request_bytes("/pid"))  # uses up the wake-up, if it is the stopped one's
                kept.send(request_bytes("/gate/kept"))
            finally:
                os.kill(holder, signal.SIGCONT)
            gate.wait("kept")
            assert new.read_answer().status == 200
            assert gate.waiting("kept") == 1
            gate.open("kept")
            assert kept.read_answer().json() == holder


def kept_connection(server: Server) -> Client:
    """A connection that its worker keeps, which it does once its calls have proved to be short."""
    while True:
        client = server.connect()
        try:
            if not client.request("/pid").closes:
                return client
        except BaseException:
            client.close()
            raise
        client.close()


def test_what_finds_no_free_worker_waits_and_is_answered(start_server: StartServer, gate: Gate) -> None:
    server = start_server(APP, "--workers", "2", environment=gate.environment)
    server.wait_workers(2)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect(timeout=30)) for _ in range(8)]
        for client in clients:
            client.send(request_bytes("/gate/full"))
        for _ in range(4):
            gate.wait("full", 2)
            assert gate.waiting("full") == 2
            gate.open("full")
        assert {client.read_answer().status for client in clients} == {200}


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_worker_that_is_killed_is_replaced_and_its_request_recorded(
    start_server: StartServer, worker_options: list[str], gate: Gate, name: str
) -> None:
    server: Server = start_server(APP, *worker_options, "--workers", "2", environment=gate.environment)
    server.expect("worker|SIG|signal|post")
    before = server.wait_workers(2)
    with server.connect() as client:
        client.send(request_bytes("/gate/killed", headers=[("X-Request-ID", f"killed-by-{name}")]))
        gate.wait("killed")
        (victim,) = [pid for pid in before if _is_inside(pid, gate)]
        os.kill(victim, signal.Signals[name])
        if name == "SIGTERM":  # graceful: the request is finished first
            gate.open("killed")
            assert client.read_answer().json() == victim
        else:
            with contextlib.suppress(ConnectionResetError):
                client.expect_end()
    after = server.wait_workers(2, but=[victim])
    assert len(set(after) & set(before)) == 1
    (record,) = server.access.wait(lambda each: value(each, "http.request.id") == f"killed-by-{name}")
    if name == "SIGTERM":
        assert value(record, "logserve.outcome") == "ok"
    else:
        assert value(record, "logserve.outcome") == "worker_killed"
        assert value(record, "url.path") == "/gate/killed"
        assert value(record, "event.duration") > 0
        server.error.wait(lambda each: name in str(each))
    assert server.get("/pid").json() in after


def _is_inside(pid: int, gate: Gate) -> bool:
    """Whether this worker waits at the gate: it has a connection to it."""
    return processes.has_connection(pid, int(gate.environment["TEST_GATE"].rpartition(":")[2]))


@pytest.mark.parametrize(("how", "told"), [("7", "7"), ("SIGABRT", "SIGABRT"), ("SIGKILL", "SIGKILL")])
def test_a_worker_that_ends_itself_is_replaced(
    start_server: StartServer, worker_options: list[str], gate: Gate, how: str, told: str
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect("worker|SIG|signal|exit|Fatal Python error|File|Thread")
    before = server.wait_workers(1)
    with server.connect() as client:
        client.send(request_bytes(f"/die/{how}"))
        with contextlib.suppress(ConnectionResetError):
            client.expect_end()
    server.wait_workers(1, but=before)
    (record,) = server.access.wait(lambda each: value(each, "url.path") == f"/die/{how}")
    expected = "worker_exited" if how.isdigit() else "worker_killed"
    assert value(record, "logserve.outcome") == expected
    server.error.wait(lambda each: value(each, "log.level") in ("CRITICAL", "critical") and told in str(each))
    assert server.get("/").body == b"ok"


def test_many_deaths_lose_no_record(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(APP, *worker_options, "--workers", "3")
    server.expect("worker|SIG|signal")
    gone = server.wait_workers(3)
    with Load(server, "deaths", clients=4) as load:
        for _ in range(4):
            load.wait_more(150)
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            gone.append(victim)
            server.wait_workers(3, but=[victim])
        load.wait_more(150)
    book = load.stop()
    assert set(book.answered.values()) == {200}
    settle(book, server.access)


def test_a_worker_that_hangs_is_replaced(start_server: StartServer, gate: Gate) -> None:
    server = start_server(APP, "--timeout", "1", "--workers", "2", environment=gate.environment)
    server.expect("worker|SIG|signal|timeout|File|Thread")
    before = server.wait_workers(2)
    with server.connect() as client:
        client.send(request_bytes("/gate/hung"))
        gate.wait("hung")
        with contextlib.suppress(ConnectionResetError):
            client.expect_end()
    after = server.wait_workers(2)
    assert len(set(after) & set(before)) == 1
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/gate/hung")
    assert value(record, "logserve.outcome") == "worker_timeout"


def test_a_worker_that_is_stopped_is_replaced(start_server: StartServer, worker_options: list[str]) -> None:
    """And one that is only idle for as long is not."""
    server = start_server(APP, *worker_options, "--timeout", "1", "--workers", "2")
    server.expect("worker|SIG|signal|timeout|File|Thread")
    victim, other = server.wait_workers(2)
    os.kill(victim, signal.SIGSTOP)
    after = server.wait_workers(2, but=[victim])
    assert other in after
    assert not processes.is_alive(victim)


def test_a_worker_is_replaced_after_its_last_request(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(APP, *worker_options, "--max-requests", "20")
    (first,) = server.wait_workers(1)
    with Load(server, "many", clients=3) as load:
        load.wait_more(70)
    book = load.stop()
    assert not book.failed
    server.wait_workers(1, but=[first])
    settle(book, server.access)
    pids = [value(record, "process.pid") for record in server.access.records()]
    assert len(set(pids)) >= 3
    # The last ones may have been on their way: two for each client at the most.
    assert max(pids.count(pid) for pid in set(pids)) <= 20 + 6


def test_a_worker_that_cannot_boot_again_does_not_spin(start_server: StartServer) -> None:
    """After a good start the arbiter goes on trying, at its ease, and serves again when it can."""
    server = start_server("tests.apps.moody")
    server.expect("worker|broken|boot|Traceback|SIGKILL")
    (victim,) = server.wait_workers(1)
    broken = server.directory / "broken"
    broken.touch()
    os.kill(victim, signal.SIGKILL)
    server.error.wait(lambda each: "the module is broken now" in str(each), count=2)
    attempts = len(server.error.where(lambda each: "the module is broken now" in str(each)))
    before = processes.context_switches(server.pid)
    server.error.wait(lambda each: "the module is broken now" in str(each), count=attempts + 1, timeout=30)
    assert processes.context_switches(server.pid) - before < 500
    broken.unlink()
    server.wait_workers(1, timeout=40)
    wait_for(lambda: b"none" in server.get("/").body, 30)


def test_workers_that_die_at_once_are_replaced_ever_more_slowly(start_server: StartServer) -> None:
    server = start_server("tests.apps.mortal")
    server.expect("exited|worker|ready")
    booted = server.error.wait(lambda each: "booted" in str(each.get("message")), count=5, timeout=60)
    times = [datetime.datetime.fromisoformat(record["@timestamp"]) for record in booted]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert gaps[3] > 1.5, gaps
    assert server.exit_status() is None
