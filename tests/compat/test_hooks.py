"""Hooks are called at gunicorn's places with its arguments, and whatever they do the server goes on."""

from __future__ import annotations

import signal

import pytest

from tests.compat.conftest import APP, ServeWith, configure
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server
from tests.support.wire import request_bytes

ALL = """
def on_starting(server): server.log.info("HOOK on_starting %d %s", server.pid, server.cfg.proc_name)
def on_reload(server): server.log.info("HOOK on_reload %d", server.cfg.timeout)
def when_ready(server): server.log.info("HOOK when_ready %d", len(server.LISTENERS))
def pre_fork(server, worker):
    worker.mark = f"mark {worker.age}"
    server.log.info("HOOK pre_fork %d %s %d", worker.age, worker.pid, len(server.WORKERS))
def post_fork(server, worker): worker.log.info("HOOK post_fork %d %s", worker.pid, worker.mark)
def post_worker_init(worker): worker.log.info("HOOK post_worker_init %s %d", callable(worker.wsgi), worker.cfg.workers)
def worker_int(worker): worker.log.info("HOOK worker_int")
def worker_abort(worker): worker.log.info("HOOK worker_abort")
def child_exit(server, worker): server.log.info("HOOK child_exit %d %s", worker.pid, worker.mark)
def worker_exit(server, worker): worker.log.info("HOOK worker_exit %d", worker.pid)
def nworkers_changed(server, new_value, old_value): server.log.info("HOOK nworkers_changed %d %s", new_value, old_value)
def on_exit(server): server.log.info("HOOK on_exit %d", len(server.WORKERS))
"""

REQUESTS = """
def pre_request(worker, req):
    worker.log.info("HOOK pre_request %s %s %s %s %s", req.method, req.uri, req.path, req.query, dict(req.headers)["X-MARK"])
def post_request(worker, req, environ, resp):
    worker.log.info(
        "HOOK post_request %s %s %d %d %s %d", environ["PATH_INFO"], resp.status, resp.status_code, resp.sent,
        dict(resp.headers)["Content-Type"], worker.nr,
    )
"""


def hooks(server: Server, pid: int | None = None) -> list[str]:
    """What the hooks have logged so far, of one process."""
    records = server.error.where(lambda record: str(record.get("message")).startswith("HOOK"))
    return [
        str(record["message"]).removeprefix("HOOK ")
        for record in records
        if pid is None or value(record, "process.pid") == pid
    ]


def test_all_places_in_the_life_of_a_server(serve_with: ServeWith, worker_options: list[str]) -> None:
    server = serve_with(ALL, APP, *worker_options, "-n", "shop")
    (first,) = server.wait_workers(1)
    configure(server, f"{ALL}timeout = 77\n")
    server.send(signal.SIGHUP)
    (second,) = server.wait_workers(1, but=[first])
    server.error.wait_message(f"child_exit {first}")
    server.send(signal.SIGTTIN)
    third = next(pid for pid in server.wait_workers(2) if pid != second)
    server.send(signal.SIGINT)
    assert server.wait_exit() == 0
    assert hooks(server, server.pid)[:10] == [
        "nworkers_changed 1 None",
        f"on_starting {server.pid} shop",
        "when_ready 1",
        "pre_fork 1 [booting] 0",
        "on_reload 77",
        "pre_fork 2 [booting] 1",
        f"child_exit {first} mark 1",
        "nworkers_changed 2 1",
        "pre_fork 3 [booting] 1",
        *hooks(server, server.pid)[9:10],
    ]
    assert set(hooks(server, server.pid)[9:]) == {
        f"child_exit {second} mark 2",
        f"child_exit {third} mark 3",
        "on_exit 0",
    }
    assert hooks(server, server.pid)[-1] == "on_exit 0"
    assert hooks(server, first) == [
        f"post_fork {first} mark 1",
        "post_worker_init True 1",
        f"worker_exit {first}",
    ]
    assert hooks(server, third) == [
        f"post_fork {third} mark 3",
        "post_worker_init True 1",
        "worker_int",
        f"worker_exit {third}",
    ]


def test_hooks_of_requests(serve_with: ServeWith, worker_options: list[str]) -> None:
    server = serve_with(REQUESTS, APP, *worker_options)
    (worker,) = server.wait_workers(1)
    assert server.get("/pid?a=1", X_Mark="one").status == 200
    assert server.get("/nothing%20there", "POST", X_Mark="two").status == 200
    server.error.wait_message("HOOK post_request", 2)
    size = len(str(worker))
    assert hooks(server, worker) == [
        "pre_request GET /pid?a=1 /pid a=1 one",
        f"post_request /pid 200 OK 200 {size} text/plain 1",
        "pre_request POST /nothing%20there /nothing%20there  two",
        "post_request /nothing there 200 OK 200 2 text/plain 2",
    ]
    records = server.error.where(lambda record: "HOOK" in str(record.get("message")))
    ids = [value(record, "http.request.id") for record in records]
    accessed = [value(record, "http.request.id") for record in server.access.wait(lambda _: True, 2)]
    assert ids == [accessed[0], accessed[0], accessed[1], accessed[1]]


@pytest.mark.parametrize("how", ["raise ValueError('hook is broken')", "raise SystemExit(7)"])
def test_a_hook_that_raises_is_reported_and_nothing_ends(serve_with: ServeWith, how: str) -> None:
    names = {
        "on_starting": 1, "on_reload": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1,
        "child_exit": 2, "worker_exit": 2, "nworkers_changed": 3, "on_exit": 1, "pre_request": 2, "post_request": 4,
    }  # fmt: skip
    text = "".join(
        f"def {name}({', '.join(f'a{number}' for number in range(count))}):\n    {how}\n"
        for name, count in names.items()
    )
    server = serve_with(text)
    server.expect("the hook|hook is broken|SystemExit")
    (first,) = server.wait_workers(1)
    assert server.get("/pid").json() == first
    server.send(signal.SIGHUP)
    (second,) = server.wait_workers(1, but=[first])
    assert server.get("/pid").json() == second
    assert server.stop() == 0
    for name in names:
        (record, *_) = server.error.where(
            lambda record, name=name: f"the hook {name} raised" in str(record.get("message"))  # type: ignore[misc]
        )
        assert value(record, "log.level") == "error"
        trace = str(value(record, "error.stack_trace"))
        assert "gunicorn.conf.py" in trace
        assert "logserve/compat" not in trace


def test_worker_abort_runs_when_a_worker_hangs_and_the_stacks_are_there_too(
    serve_with: ServeWith, gate: Gate
) -> None:
    server = serve_with(ALL, APP, "--timeout", "1", environment=gate.environment)
    server.expect("worker 0|Traceback|in flight|SIGABRT|booted")
    (worker,) = server.wait_workers(1)
    with server.connect() as client:
        client.send(request_bytes("/gate/stuck"))
        gate.wait("stuck")
        (death,) = server.error.wait(lambda record: "in flight" in str(record.get("message")), timeout=15)
        gate.open("stuck")
    server.wait_workers(1, but=[worker])
    assert hooks(server, worker)[-1] == "worker_abort"
    assert "wait_at" in str(death)
    assert f"child_exit {worker} mark 1" in hooks(server, server.pid)


def test_worker_int_sees_the_call_that_it_interrupts(serve_with: ServeWith, gate: Gate) -> None:
    text = """
import sys, traceback
def worker_int(worker):
    frames = traceback.extract_stack(sys._getframe())
    worker.log.info("HOOK worker_int in %s", "wait_at" in [frame.name for frame in frames])
"""
    server = serve_with(text, environment=gate.environment)
    with server.connect() as client:
        client.send(request_bytes("/gate/busy"))
        gate.wait("busy")
        server.send(signal.SIGQUIT)
        assert server.wait_exit() == 0
        gate.open("busy")
    assert hooks(server) == ["worker_int in True"]


def test_post_worker_init_may_wrap_the_application(serve_with: ServeWith) -> None:
    text = """
def post_worker_init(worker):
    inner = worker.wsgi
    def outer(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Wrapped", str(worker.age))], exc_info)
        return inner(environ, start)
    worker.wsgi = outer
"""
    server = serve_with(text)
    assert server.get("/pid").header("X-Wrapped") == "1"
