"""Clients that stall, send rubbish, go away or are many: the server serves on, and only they are dropped."""

from __future__ import annotations

import contextlib
import json
import os
import socket

import pytest

from logserve.arbiter.control.clients import MAX_CLIENTS
from logserve.arbiter.control.protocol import MAX_REQUEST, PATIENCE
from tests.conftest import StartServer
from tests.control.client import Wire, asked
from tests.support import processes
from tests.support.server import Server
from tests.support.waiting import wait_for

APP = "tests.apps.control_paths"


@pytest.fixture
def server(start_server: StartServer) -> Server:
    server = start_server(APP, "--pid", "app.pid")
    server.wait_workers(1)
    return server


def wire(server: Server) -> Wire:
    return Wire(server.directory / "app.ctl")


def sockets(server: Server) -> int:
    """How many sockets the arbiter has open."""
    return sum(name.startswith("socket:") for name in processes.descriptors(server.pid).values())


@pytest.mark.parametrize(
    ("data", "code", "part"),
    [
        (b"GET / HTTP/1.1\r\n", "bad_request", "found no JSON object"),
        (b"[1, 2]\n", "bad_request", "found no JSON object"),
        (b"\xff\xfe\x00\n", "bad_request", "found no JSON object"),
        (b"[" * 4000 + b"\n", "bad_request", "found no JSON object"),
        (b"\n", "bad_request", "found no JSON object"),
        (b"{}\n", "version", "the client speaks no version"),
        (
            b'{"version": 2, "logserve": "9.1"}\n',
            "version",
            "version 2 of the protocol (logserve 9.1), the server",
        ),
        (
            b'{"version": 1, "command": "dance"}\n',
            "bad_request",
            "found the command 'dance', expected one of status",
        ),
        (b'{"version": 1, "command": ["status"]}\n', "bad_request", "found the command ['status']"),
        (b'{"version": 1, "command": "status", "arguments": 5}\n', "bad_request", "found the arguments 5"),
        (
            b'{"version": 1, "command": "workers", "arguments": {"change": "2"}}\n',
            "bad_request",
            "workers: change: found '2', expected a whole number",
        ),
        (
            b'{"version": 1, "command": "kill", "arguments": {"pid": true}}\n',
            "bad_request",
            "kill: pid: found True, expected a whole number",
        ),
        (b"x" * MAX_REQUEST, "bad_request", "found a line without an end"),
    ],
)
def test_rubbish_is_answered_and_dropped(server: Server, data: bytes, code: str, part: str) -> None:
    with wire(server) as other, wire(server) as client:
        client.send(data)
        answer = client.read()
        assert (answer["version"], answer["ok"], answer["error"]["code"]) == (1, False, code)
        assert part in answer["error"]["message"]
        client.expect_end()
        assert other.ask("status")["ok"] is True


def test_several_requests_on_one_connection(server: Server) -> None:
    """Also where the second comes before the first is answered, or byte by byte."""
    line = json.dumps({"version": 1, "command": "status", "unknown": 1}).encode() + b"\n"
    with wire(server) as client:
        client.send(line + line[:10])
        assert client.read()["ok"] is True
        for byte in line[10:]:
            client.send(bytes([byte]))
        assert client.read()["result"]["server"]["pid"] == server.pid


def test_who_goes_away_is_forgotten(server: Server) -> None:
    before = sockets(server)
    for command in ("status", "stacks", "reload"):
        with wire(server) as client:
            client.send(json.dumps({"version": 1, "command": command}).encode() + b"\n")
    with wire(server) as client:
        client.send(b'{"version"')
    wait_for(lambda: sockets(server) == before, what=lambda: f"{sockets(server)} sockets, {before} before")
    assert asked(server, "status")["server"]["state"] == "running"


def test_who_stalls_holds_nobody_and_is_dropped(server: Server) -> None:
    """One that says half a line, and one that does not take its answers."""
    with wire(server) as half, wire(server) as greedy:
        half.socket.settimeout(PATIENCE * 3)
        half.send(b'{"version": 1, ')
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.socket.setblocking(False)
        request = json.dumps({"version": 1, "command": "config"}).encode() + b"\n"
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                greedy.socket.send(request)
        assert asked(server, "status")["server"]["state"] == "running"
        assert server.get("/pid").status == 200
        half.expect_end()


def test_more_clients_than_may_be(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            client = stack.enter_context(wire(server))
            assert client.ask("status")["ok"] is True
        error = asked(server, "status", status=1)["error"]
        assert error["code"] == "busy"
    wait_for(lambda: wire_is_answered(server))


def wire_is_answered(server: Server) -> bool:
    with wire(server) as client:
        client.send(b'{"version": 1, "command": "status"}\n')
        return bool(client.read()["ok"])


def test_no_child_holds_the_socket_or_a_client(server: Server) -> None:
    """Else a client would not see the end of an arbiter that is killed."""
    with wire(server) as client:
        assert client.ask("workers", change=1)["result"]["workers_wanted"] == 2
        server.wait_workers(2)
        os.kill(server.collector(), 9)
        server.expect("collector")
        server.error.wait_message("another goes on where it was")
        client.socket.settimeout(20)
        os.kill(server.pid, 9)
        server.expect(".")
        client.expect_end()
    server.wait_exit()
    (server.directory / "app.ctl").unlink()
    (server.directory / "app.pid").unlink()
    wait_for(lambda: not processes.session_members(server.pid), 20)
