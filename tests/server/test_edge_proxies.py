"""Proxies in front: whose word is taken for the client's address and scheme, over real sockets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.http1.test_proxy import FOUR, LINE, binary
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server, running
from tests.support.wire import Client, request_bytes

PROXY = "127.0.0.1"
STRANGER = "127.0.0.9"
"""On no list, but on this machine."""


@pytest.fixture(scope="module")
def edge_server(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker with the default trust: 127.0.0.1 and ::1."""
    directory = tmp_path_factory.mktemp("edge")
    options = [*worker_options, "--keep-alive", "30"]
    with running(directory, "tests.apps.wsgi_paths", options, environment=module_gate.environment) as server:
        yield server


def environ(client: Client, *headers: tuple[str, str], target: str = "/environ") -> dict[str, Any]:
    """What the application gets."""
    client.send(request_bytes(target, headers=headers))
    answer = client.read_answer()
    assert answer.status == 200, answer
    told = answer.json()
    assert isinstance(told, dict)
    return told


FORGED = (
    ("X-Forwarded-For", "1.1.1.1, 198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("SCRIPT_NAME", "/app"),
)


def test_a_trusted_proxy_is_believed(edge_server: Server) -> None:
    with edge_server.watch() as watch, Client(edge_server.address, source=PROXY) as client:
        port = client.socket.getsockname()[1]
        told = environ(client, *FORGED, target="/app/environ")
        plain = environ(client)
    assert told["REMOTE_ADDR"] == PROXY
    assert told["wsgi.url_scheme"] == "https"
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/app", "/environ")
    assert told["HTTP_SCRIPT_NAME"] == "/app"
    assert told["HTTP_X_FORWARDED_FOR"] == "1.1.1.1, 198.51.100.7"
    assert (plain["wsgi.url_scheme"], plain["SCRIPT_NAME"]) == ("http", "")
    first, second = watch.exactly(2)
    assert value(first, "client.ip") == "198.51.100.7"
    assert value(first, "client.port") is None
    assert (value(first, "source.ip"), value(first, "source.port")) == (PROXY, port)
    assert (value(second, "client.ip"), value(second, "client.port")) == (PROXY, port)
    assert value(second, "source") is None


def test_a_stranger_is_not(edge_server: Server) -> None:
    with edge_server.watch() as watch, Client(edge_server.address, source=STRANGER) as client:
        told = environ(client, *FORGED)
    assert told["REMOTE_ADDR"] == STRANGER
    assert told["wsgi.url_scheme"] == "http"
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("", "/environ")
    assert "HTTP_SCRIPT_NAME" not in told
    record = watch.one()
    assert value(record, "client.ip") == STRANGER
    assert value(record, "source") is None


def test_with_a_body(edge_server: Server) -> None:
    with edge_server.watch() as watch, Client(edge_server.address, source=PROXY) as client:
        client.send(request_bytes("/echo", "POST", FORGED[:2], b"body"))
        assert client.read_answer().body == b"body"
    assert value(watch.one(), "client.ip") == "198.51.100.7"


def test_pipelined_each_has_its_own_client(edge_server: Server) -> None:
    targets = [f"198.51.100.{number}" for number in range(1, 6)]
    with edge_server.watch() as watch, Client(edge_server.address, source=PROXY) as client:
        client.send(
            b"".join(request_bytes("/environ", headers=[("X-Forwarded-For", each)]) for each in targets)
        )
        for _ in targets:
            assert client.read_answer().status == 200
    assert [value(record, "client.ip") for record in watch.exactly(5)] == targets


def test_schemes_that_disagree_are_refused(edge_server: Server) -> None:
    with edge_server.watch() as watch, Client(edge_server.address, source=PROXY) as client:
        client.send(
            request_bytes("/environ", headers=[("X-Forwarded-Proto", "http"), ("X-Forwarded-Ssl", "on")])
        )
        assert client.read_answer().status == 400
    record = watch.one()
    assert value(record, "logserve.reason") == "scheme_fields_disagree"
    assert value(record, "url.path") == "/environ"
    edge_server.http.wait(lambda each: value(each, "event.reason") == "scheme_fields_disagree")


@pytest.mark.parametrize(
    ("trusted", "hops", "expected"),
    [
        ("127.0.0.0/8,10.0.0.0/8", "1.1.1.1, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("*", "1.1.1.1, 198.51.100.7, 10.0.0.3", "10.0.0.3"),
        ("10.0.0.0/8", "198.51.100.7", PROXY),
        ("", "198.51.100.7", PROXY),
    ],
)
def test_several_proxies(
    start_server: StartServer, worker_options: list[str], trusted: str, hops: str, expected: str
) -> None:
    server = start_server("tests.apps.report", *worker_options, "--forwarded-allow-ips", trusted)
    with server.watch() as watch, Client(server.address, source=PROXY) as client:
        assert client.request("/", headers=[("X-Forwarded-For", hops)]).status == 200
    assert value(watch.one(), "client.ip") == expected


def test_gunicorns_variable_and_configuration_file(
    start_server: StartServer, new_server: StartServer, worker_options: list[str]
) -> None:
    environment = {"FORWARDED_ALLOW_IPS": STRANGER}
    server = start_server("tests.apps.report", *worker_options, environment=environment)
    with server.watch() as watch, Client(server.address, source=STRANGER) as client:
        assert client.request("/", headers=[("X-Forwarded-For", "198.51.100.7")]).status == 200
    assert value(watch.one(), "client.ip") == "198.51.100.7"
    server = new_server("tests.apps.wsgi_paths", *worker_options, environment=environment)
    (server.directory / "gunicorn.conf.py").write_text(
        "forwarded_allow_ips = '127.0.0.1'\n"
        "secure_scheme_headers = {'X-SCHEME': 'tls'}\n"
        "forwarder_headers = ['REMOTE_USER']\n"
        "header_map = 'refuse'\n"
    )
    server.leaves |= {"gunicorn.conf.py", "__pycache__"}
    server.start()
    with Client(server.address, source=PROXY) as client:
        told = environ(client, ("X-Scheme", "tls"), ("REMOTE_USER", "me"), ("X-Forwarded-Proto", "http"))
        assert told["wsgi.url_scheme"] == "https"
        assert told["HTTP_REMOTE_USER"] == "me"
    with server.watch() as watch, Client(server.address, source=STRANGER) as client:
        assert client.request("/environ", headers=[("X_A", "1")]).status == 400
    assert value(watch.one(), "logserve.reason") == "underscore_in_name"


def test_forwarded_of_rfc_7239(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.wsgi_paths", *worker_options, "--client-ip-header", "Forwarded")
    with server.watch() as watch, Client(server.address, source=PROXY) as client:
        told = environ(client, ("Forwarded", 'for=1.1.1.1, for="[2001:db8::7]:99";proto=https'))
    assert told["wsgi.url_scheme"] == "https"
    record = watch.one()
    assert (value(record, "client.ip"), value(record, "client.port")) == ("2001:db8::7", 99)


def test_a_unix_sockets_proxy_is_believed(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(
        "tests.apps.report", *worker_options, "--bind", "unix:app.sock", "--forwarded-allow-ips", ""
    )
    with server.watch() as watch, server.connect() as client:
        assert client.request("/", headers=[("X-Forwarded-For", "198.51.100.7")]).status == 200
    record = watch.one()
    assert value(record, "client.ip") == "198.51.100.7"
    assert value(record, "source") is None


def test_a_network_with_a_wrong_prefix_is_refused(new_server: StartServer) -> None:
    server = new_server("tests.apps.report", "--forwarded-allow-ips", "10.0.0.1/8").spawn()
    assert server.wait_exit() == 2
    server.expect("10.0.0.1/8")
    assert "did you mean '10.0.0.0/8'" in server.output()


# -- the PROXY protocol


@pytest.fixture(scope="module")
def proxied_server(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker that wants a header from 127.0.0.5, so that fences come without one."""
    directory = tmp_path_factory.mktemp("proxied")
    options = [
        *worker_options,
        "--keep-alive",
        "30",
        "--proxy-protocol",
        "auto",
        "--proxy-allow-ips",
        "127.0.0.5",
    ]
    options += ["--header-timeout", "1", "--forwarded-allow-ips", "10.0.0.0/8"]
    with running(directory, "tests.apps.wsgi_paths", options, environment=module_gate.environment) as server:
        yield server


def behind(server: Server, header: bytes) -> Client:
    """A proxy's connection."""
    client = Client(server.address, source="127.0.0.5")
    client.send(header)
    return client


@pytest.mark.parametrize("header", [LINE, binary(block=FOUR)], ids=["v1", "v2"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_the_client_of_a_tcp_proxy(proxied_server: Server, header: bytes, bytewise: bool) -> None:
    with proxied_server.watch() as watch, Client(proxied_server.address, source="127.0.0.5") as client:
        port = client.socket.getsockname()[1]
        if bytewise:
            client.send_bytewise(header)
        else:
            client.send(header)
        told = [environ(client) for _ in range(2)]
    for each in told:
        assert (each["REMOTE_ADDR"], each["REMOTE_PORT"]) == ("192.0.2.7", "56324")
        assert each["PROXY_PROTOCOL"] == "TCP4"
        assert (each["PROXY_ADDR"], each["PROXY_PORT"]) == ("198.51.100.1", "443")
    for record in watch.exactly(2):
        assert (value(record, "client.ip"), value(record, "client.port")) == ("192.0.2.7", 56324)
        assert (value(record, "source.ip"), value(record, "source.port")) == ("127.0.0.5", port)


def test_in_one_piece_with_the_request(proxied_server: Server) -> None:
    with proxied_server.watch() as watch, behind(proxied_server, LINE + request_bytes("/environ")) as client:
        assert client.read_answer().json()["REMOTE_ADDR"] == "192.0.2.7"
    assert value(watch.one(), "client.ip") == "192.0.2.7"


def test_the_proxys_own_check_is_the_proxys(proxied_server: Server) -> None:
    with proxied_server.watch() as watch, behind(proxied_server, binary(0x20, 0)) as client:
        told = environ(client)
    assert told["REMOTE_ADDR"] == "127.0.0.5"
    assert "PROXY_PROTOCOL" not in told
    assert value(watch.one(), "client.ip") == "127.0.0.5"


def test_a_check_without_a_request_has_no_record(proxied_server: Server) -> None:
    with proxied_server.watch(0), behind(proxied_server, binary(0x20, 0)) as client:
        client.half_close()
        assert client.read_rest() == b""


def test_the_header_timeout_covers_it(proxied_server: Server) -> None:
    with proxied_server.watch() as watch, behind(proxied_server, LINE[:20]) as client:
        assert client.read_answer().status == 408
    record = watch.one()
    assert value(record, "logserve.outcome") == "timeout_header"
    with proxied_server.watch(0), behind(proxied_server, LINE) as client:
        assert client.read_rest() == b""  # nothing came behind it, and it was not kept


def test_fields_are_believed_of_whom_the_header_names(proxied_server: Server) -> None:
    """A TCP proxy passes on what its client sends: being on the list itself means nothing for fields."""
    forged = ("X-Forwarded-For", "198.51.100.8")
    header = b"PROXY TCP4 10.0.0.9 198.51.100.1 1 2\r\n"
    with proxied_server.watch() as watch:
        with behind(proxied_server, LINE) as client:
            assert environ(client, forged, ("X-Forwarded-Proto", "https"))["wsgi.url_scheme"] == "http"
        with behind(proxied_server, header) as client:
            assert environ(client, forged, ("X-Forwarded-Proto", "https"))["wsgi.url_scheme"] == "https"
    first, second = watch.exactly(2)
    assert value(first, "client.ip") == "192.0.2.7"
    assert value(second, "client.ip") == "198.51.100.8"
    assert value(second, "source.ip") == "127.0.0.5"


@pytest.mark.parametrize(
    ("source", "data", "status", "reason"),
    [
        ("127.0.0.5", b"PROXY TCP4 nonsense\r\n", 400, "bad_proxy_header"),
        ("127.0.0.5", binary(0x31, block=FOUR), 400, "bad_proxy_header"),
        ("127.0.0.5", request_bytes("/"), 400, "proxy_header_missing"),
        (STRANGER, LINE + request_bytes("/"), 403, "proxy_not_allowed"),
        (STRANGER, binary(block=FOUR) + request_bytes("/"), 403, "proxy_not_allowed"),
    ],
)
def test_what_is_refused(proxied_server: Server, source: str, data: bytes, status: int, reason: str) -> None:
    start = proxied_server.http.size()
    with proxied_server.watch() as watch, Client(proxied_server.address, source=source) as client:
        client.send(data)
        assert client.read_answer().status == status
        assert client.read_rest() == b""
    record = watch.one()
    assert value(record, "logserve.reason") == reason
    assert value(record, "logserve.outcome") == "malformed"
    assert value(record, "client.ip") == source
    proxied_server.http.wait(lambda each: value(each, "event.reason") == reason, start=start)


def test_a_stranger_is_served_without_a_header(proxied_server: Server) -> None:
    with Client(proxied_server.address, source=STRANGER) as client:
        assert environ(client)["REMOTE_ADDR"] == STRANGER


def test_the_flag_alone_and_gunicorns_switch(
    start_server: StartServer, new_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server("tests.apps.wsgi_paths", "--proxy-protocol", *worker_options)
    with Client(server.address, source=PROXY) as client:
        client.send(LINE)
        assert environ(client)["REMOTE_ADDR"] == "192.0.2.7"
    server = new_server("tests.apps.wsgi_paths", *worker_options)
    (server.directory / "gunicorn.conf.py").write_text("proxy_protocol = True\n")
    server.leaves |= {"gunicorn.conf.py", "__pycache__"}
    server.start()
    with Client(server.address, source=PROXY) as client:
        client.send(binary(block=FOUR))
        assert environ(client)["REMOTE_ADDR"] == "192.0.2.7"


def test_the_client_of_a_killed_worker_is_known(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(
        "tests.apps.http_paths", *worker_options, "--proxy-protocol", "v1", environment=gate.environment
    )
    server.expect("worker|Worker|killed|SIGKILL")
    (worker,) = server.wait_workers(1)
    with Client(server.address, source=PROXY) as client:
        client.send(LINE + request_bytes("/gate/here"))
        gate.wait("here")
        os.kill(worker, signal.SIGKILL)
    (record,) = server.access.wait(lambda each: value(each, "logserve.outcome") == "worker_killed")
    assert (value(record, "client.ip"), value(record, "client.port")) == ("192.0.2.7", 56324)
    gate.open("here")


def test_all_of_it_is_off_by_default(edge_server: Server) -> None:
    for data in (LINE + request_bytes("/"), binary(block=FOUR) + request_bytes("/")):
        with edge_server.watch() as watch, Client(edge_server.address, source=PROXY) as client:
            client.send(data)
            assert client.read_answer().status == 400
        record = watch.one()
        assert value(record, "client.ip") == PROXY
        assert not str(value(record, "logserve.reason")).startswith(("proxy", "bad_proxy"))
