"""Starting: what cannot work is said in a sentence, with the right exit status."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer
from tests.support import processes
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client


def ended(server: Server, status: int) -> str:
    """Start it; it ends by itself with that status. What it said, which is expected then."""
    server.expect("")
    server.spawn()
    assert server.wait_exit(30) == status, server.describe()
    return server.said()


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("raises", "the database is not there"),
        ("syntax", "SyntaxError"),
        ("imports", "no_such_thing_anywhere"),
    ],
)
def test_an_application_that_cannot_be_imported_stops_the_start(
    new_server: StartServer, app: str, said: str, preload: bool
) -> None:
    server = new_server(f"tests.apps.broken.{app}", *(["--preload"] if preload else []))
    output = ended(server, 3)
    assert said in output
    assert f"tests/apps/broken/{app}.py" in output
    frames = [line for line in output.splitlines() if line.strip().startswith("File ")]
    assert not [line for line in frames if "logserve/" in line.replace("tests/apps", "")], output


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("no_such_module", "no_such_module"),
        ("tests.apps.report:nothing", "application"),
        ("tests.apps.broken.not_callable", "served"),
        ("tests/apps/report.py", "tests.apps.report"),
    ],
)
def test_an_application_that_is_not_there_stops_the_start(
    new_server: StartServer, app: str, said: str
) -> None:
    output = ended(new_server(app), 4)
    assert said in output
    assert "Traceback" not in output


@pytest.mark.parametrize("how", ["exit", "os-exit"])
def test_a_worker_that_ends_before_it_has_booted_stops_the_start(new_server: StartServer, how: str) -> None:
    server = new_server("tests.apps.broken.exits", environment={"HOW": how})
    assert "9" in ended(server, 3)


def test_several_workers_that_cannot_boot_say_it_and_go(new_server: StartServer) -> None:
    server = new_server("tests.apps.broken.raises", "--workers", "4")
    assert "the database is not there" in ended(server, 3)


def test_an_address_in_use(new_server: StartServer, start_server: StartServer) -> None:
    first = start_server("tests.apps.report", "--bind", "127.0.0.1:0", "--bind", "unix:one.sock", listeners=2)
    taken = [f"127.0.0.1:{first.addresses()[0][1]}", f"unix:{first.directory / 'one.sock'}"]
    others = [new_server("tests.apps.report", "--bind", bind).spawn() for bind in taken]
    for bind, other in zip(taken, others, strict=True):
        other.expect("")
        assert other.wait_exit() == 1
        assert bind.removeprefix("unix:") in other.said()
        assert "Traceback" not in other.said()
    for address in first.addresses():
        with Client(address) as client:
            assert client.request("/").status == 200


def test_two_servers_may_share_a_port_that_both_offer(start_server: StartServer) -> None:
    first = start_server("tests.apps.report", "--reuse-port")
    assert not isinstance(first.address, str)
    second = start_server("tests.apps.report", "--reuse-port", "--bind", f"127.0.0.1:{first.address[1]}")
    answered = wait_for(
        lambda: (
            {first.get("/").json()["pid"] for _ in range(50)}
            >= {*first.wait_workers(1), *second.wait_workers(1)}
        )
    )
    assert answered


def test_the_pid_file(start_server: StartServer) -> None:
    server = start_server("tests.apps.report", "--pid", "server.pid")
    path = server.directory / "server.pid"
    assert int(path.read_text()) == server.pid
    server.stop()
    assert not path.exists()


def test_preload_loads_once(start_server: StartServer) -> None:
    server = start_server("tests.apps.counted", "--workers", "2", "--preload")
    server.leaves.add("loaded")
    assert server.get("/").json()["pid"] in server.wait_workers(2)
    assert (server.directory / "loaded").read_text().split() == [str(server.pid)]


def test_without_a_configuration_it_logs_readable_lines(start_server: StartServer) -> None:
    server = start_server("tests.apps.report", logs=None)
    assert server.get("/some/path?q=1").status == 200
    wait_for(lambda: "/some/path" in server.output(), what=server.describe)
    assert "\x1b" not in server.output(), "no colour where there is no terminal"


def test_descriptors_that_the_server_holds_do_not_grow(
    start_server: StartServer, worker_options: list[str]
) -> None:
    """Connections, refused ones and broken ones, leave nothing open."""
    server = start_server("tests.apps.report", *worker_options)
    (worker,) = server.wait_workers(1)
    server.get("/")
    before = {pid: len(processes.descriptors(pid)) for pid in (server.pid, worker, server.collector())}
    for number in range(60):
        with server.connect() as client:
            if number % 3 == 0:
                client.request("/")
            elif number % 3 == 1:
                client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
                client.read_answer()
            else:
                client.send(b"GET / HT")
                client.reset()
    wait_for(
        lambda: all(len(processes.descriptors(pid)) <= count for pid, count in before.items()),
        what=lambda: f"{before}, now {[processes.descriptors(pid) for pid in before]}",
    )
