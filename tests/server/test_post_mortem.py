"""Post-mortems: whatever ends a worker, one record says how, of which requests, and where its threads stood."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.support import processes
from tests.support.cgroup import inside, memory_group
from tests.support.gate import Gate
from tests.support.journal import Record, value
from tests.support.load import Load
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

APP = "tests.apps.deaths"
EXPECTED = "worker|SIG|signal|File|Thread|stacks|timeout"
ID = ("X-Request-ID", "the-one")
TARGET = "?token=s3cret&page=2"


def post_mortem(server: Server) -> Record:
    """The only CRITICAL record so far."""
    (record,) = server.error.wait(_is_critical)
    return record


def _is_critical(record: Record) -> bool:
    return bool(value(record, "log.level") == "critical")


def outcomes(server: Server, count: int) -> dict[str, str]:
    """What became of each request, by path, once `count` are recorded."""
    records = server.access.wait(lambda _: True, count)
    return {value(record, "url.path"): value(record, "logserve.outcome") for record in records}


def request_in_flight(record: Record, path: str) -> dict[str, object]:
    """The only request that the record tells of, which is the test's."""
    (request,) = record["in_flight"]
    assert record["in_flight_count"] == 1
    assert {name: request[name] for name in ("id", "method", "path", "query", "phase", "client")} == {
        "id": "the-one",
        "method": "GET",
        "path": path,
        "query": "token=redacted&page=2",
        "phase": "application",
        "client": "127.0.0.1",
    }
    assert f"GET {path}?token=redacted&page=2 (id the-one, phase application, for " in record["message"]
    assert "s3cret" not in str(record)
    return dict(request)


@contextlib.contextmanager
def asked(server: Server, path: str) -> Iterator[Client]:
    """A client that has asked for `path`, with an id and a secret."""
    with server.connect() as client:
        client.send(request_bytes(path + TARGET, headers=[ID]))
        yield client


def dies_in(server: Server, path: str) -> Record:
    """The post-mortem of the worker that this request ends."""
    with asked(server, path) as client, contextlib.suppress(ConnectionResetError):
        client.expect_end()
    return post_mortem(server)


def test_sigkill(start_server: StartServer, worker_options: list[str], gate: Gate) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED)
    (victim,) = server.wait_workers(1)
    assert server.get("/pid").json() == victim
    with asked(server, "/gate/x"):
        gate.wait("x")
        os.kill(victim, signal.SIGKILL)
        record = post_mortem(server)
    assert record["message"].startswith(f"worker 0 (pid {victim}) was killed by SIGKILL; it had run for ")
    assert " and answered 1 request\n" in record["message"]
    assert (record["worker"], record["worker_pid"], record["cause"]) == (0, victim, "signal")
    assert (record["signal"], record["requests"]) == ("SIGKILL", 1)
    age = request_in_flight(record, "/gate/x")["age"]
    assert isinstance(age, float)
    assert 0 < age < record["age"] < 20
    assert 10 << 20 < record["memory_peak"] < 1 << 30
    assert 10 << 20 < record["memory_resident"] <= record["memory_peak"]
    assert record["oom_killer"] in ("no", "unknown")
    assert "no stacks: SIGKILL leaves no time to write any" in record["message"]
    assert outcomes(server, 2)["/gate/x"] == "worker_killed"


def test_what_went_out_and_came_in_before_the_death(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED)
    (victim,) = server.wait_workers(1)
    with server.connect() as client:
        client.send(request_bytes("/partly/there", "POST", body=b"a body"))
        assert client.read_head().status == 202
        assert client.read_chunk() == b"a part"
        gate.wait("there")
        os.kill(victim, signal.SIGKILL)
        (record,) = server.access.wait(lambda each: value(each, "logserve.outcome") == "worker_killed")
    assert value(record, "http.response.status_code") == 202
    assert value(record, "http.response.body.bytes") == len(b"a part")
    assert value(record, "http.request.body.bytes") == len(b"a body")


def test_a_crash_says_where_each_thread_stood(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED)
    with asked(server, "/crash/x"):
        gate.wait("x")
        gate.wait("beside")
        gate.open("x")
        record = post_mortem(server)
    request_in_flight(record, "/crash/x")
    assert record["signal"] == "SIGSEGV"
    current, others = _threads(record["stacks"])
    assert "in crash\n" in current
    assert any("in wait_at\n" in thread for thread in others)
    assert record["stacks"] in record["message"]
    assert "more of the server)" in current


def _threads(stacks: str) -> tuple[str, list[str]]:
    """The thread that died, and the others."""
    parts = [part + "\n" for part in stacks.split("\n\n")]
    (current,) = [part for part in parts if part.startswith("Current thread")]
    return current, [part for part in parts if part.startswith("Thread ")]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("7", "exited with code 7; "),
        ("0", "exited with code 0, which nobody had asked for; "),
        ("SIGABRT", "was killed by SIGABRT"),
        ("SIGXCPU", "was killed by SIGXCPU"),
    ],
)
def test_an_application_that_ends_its_process(
    start_server: StartServer, worker_options: list[str], gate: Gate, how: str, said: str
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED + "|exited")
    record = dies_in(server, f"/die/{how}")
    assert said in record["message"]
    request_in_flight(record, f"/die/{how}")
    if how.isdigit():
        assert record["exit_code"] == int(how)
        assert "stacks" not in record
    else:
        assert "in die\n" in record["stacks"]


def test_a_hang_in_c_with_the_interpreter_lock(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    """No code of the worker's runs any more, in no thread: the heartbeat tells, faulthandler says where."""
    server = start_server(APP, *worker_options, "--timeout", "1", environment=gate.environment)
    server.expect(EXPECTED)
    record = dies_in(server, "/native/inside")
    assert gate.told("inside")
    assert "did not answer in time (its heartbeat had stopped) and was ended by SIGABRT" in record["message"]
    assert record["cause"] == "timeout"
    assert "in native\n" in record["stacks"]
    age = request_in_flight(record, "/native/inside")["age"]
    assert isinstance(age, float)
    assert age >= 0.5
    assert outcomes(server, 1)["/native/inside"] == "worker_timeout"


def test_a_process_that_was_stopped(start_server: StartServer, gate: Gate) -> None:
    server = start_server(APP, "--timeout", "1", environment=gate.environment)
    server.expect(EXPECTED)
    (victim,) = server.wait_workers(1)
    with asked(server, "/gate/x"):
        gate.wait("x")
        os.kill(victim, signal.SIGSTOP)
        record = post_mortem(server)
    assert "did not answer in time (it was stopped (SIGSTOP))" in record["message"]
    assert "in gate\n" in record["stacks"]
    request_in_flight(record, "/gate/x")


def test_a_childs_crash_is_none_of_the_workers(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED)
    (victim,) = server.wait_workers(1)
    assert server.get("/child").body == b"-11"
    assert outcomes(server, 1) == {"/child": "ok"}
    os.kill(victim, signal.SIGKILL)
    record = post_mortem(server)
    assert "stacks" not in record
    assert record["in_flight"] == []
    assert "no request was in flight" in record["message"]


def ends_one(pid: int) -> bool:
    """Tell a worker to stop; False where it has just ended by itself."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    return True


def test_planned_ends_are_not_critical(start_server: StartServer, worker_options: list[str]) -> None:
    """``--max-requests``, HUP, a worker that is told to stop, and the end of all."""
    server = start_server(APP, *worker_options, "--workers", "2", "--max-requests", "20")
    before = server.wait_workers(2)
    with Load(server, "planned", clients=2) as load:
        load.wait_more(60)
        server.send(signal.SIGHUP)
        server.error.wait_message("reloaded")
        load.wait_more(20)
        wait_for(lambda: ends_one(server.wait_workers(2, but=before)[0]))
        load.wait_more(20)
    assert not load.stop().failed
    assert server.stop() == 0
    levels = {value(record, "log.level") for record in server.error.records()}
    assert levels == {"info"}
    ends = [record["message"] for record in server.error.records() if "has " in record["message"]]
    assert any("has ended, as it had to" in message for message in ends)
    assert any("has stopped" in message for message in ends)


def test_the_kernels_oom_killer(start_server: StartServer, new_server: StartServer, gate: Gate) -> None:
    limit = 128 << 20
    with memory_group(limit) as group:
        server = new_server(APP, environment=gate.environment)
        server.command = inside(group, server.command)
        server.start()
        server.expect(EXPECTED)
        record = dies_in(server, "/hog")
        assert record["oom_killer"] == "likely"
        assert record["oom_kills"] == 1
        assert record["memory_limit"] == limit
        assert limit / 2 < record["memory_peak"] <= limit
        assert "most likely it was the kernel's OOM killer: it has killed 1 process" in record["message"]
        assert "of the control group's limit of 128.0 MiB" in record["message"]
        (victim,) = server.wait_workers(1, but=[record["worker_pid"]])
        os.kill(victim, signal.SIGKILL)
        _, second = server.error.wait(_is_critical, count=2)
        assert second["oom_killer"] == "no"
        server.stop()


def test_an_allocation_that_fails_kills_nobody(start_server: StartServer, worker_options: list[str]) -> None:
    """``RLIMIT_AS``: the application gets its MemoryError, the worker goes on."""
    server = start_server(APP, *worker_options)
    server.expect("MemoryError")
    (pid,) = server.wait_workers(1)
    assert server.get("/exhaust").status == 500
    assert outcomes(server, 1)["/exhaust"] == "app_raised"
    assert server.get("/pid").json() == pid


def test_a_stopped_collector_does_not_hold_up_a_replacement(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect(EXPECTED)
    (victim,) = server.wait_workers(1)
    collector = server.collector()
    os.kill(collector, signal.SIGSTOP)
    with asked(server, "/gate/x"):
        gate.wait("x")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: [pid for pid in server.workers() if pid != victim], what="another worker")
        assert server.get("/pid").status == 200
    assert not server.error.where(_is_critical)
    os.kill(collector, signal.SIGCONT)
    request_in_flight(post_mortem(server), "/gate/x")
    assert outcomes(server, 2)["/gate/x"] == "worker_killed"


# -- threads: a request past its deadline, among others


THREADS = ("--worker-class", "gthread", "--threads", "4")
TIMEOUT = 2.0


def start_threads(start_server: StartServer, gate: Gate, graceful: int) -> Server:
    options = ("--timeout", f"{TIMEOUT:.0f}", "--graceful-timeout", str(graceful))
    server = start_server(APP, *THREADS, *options, environment=gate.environment)
    server.expect(EXPECTED)
    return server


def test_what_a_stopped_collector_left_is_written_by_another_at_the_end(start_server: StartServer) -> None:
    server = start_server(APP, "--graceful-timeout", "1")
    server.expect("SIGKILL")
    with server.connect() as client:
        os.kill(server.collector(), signal.SIGSTOP)
        for _ in range(20):
            assert client.request("/pid").status == 200
    assert server.stop() == 0
    assert len(server.access.records()) == 20


def test_a_hung_thread_is_reported_while_it_runs_and_the_others_finish(
    start_server: StartServer, gate: Gate
) -> None:
    server = start_threads(start_server, gate, graceful=2)
    (victim,) = server.wait_workers(1)
    with asked(server, "/gate/hung") as hung, server.connect() as other:
        gate.wait("hung")
        half = time.monotonic() + TIMEOUT / 2
        wait_for(lambda: time.monotonic() >= half)  # so that the other's deadline is later
        other.send(request_bytes("/gate/other"))
        gate.wait("other")
        record = post_mortem(server)
        assert value(record, "process.pid") == victim
        assert value(record, "http.request.id") == "the-one"
        assert record["cause"] == "timeout_request"
        request_in_flight(record, "/gate/hung")
        assert "in gate\n" in record["stacks"]
        assert "wait_at(rest(environ))" in record["stacks"]
        assert "runner.py" not in record["stacks"]
        assert not server.access.records()

        (successor,) = wait_for(lambda: [pid for pid in server.workers() if pid != victim])
        assert processes.is_alive(victim)
        gate.open("other")
        answer = other.read_answer()
        assert answer.json() == victim
        assert answer.closes
        assert server.get("/pid").json() == successor
        with contextlib.suppress(ConnectionResetError):
            hung.expect_end()
    assert outcomes(server, 3) == {"/gate/other": "ok", "/pid": "ok", "/gate/hung": "timeout_request"}
    (end,) = server.error.wait(lambda each: value(each, "log.level") == "error")
    assert (
        "did not end in time when it was told to (because a request had run past --timeout)" in end["message"]
    )
    assert "in gate\n" in end["stacks"]
    request_in_flight(end, "/gate/hung")
    assert post_mortem(server) == record


def test_a_late_request_is_answered_if_it_ends_in_time(start_server: StartServer, gate: Gate) -> None:
    """Past the timeout, within the graceful one: reported, yet answered; and the worker ends in order."""
    server = start_threads(start_server, gate, graceful=30)
    (victim,) = server.wait_workers(1)
    with asked(server, "/gate/late") as client:
        gate.wait("late")
        post_mortem(server)
        gate.open("late")
        assert client.read_answer().json() == victim
    server.wait_workers(1, but=[victim])
    assert outcomes(server, 1) == {"/gate/late": "ok"}
    (end,) = server.error.wait_message("has stopped")
    assert value(end, "log.level") == "info"
    assert end["worker_pid"] == victim


def test_a_call_that_waits_for_its_client_does_not_hang(start_server: StartServer) -> None:
    """For a second and a half the client reads nothing of what does not fit between it and the application."""
    options = ("--timeout", "1", "--response-spool", "64K")
    server = start_server(APP, *THREADS, *options)
    with server.connect(receive_buffer=1 << 16) as client:
        client.send(request_bytes("/big"))
        late = time.monotonic() + 1.5
        wait_for(lambda: time.monotonic() >= late)
        assert len(client.read_answer().body) == 32 << 18
    assert outcomes(server, 1) == {"/big": "ok"}
    assert not server.error.where(_is_critical)


def test_a_pool_that_hangs_as_a_whole_is_replaced(start_server: StartServer, gate: Gate) -> None:
    """All threads hang: each is reported, and a new worker answers meanwhile."""
    server = start_threads(start_server, gate, graceful=2)
    (victim,) = server.wait_workers(1)
    with contextlib.ExitStack() as stack:
        for number in range(4):
            stack.enter_context(server.connect()).send(request_bytes(f"/gate/all?{number}"))
        gate.wait("all", 4)
        assert server.get("/pid").json() != victim
        reports = server.error.wait(_is_critical, count=4)
        assert {record["in_flight"][0]["query"] for record in reports} == set("0123")
    found = server.access.wait(lambda each: value(each, "url.path") == "/gate/all", count=4)
    assert {value(each, "logserve.outcome") for each in found} == {"timeout_request"}
