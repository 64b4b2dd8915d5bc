"""Limits on connections, and the health check."""

from __future__ import annotations

import os
import signal

from tests.conftest import StartServer
from tests.http1.test_proxy import LINE
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

FIRST, SECOND, PROXY = "127.0.0.2", "127.0.0.3", "127.0.0.1"


def held(server: Server, source: str, count: int = 1) -> list[Client]:
    """Kept connections that have been answered."""
    clients = [Client(server.address, source=source) for _ in range(count)]
    for client in clients:
        assert client.request("/").status == 200
    return clients


def uploading(server: Server, source: str, count: int) -> list[Client]:
    """Connections that the server holds while it waits for a body, however it keeps idle ones."""
    clients = [Client(server.address, source=source) for _ in range(count)]
    for client in clients:
        client.send(request_bytes("/", "POST", [("Content-Length", "1"), ("Expect", "100-continue")]))
        assert client.read_head().status == 100
    return clients


def close(clients: list[Client]) -> None:
    for client in clients:
        client.close()


def status(server: Server, source: str, target: str = "/") -> int:
    """Of one request on a connection of its own."""
    with Client(server.address, source=source) as client:
        return client.request(target, headers=[("Connection", "close")]).status


def test_connections_of_one_address(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(
        "tests.apps.report", *worker_options, "--limit-connections-per-address", "2", "--keep-alive", "60"
    )
    start = server.http.size()
    with server.watch() as watch:
        clients = held(server, FIRST, 2)
        with Client(server.address, source=FIRST) as client:
            assert client.request("/third?token=x").status == 429
            client.expect_end()
        others = held(server, SECOND, 2)
        proxied = held(server, PROXY, 5)  # trusted, so it stands for many
    refused = [record for record in watch.exactly(10) if value(record, "http.response.status_code") == 429]
    assert len(refused) == 1
    assert value(refused[0], "logserve.outcome") == "refused"
    assert value(refused[0], "logserve.reason") == "too_many_connections_of_address"
    assert value(refused[0], "client.ip") == FIRST
    assert value(refused[0], "url.path") == "/third"
    server.http.wait(
        lambda record: value(record, "event.reason") == "too_many_connections_of_address", start=start
    )
    close(clients)
    wait_for(lambda: status(server, FIRST) == 200, 10, "room for the address again")
    close(others + proxied)


def test_behind_a_tcp_proxy_its_clients_are_counted(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(
        "tests.apps.report",
        *worker_options,
        *("--limit-connections-per-address", "1", "--proxy-protocol", "v1", "--keep-alive", "60"),
    )

    def behind(client_ip: str) -> tuple[Client, int]:
        client = Client(server.address, source=PROXY)
        client.send(LINE.replace(b"192.0.2.7", client_ip.encode()))
        return client, client.request("/").status

    first, second, third = behind("192.0.2.7"), behind("192.0.2.7"), behind("192.0.2.8")
    assert [found for _, found in (first, second, third)] == [200, 429, 200]
    (record,) = server.access.wait(lambda each: value(each, "http.response.status_code") == 429)
    assert value(record, "client.ip") == "192.0.2.7"
    close([first[0], second[0], third[0]])


def test_connections_of_all(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(
        "tests.apps.report",
        *worker_options,
        "--workers",
        "2",
        "--limit-connections",
        "3",
        "--keep-alive",
        "60",
    )
    server.wait_workers(2)
    clients = uploading(server, FIRST, 3)
    assert status(server, SECOND, "/one-more") == 503
    (record,) = server.access.wait(lambda each: value(each, "http.response.status_code") == 503)
    assert value(record, "logserve.outcome") == "refused"
    assert value(record, "logserve.reason") == "too_many_connections"
    assert value(record, "url.path") == "/one-more"
    server.http.wait(lambda each: value(each, "event.reason") == "too_many_connections")
    close(clients[2:])
    wait_for(lambda: status(server, SECOND) == 200, 10, "room again")
    close(clients[:2])


def test_what_a_killed_worker_held_does_not_count(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(
        "tests.apps.report", *worker_options, "--limit-connections", "1", "--keep-alive", "60"
    )
    server.expect("worker|Worker|killed|SIGKILL")
    (worker,) = server.wait_workers(1)
    clients = held(server, FIRST)
    assert status(server, SECOND) == 503
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(1, but=[worker])
    close(clients)
    wait_for(lambda: status(server, SECOND) == 200, 10, "room again")


# -- health

HEALTH = ("--health-path", "/-/health")


def test_the_worker_answers_for_itself(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.report", *worker_options, *HEALTH, "--keep-alive", "60")
    with server.watch() as watch, server.connect() as client:
        assert client.request("/before").status == 200
        for _ in range(3):
            answer = client.request("/-/health?x=1")
            assert (answer.status, answer.body) == (200, b"ok\n")
            assert answer.header("Cache-Control") == "no-store"
            assert not answer.closes
        client.send(request_bytes("/-/health", "HEAD"))
        head = client.read_answer("HEAD")
        assert (head.status, head.header("Content-Length")) == (200, "3")
        application = client.request("/-/health/more")
        assert application.body != b"ok\n"
        assert client.request("/-/health", "POST").body != b"ok\n"
        assert client.request("/after").status == 200
    records = watch.exactly(4)
    assert [value(record, "url.path") for record in records] == [
        "/before",
        "/-/health/more",
        "/-/health",
        "/after",
    ]
    numbers = [value(record, "logserve.seq") for record in records]
    assert numbers == list(range(numbers[0], numbers[0] + 4)), "a check left a hole"


def test_it_is_logged_where_that_is_asked_for(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.report", *worker_options, *HEALTH, "--health-log")
    with server.watch() as watch:
        assert server.get("/-/health").body == b"ok\n"
    record = watch.one()
    assert value(record, "url.path") == "/-/health"
    assert value(record, "http.response.status_code") == 200
    assert value(record, "http.response.body.bytes") == 3


def test_pipelined_between_others(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.report", *worker_options, *HEALTH, "--keep-alive", "60")
    with server.connect() as client:
        client.send(b"".join(request_bytes(target) for target in ("/one", "/-/health", "/two", "/-/health")))
        bodies = [client.read_answer().body for _ in range(4)]
    assert [body == b"ok\n" for body in bodies] == [False, True, False, True]
    records = server.access.wait(lambda record: value(record, "url.path") == "/two")
    assert len(records) == 1
    numbers = sorted(value(record, "logserve.seq") for record in server.access.records())
    assert numbers == list(range(1, len(numbers) + 1))


def test_without_a_free_thread(start_server: StartServer, gate: Gate, worker_type: str) -> None:
    if worker_type == "sync":
        return  # inside the application it looks at nothing: its heartbeat is what tells
    options = ["--worker-class", "gthread", "--threads", "2", *HEALTH, "--keep-alive", "60"]
    server = start_server("tests.apps.http_paths", *options, environment=gate.environment)
    with server.connect() as kept, server.connect() as first, server.connect() as second:
        assert kept.request("/").status == 200
        for client in (first, second):
            client.send(request_bytes("/gate/busy"))
        gate.wait("busy", 2)
        assert kept.request("/-/health").body == b"ok\n"
        gate.open("busy")
        for client in (first, second):
            assert client.read_answer().status == 200


def test_there_is_none_by_default(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.report", *worker_options)
    with server.watch() as watch:
        assert server.get("/-/health").body != b"ok\n"
        clients = held(server, FIRST, 10)  # nor a limit
    assert len(watch.exactly(11)) == 11
    close(clients)
