"""Where it listens: several addresses, unix sockets, descriptors that are handed over; and how it sleeps there."""

from __future__ import annotations

import socket
import stat
import time

from tests.conftest import StartServer
from tests.support import processes
from tests.support.journal import value
from tests.support.wire import Client


def test_two_addresses(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(
        "tests.apps.report", *worker_options, "--bind", "127.0.0.1:0", "--bind", "unix:two.sock", listeners=2
    )
    for address in server.addresses():
        with Client(address) as client:
            assert client.request("/").status == 200
    assert {isinstance(address, str) for address in server.addresses()} == {True, False}


def test_two_ports_and_two_workers(start_server: StartServer, worker_options: list[str]) -> None:
    options = ["--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", "--workers", "2"]
    server = start_server("tests.apps.report", *worker_options, *options, listeners=2)
    server.wait_workers(2)
    ports = []
    for address in server.addresses() * 5:
        with Client(address) as client:
            assert client.request("/").status == 200
            ports.append(client.socket.getpeername()[1])
    assert len(set(ports)) == 2


def test_ipv6(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.wsgi_paths", *worker_options, "--bind", "[::1]:0")
    assert server.get("/environ").json()["REMOTE_ADDR"] == "::1"
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/environ")
    assert value(record, "client.ip") == "::1"


def test_a_unix_socket(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.wsgi_paths", *worker_options, "--bind", "unix:served.sock")
    path = server.directory / "served.sock"
    assert stat.S_ISSOCK(path.stat().st_mode)
    with server.connect() as client:
        told = client.request("/environ").json()
        assert client.request("/").body == b"ok"
    assert told["REMOTE_ADDR"] == ""
    assert len(server.access.wait(lambda each: True, count=2)) == 2
    server.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_replaced(start_server: StartServer, new_server: StartServer) -> None:
    server = new_server("tests.apps.report", "--bind", "unix:served.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(server.directory / "served.sock"))
        stale.listen()
    server.start()
    assert server.get("/").status == 200


def test_a_file_that_is_no_socket_is_not_removed(new_server: StartServer) -> None:
    server = new_server("tests.apps.report", "--bind", "unix:precious")
    server.leaves.add("precious")
    (server.directory / "precious").write_text("data")
    server.spawn()
    server.expect("")
    assert server.wait_exit() == 1
    assert (server.directory / "precious").read_text() == "data"
    assert "precious" in server.said()


def test_a_descriptor_that_is_no_socket_is_refused(new_server: StartServer) -> None:
    with open("/dev/null") as nothing:
        server = new_server(
            "tests.apps.report", "--bind", f"fd://{nothing.fileno()}", pass_descriptors=[nothing.fileno()]
        )
        server.spawn()
        server.expect("")
        assert server.wait_exit() == 1
        assert f"fd://{nothing.fileno()}" in server.said()


def test_a_listener_that_is_handed_over(start_server: StartServer, worker_options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = start_server(
            "tests.apps.report",
            *worker_options,
            *("--bind", f"fd://{listener.fileno()}"),
            pass_descriptors=[listener.fileno()],
        )
        assert server.address == ("127.0.0.1", port)
        assert server.get("/").status == 200
        assert server.stop() == 0
        socket.create_connection(("127.0.0.1", port), 5).close()  # it is the other's, and still listens


def test_an_idle_server_sleeps(start_server: StartServer) -> None:
    """Arbiter, collector and 4 workers together: fewer than 60 context switches in 10 s."""
    server = start_server("tests.apps.report", "--workers", "4")
    pids = [server.pid, server.collector(), *server.wait_workers(4)]
    for _ in range(8):
        server.get("/")
    server.access.wait(lambda record: True, count=8)
    _settled(pids)
    before = {pid: processes.context_switches(pid) for pid in pids}
    time.sleep(10)  # the span over which is counted
    after = {pid: processes.context_switches(pid) for pid in pids}
    assert sum(after.values()) - sum(before.values()) < 60, {pid: after[pid] - before[pid] for pid in pids}


def _settled(pids: list[int]) -> None:
    """Wait until nobody has moved for a moment: the start is over."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        before = [processes.context_switches(pid) for pid in pids]
        time.sleep(0.2)
        if [processes.context_switches(pid) for pid in pids] == before:
            return
