"""Each command against a real server, for each worker type."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.control.client import Wire, asked, told
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.load import Load, settle
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes

APP = "tests.apps.control_paths"
Start = Callable[..., Server]


@pytest.fixture
def start(start_server: StartServer, worker_options: list[str], gate: Gate) -> Start:
    """A server with a pidfile, and so with a control socket, in which so many workers have booted."""

    def started(*options: str, workers: int = 2, **more: object) -> Server:
        words = ["--pid", "app.pid", "--workers", str(workers), *worker_options, *options]
        server = start_server(APP, *words, environment=gate.environment, **more)
        server.wait_workers(workers)
        return server

    return started


@contextmanager
def busy(server: Server, gate: Gate, name: str, target: str = "") -> Iterator[None]:
    """A request that waits in the application."""
    with server.connect() as client:
        client.send(request_bytes(target or f"/busy/{name}", headers=[("X-Request-ID", f"id-{name}")]))
        gate.wait(name)
        yield
        gate.open(name)
        assert client.read_answer().status == 200


def test_status_without_asking_the_workers(start: Start, gate: Gate) -> None:
    """A worker that is stopped is described like any other, its request redacted."""
    server = start()
    assert server.get("/pid").status == 200
    with busy(server, gate, "one", "/busy/one?password=hunter2&page=3"):
        workers = server.workers()
        answers = asked(server, "status")
        holder = next(worker["pid"] for worker in answers["workers"] if worker["in_flight_count"])
        os.kill(holder, signal.SIGSTOP)
        try:
            wait_for(lambda: _worker(asked(server, "status"), holder)["state"] == "stopped")
            answers, words = asked(server, "status"), told(server, "status")
        finally:
            os.kill(holder, signal.SIGCONT)
        about = answers["server"]
        assert (about["pid"], about["state"], about["workers_wanted"]) == (server.pid, "running", 2)
        assert about["listeners"] == [server.url]
        assert answers["collector"]["pid"] == server.collector()
        assert sorted(worker["pid"] for worker in answers["workers"]) == sorted(workers)
        assert sum(worker["requests"] for worker in answers["workers"]) == 1
        worker = _worker(answers, holder)
        assert worker["memory_resident"] > 1 << 20
        assert worker["age"] > 0
        (request,) = worker["in_flight"]
        assert (request["id"], request["method"], request["path"]) == ("id-one", "GET", "/busy/one")
        assert request["query"] == "password=redacted&page=3"
        assert (request["phase"], request["client"]) == ("application", "127.0.0.1")
        assert 0 < request["age"] < 60
        assert "hunter2" not in words
        assert f"worker {worker['slot']} (pid {holder}): GET /busy/one?password=redacted&page=3 for " in words
    idle = wait_for(lambda: not any(w["in_flight_count"] for w in asked(server, "status")["workers"]))
    assert idle


def _worker(answer: Any, pid: int) -> Any:
    return next(worker for worker in answer["workers"] if worker["pid"] == pid)


def test_the_state_of_a_worker_with_a_request(start: Start, gate: Gate) -> None:
    server = start(workers=1)
    (worker,) = asked(server, "status")["workers"]
    assert worker["state"] == "idle"
    with busy(server, gate, "one"):
        wait_for(lambda: asked(server, "status")["workers"][0]["state"] == "busy")


def test_config_has_each_value_and_its_source(start: Start) -> None:
    server = start("--log-level", "info")
    settings = {setting["name"]: setting for setting in asked(server, "config")["settings"]}
    assert (settings["workers"]["value"], settings["workers"]["source"]) == (2, "command line: --workers")
    assert (settings["backlog"]["value"], settings["backlog"]["source"]) == (2048, "default")
    assert settings["control_socket_mode"]["value"] == 0o600
    words = told(server, "config")
    assert 'pid = "app.pid"' in words
    assert "# command line: --workers" in words


def test_workers_are_added_and_removed(start: Start) -> None:
    server = start()
    assert asked(server, "workers", "add", "3") == {"workers_wanted": 5, "before": 2}
    server.wait_workers(5)
    assert "workers wanted: 1, before: 5" in told(server, "workers", "remove", "4")
    server.wait_workers(1)
    (record,) = server.error.wait_message("5 workers wanted")
    assert "logserve ctl (pid " in str(record["message"])


def test_kill_lets_a_worker_finish_and_another_takes_its_place(start: Start, gate: Gate) -> None:
    server = start(workers=1)
    (pid,) = server.workers()
    with busy(server, gate, "held"):
        answer = asked(server, "kill", str(pid))
        assert answer == {"slot": 0, "pid": pid, "signal": "SIGTERM"}
        assert "has been told to end already" in told(server, "kill", str(pid), status=1)
    server.wait_workers(1, but=[pid])
    assert [value(record, "logserve.outcome") for record in server.access.wait(bool)] == ["ok"]


def test_kill_quick_does_not_wait(start: Start, gate: Gate) -> None:
    server = start(workers=1)
    (pid,) = server.workers()
    with server.connect() as client:
        client.send(request_bytes("/busy/held"))
        gate.wait("held")
        assert asked(server, "kill", str(pid), "--quick")["signal"] == "SIGQUIT"
        server.wait_workers(1, but=[pid])
    assert [value(record, "logserve.outcome") for record in server.access.wait(bool)] == ["shutdown"]


def test_reload_waits_for_the_verdict(start: Start) -> None:
    server = start()
    server.expect("not reloaded")
    before = server.workers()
    assert asked(server, "reload") == {"reloaded": True, "deferred": False}
    after = server.wait_workers(2, but=before)
    good = (server.directory / "logging.yaml").read_text()
    (server.directory / "logging.yaml").write_text(good.replace("level: INFO", "level: INFOO"))
    said = told(server, "reload", status=1)
    assert "logging.yaml:" in said
    assert "INFOO" in said
    error = asked(server, "reload", status=1)["error"]
    assert error["code"] == "refused"
    assert "the running configuration stays" in error["message"]
    assert server.workers() == after


def test_reopen(start: Start) -> None:
    server = start()
    server.leaves.add("access.json.1")
    (server.directory / "access.json").rename(server.directory / "access.json.1")
    assert asked(server, "reopen") == {"reopened": True}
    server.error.wait_message("log files are reopened: logserve ctl")
    wait_for((server.directory / "access.json").exists)
    assert server.get("/pid").status == 200
    assert len(server.access.wait(bool)) == 1


@pytest.mark.parametrize("quick", [False, True], ids=["graceful", "quick"])
def test_shutdown(start: Start, gate: Gate, quick: bool) -> None:
    server = start()
    with server.connect() as client:
        client.send(request_bytes("/busy/held"))
        gate.wait("held")
        answer = asked(server, "shutdown", *["--quick"] * quick)
        assert answer == {"pid": server.pid, "state": "quitting" if quick else "stopping"}
        if not quick:
            assert asked(server, "status")["server"]["state"] == "stopping"
            assert "the server is stopping; nothing was done" in told(server, "workers", "add", status=1)
            gate.open("held")
            assert client.read_answer().status == 200
        assert server.wait_exit() == 0
    (record,) = server.access.records()
    assert value(record, "logserve.outcome") == ("shutdown" if quick else "ok")
    (record,) = server.error.wait_message("stopping")
    assert str(record["asked_by"]).startswith("logserve ctl (pid ")
    assert not (server.directory / "app.ctl").exists()


# -- stacks


def test_stacks_of_all_and_of_one(start: Start, gate: Gate) -> None:
    server = start()
    with busy(server, gate, "here"):
        answer = asked(server, "stacks")
        assert sorted(worker["pid"] for worker in answer["workers"]) == sorted(server.workers())
        (worker,) = [worker for worker in answer["workers"] if "in where_it_waits" in worker["stacks"]]
        assert "_write_all" not in worker["stacks"]
        (again,) = asked(server, "stacks", str(worker["pid"]))["workers"]
        assert again["stacks"].count("in where_it_waits") == 1, "one report, not two"
        said = told(server, "stacks", str(worker["pid"]))
        assert said.startswith(f"worker {worker['slot']} (pid {worker['pid']}):\n")
        assert "in where_it_waits" in said


def test_stacks_of_a_worker_that_hangs_in_c(start: Start, gate: Gate) -> None:
    """The interpreter lock is held for ever, as far as the server knows."""
    server = start(workers=1)
    fifo = server.temporary / "fifo"
    os.mkfifo(fifo)
    with server.connect() as client:
        client.send(request_bytes(f"/hang{fifo}"))
        gate.wait_told("hangs")
        try:
            (worker,) = wait_for(
                lambda: [w for w in asked(server, "stacks")["workers"] if "in hang_in_c" in w["stacks"]], 30
            )
            assert worker["stacks"].startswith("Some thread is inside a call in C")
        finally:
            os.close(os.open(fifo, os.O_RDWR))  # the reader gets through, and there is nothing to read
            fifo.unlink()
        assert client.read_answer().body == b"through"


def test_stacks_of_a_stopped_worker(start: Start) -> None:
    """It is said at once; the others' are shown all the same."""
    server = start()
    stopped, other = server.workers()
    os.kill(stopped, signal.SIGSTOP)
    try:
        answer = asked(server, "stacks", status=1)
        said = told(server, "stacks", str(stopped), status=1)
    finally:
        os.kill(stopped, signal.SIGCONT)
    by_pid = {worker["pid"]: worker for worker in answer["workers"]}
    assert "is stopped (SIGSTOP): it takes no signal and can write no stacks" in by_pid[stopped]["error"]
    assert "Current thread" in by_pid[other]["stacks"]
    assert f"(pid {stopped}): no stacks: " in said


def test_stacks_of_a_worker_that_takes_no_signal(start_server: StartServer) -> None:
    server = start_server(APP, "--pid", "app.pid")
    server.wait_workers(1)
    assert server.get("/deaf").status == 200
    (worker,) = asked(server, "stacks", status=1)["workers"]
    assert "did not write its stacks within 4 s" in worker["error"]
    assert server.error.where(lambda record: "killed" in str(record["message"])) == []
    assert server.get("/pid").status == 200


def test_stacks_again_and_again_under_load_harm_nobody(start: Start) -> None:
    server = start()
    workers = server.workers()
    with Load(server, "stacks") as load, Wire(server.directory / "app.ctl") as wire:
        load.wait_more(100)
        for _ in range(100):
            for worker in wire.ask("stacks")["result"]["workers"]:
                assert worker.get("stacks", "").count("Current thread") == 1, worker
        load.wait_more(100)
    assert server.workers() == workers
    assert not load.book.failed
    settle(load.book, server.access)
