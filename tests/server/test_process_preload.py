"""``--preload``: the workers share the application, and the collector never holds it, whichever one it is."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.apps.hoard import NAME
from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.load import Load, settle
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes

APP = "tests.apps.hoard"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory with a name is Linux's")


def holds_application(pid: int) -> bool:
    """Whether a process maps the application's memory, or has its descriptor open."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return NAME in maps or any(NAME in target for target in processes.descriptors(pid).values())


def replaced(server: Server, collector: int) -> int:
    """Kill the collector, and wait until another has written something; that one."""
    size = server.access.size()
    os.kill(collector, signal.SIGKILL)
    wait_for(lambda: server.access.size() > size and server.collector() != collector, 20, server.describe)
    return server.collector()


def test_no_collector_holds_the_application(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(APP, *worker_options, "--workers", "2", "--preload")
    server.expect("SIGKILL")
    workers = server.wait_workers(2)
    assert holds_application(server.pid)
    assert all(holds_application(worker) for worker in workers)
    collector = server.collector()
    assert not holds_application(collector)
    with Load(server, "preload", clients=2) as load:
        for _ in range(3):
            load.wait_more()
            collector = replaced(server, collector)
            assert not holds_application(collector)
            assert processes.ignores(collector, signal.SIGTERM)
        load.wait_more()
    assert not load.stop().failed
    assert server.workers() == workers
    settle(load.book, server.access)


def test_a_new_collector_knows_what_is_secret(start_server: StartServer, gate: Gate) -> None:
    """What a fork inherits is handed to the new program: it makes the record of who died in the application."""
    server = start_server(APP, "--preload", "--redact-query", "shoesize", environment=gate.environment)
    server.expect("SIGKILL")
    (worker,) = server.wait_workers(1)
    server.get("/")
    os.kill(server.collector(), signal.SIGKILL)
    with server.connect() as client:
        client.send(request_bytes("/gate/dies?shoesize=44"))
        gate.wait("dies")
        os.kill(worker, signal.SIGKILL)
        (record,) = server.access.wait(lambda record: value(record, "url.path") == "/gate/dies")
    assert value(record, "url.query") == "shoesize=redacted"
    server.wait_workers(1, but=[worker])
