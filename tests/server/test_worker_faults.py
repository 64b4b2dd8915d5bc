"""What would bring a worker down, and what it must say then: long pipelines, full disks, applications that are wrong."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.apps.blocks import BLOCK, block
from tests.apps.faults import BUFFERED, SHRINKS
from tests.conftest import StartServer
from tests.support.gate import Gate
from tests.support.journal import Record, value
from tests.support.processes import unread_bytes
from tests.support.server import JSON_LOGS, Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

APP = "tests.apps.faults"
SPOOL = 64 * 1024
"""Bytes of a request's body that the workers here keep in memory."""

LOGS = (
    JSON_LOGS.replace(
        "handlers:\n",
        "  atom: {(): logserve.AccessFormatter, fmt: '%({x-foo}o)s %(s)s'}\nhandlers:\n"
        "  second_file: {class: logging.FileHandler, filename: second.json, formatter: ecs}\n"
        "  atom_file: {class: logging.FileHandler, filename: atom.txt, formatter: atom}\n",
    )
).replace("handlers: [access_file]", "handlers: [access_file, second_file, atom_file]")
"""Three handlers for the access log: two of JSON, and one whose lines come from the response's headers."""


@pytest.fixture(scope="module")
def server(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker, that of all tests here: none of them may cost it its life."""
    options = [*worker_options, "--keep-alive", "30", "--body-spool", str(SPOOL)]
    with running(
        tmp_path_factory.mktemp("faults"), APP, options, environment=module_gate.environment, logs=LOGS
    ) as server:
        server.leaves |= {"second.json", "atom.txt", BUFFERED, SHRINKS}
        before = server.wait_workers(1)
        yield server
        assert server.wait_workers(1) == before


@contextlib.contextmanager
def limited(pid: int, kind: int, soft: int) -> Iterator[None]:
    """Give a process a resource limit for the length of a block."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (soft, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # what killed it is told by the test
            resource.prlimit(pid, kind, before)


def outcome(record: Record) -> tuple[str, str | None]:
    """The outcome and its reason."""
    return value(record, "logserve.outcome"), value(record, "logserve.reason")


# -- pipelines


def test_a_thousand_requests_in_one_piece(server: Server) -> None:
    targets = [f"/{number}" for number in range(1000)]
    with server.watch() as watch, server.connect() as client:
        client.send(b"".join(request_bytes(target) for target in targets))
        assert {client.read_answer().body for _ in targets} == {b"ok"}
    records = watch.exactly(len(targets))
    assert [value(record, "url.path") for record in records] == targets


def test_requests_in_one_piece_behind_one_that_ends_the_connection(server: Server) -> None:
    """Each whose bytes were read has its record; the others were not read."""
    server.expect("raised before the head|application raised")
    with server.watch() as watch, server.connect() as client:
        client.send(request_bytes("/raising/before") + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1500)
        assert client.read_answer().status == 500
        client.expect_end()
    outcomes = [value(record, "logserve.outcome") for record in watch.wait(2)]
    assert outcomes[0] == "app_raised"
    assert set(outcomes[1:]) == {"unanswered"}
    numbers = [value(record, "logserve.request_in_connection") for record in watch.records()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_who_pipelines_takes_no_place_from_others(server: Server, module_gate: Gate) -> None:
    """More requests than a worker could count at once, behind an answer that nobody reads."""
    count = 1500
    with server.watch() as watch, server.connect(receive_buffer=65536) as greedy:
        greedy.send(request_bytes("/large/12") + request_bytes("/") * count)
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                other = stack.enter_context(server.connect())
                assert other.request("/other").body == b"ok"
        greedy.read_head()
        for number in range(12):
            assert greedy.read_exactly(BLOCK) == block(number)
        assert {greedy.read_answer().body for _ in range(count)} == {b"ok"}
    watch.exactly(1 + count + 20)


def test_a_continue_does_not_overtake_an_earlier_answer(server: Server, module_gate: Gate) -> None:
    expecting = request_bytes("/echo", "POST", [("Content-Length", "4"), ("Expect", "100-continue")])
    with server.connect() as client:
        client.send(request_bytes("/gate/earlier") + expecting)
        module_gate.wait("earlier")
        module_gate.open("earlier")
        first = client.read_answer()
        assert (first.status, first.interim) == (200, [])
        assert client.read_head().status == 100
        client.send(b"body")
        assert client.read_answer().body == b"body"


def test_a_continue_does_not_go_into_an_answer_that_is_being_read(server: Server) -> None:
    expecting = request_bytes("/echo", "POST", [("Content-Length", "4"), ("Expect", "100-continue")])
    with server.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/whole/12") + expecting)
        assert client.read_head().status == 200
        for number in range(12):
            assert client.read_exactly(BLOCK) == block(number)
        assert client.read_head().status == 100
        client.send(b"body")
        assert client.read_answer().body == b"body"


# -- what cannot be kept


@pytest.mark.parametrize(
    ("size", "room"),
    [
        pytest.param(4 * SPOOL, SPOOL // 2, id="at once"),
        pytest.param(4 * SPOOL, 2 * SPOOL, id="later"),
        pytest.param(2 * SPOOL, 2 * SPOOL - 1, id="by the last byte"),
    ],
)
def test_a_body_that_cannot_be_kept(server: Server, size: int, room: int) -> None:
    server.expect("could not be kept")
    (pid,) = server.wait_workers(1)
    with server.watch() as watch:
        with limited(pid, resource.RLIMIT_FSIZE, room), server.connect() as client:
            client.send(request_bytes("/echo", "POST", [("Content-Length", str(size))]))
            with contextlib.suppress(ConnectionError):
                for start in range(0, size, 1000):
                    client.send(b"x" * min(1000, size - start))
            answer = client.read_answer()
            assert (answer.status, answer.closes) == (503, True)
        (record,) = watch.exactly(1)
    assert outcome(record) == ("server_error", "body_not_kept")
    assert value(record, "http.response.status_code") == 503
    assert value(record, "logserve.phase") == "body"
    assert server.get("/pid").json() == pid


def test_an_answer_that_cannot_be_kept(server: Server) -> None:
    server.expect("could not be kept")
    (pid,) = server.wait_workers(1)
    with server.watch() as watch:
        with limited(pid, resource.RLIMIT_FSIZE, SPOOL), server.connect(receive_buffer=65536) as client:
            client.send(request_bytes("/large/64"))
            watch.wait(1)
            assert client.read_head().status == 200
            assert len(client.read_rest()) < 64 * BLOCK
        (record,) = watch.exactly(1)
    assert outcome(record) == ("server_error", "answer_not_kept")
    assert 0 < value(record, "http.response.body.bytes") < 64 * BLOCK
    assert server.get("/pid").json() == pid


def test_a_cut_answer_without_a_length_is_reset(server: Server) -> None:
    """Who reads until the end must not take what there is for the whole (RFC 9112 section 8)."""
    server.expect("could not be kept")
    (pid,) = server.wait_workers(1)
    with server.watch() as watch:
        with limited(pid, resource.RLIMIT_FSIZE, SPOOL), server.connect(receive_buffer=65536) as client:
            client.send(b"GET /endless HTTP/1.0\r\n\r\n")
            watch.wait(1)
            with pytest.raises(ConnectionResetError):
                client.read_rest()
        (record,) = watch.exactly(1)
    assert outcome(record) == ("server_error", "answer_not_kept")


def test_no_descriptor_is_left(server: Server) -> None:
    """New connections wait in the backlog until there is one again."""
    (pid,) = server.wait_workers(1)
    used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
    with contextlib.ExitStack() as stack:
        with limited(pid, resource.RLIMIT_NOFILE, used + 2):
            clients = [stack.enter_context(server.connect()) for _ in range(used + 4)]
            for client in clients:
                client.send(request_bytes("/many", headers=[("Connection", "close")]))
            for client in clients:
                assert client.read_answer().status == 200
                client.close()
        assert server.get("/pid").json() == pid


# -- what the application does


@pytest.mark.parametrize("kind", ["number", "none", "no-pairs", "nothing"])
def test_headers_that_are_none(server: Server, kind: str) -> None:
    server.expect("X-Foo|header")
    (pid,) = server.wait_workers(1)
    with server.watch() as watch:
        assert server.get(f"/header/{kind}").status == 500
        (record,) = watch.exactly(1)
    assert value(record, "http.response.status_code") == 500
    assert outcome(record) == ("app_raised", "before_headers")
    assert not server.error.where(lambda each: "record could not" in str(each.get("message")))
    assert server.get("/pid").json() == pid


@pytest.mark.parametrize("status", ["500 Bad", "xyz"])
def test_another_status_that_comes_too_late(server: Server, status: str) -> None:
    """The record says what was sent."""
    server.expect("start_response")
    (pid,) = server.wait_workers(1)
    for _ in range(5):  # more than there are threads
        with server.watch() as watch:
            with server.connect() as client:
                client.send(request_bytes("/too-late/" + status.replace(" ", "%20")))
                assert client.read_head().status == 200
                assert client.read_chunk() == b"begun"
                client.expect_end()
            (record,) = watch.exactly(1)
        assert value(record, "http.response.status_code") == 200
        assert outcome(record) == ("app_raised", "after_headers")
    assert server.get("/pid").json() == pid


def test_the_phase_tells_where_a_request_ended(server: Server) -> None:
    server.expect("raised (before|after) the head|application raised")
    with server.watch() as watch:
        assert server.get("/").status == 200
        assert server.get("/raising/before").status == 500
        with server.connect() as client:
            client.request("/raising/before", "POST", body=b"a body")
        with server.connect() as client:
            client.send(request_bytes("/raising/after"))
            assert client.read_head().status == 200
            assert client.read_chunk() == b"torn"
            client.expect_end()
    phases = [value(record, "logserve.phase") for record in watch.exactly(4)]
    assert phases == ["sending", "application", "application", "sending"]


def test_a_torn_answer_without_a_length_is_reset(server: Server) -> None:
    server.expect("raised after the head|application raised")
    with server.connect() as client:
        client.send(b"GET /raising/after HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.read_rest()


def test_a_file_that_becomes_shorter_while_it_is_sent(server: Server) -> None:
    server.expect("became shorter")
    size = 24 * BLOCK
    path = server.directory / SHRINKS
    with server.watch() as watch, server.connect(receive_buffer=65536) as client:
        with path.open("wb") as file:
            file.truncate(size)
        client.send(request_bytes("/file"))
        assert client.read_head().status == 200
        client.read_exactly(BLOCK)
        os.truncate(path, 0)
        assert len(client.read_rest()) < size - BLOCK
        (record,) = watch.exactly(1)
    assert outcome(record) == ("app_short", "file_shrank")
    assert 0 < value(record, "http.response.body.bytes") < size
    (said,) = server.error.wait(lambda each: value(each, "event.reason") == "file_shrank")
    assert value(said, "log.level").upper() == "ERROR"


def test_huge_fields_of_the_applications_are_left_out(server: Server) -> None:
    """What would not fit the ring goes without them, and says so; what fits keeps their beginnings."""
    with server.watch() as watch:
        assert server.get("/add/3").body == b"added"
        assert server.get("/add/80").body == b"added"
        kept, cut = watch.exactly(2)
    assert "v" * 1000 in kept["k2"]
    assert value(kept, "logserve.truncated") == ["k0", "k1", "k2"]
    assert value(cut, "url.path") == "/add/80"
    assert value(cut, "http.response.status_code") == 200
    assert value(cut, "logserve.truncated") == ["added fields"]
    assert "v" * 100 not in str(cut)


def test_each_request_has_its_line_in_each_access_log(server: Server) -> None:
    """Last of those that share the server: what went wrong before is in all three."""
    server.fence()
    count = len(server.access.records())
    for name in ("second.json", "atom.txt"):
        wait_for(partial(has_lines, server.directory / name, count), what=name)
        assert not has_lines(server.directory / name, count + 1)


def has_lines(path: Path, count: int) -> bool:
    """Whether the file has so many at least."""
    return path.read_bytes().count(b"\n") >= count


# -- the end


def test_a_memory_handler_of_the_applications_is_flushed_at_the_end(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(APP, *worker_options)
    server.leaves.add(BUFFERED)
    path = server.directory / BUFFERED
    for number in range(3):
        assert server.get(f"/buffer/{number}").status == 200
    assert not path.exists() or not path.read_text()
    assert server.stop() == 0
    assert path.read_text().splitlines() == [f"kept until the end: {number}" for number in range(3)]


def test_requests_that_were_read_ahead_have_records_when_the_worker_is_killed(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect("worker|SIGKILL")
    before = server.wait_workers(1)
    paths = ["/gate/killed", *(f"/ahead/{number}" for number in range(20)), "/partly"]
    with server.connect() as client:
        client.send(b"".join(request_bytes(path) for path in paths)[:-4])
        gate.wait("killed")
        os.kill(before[0], signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            client.expect_end()
    server.wait_workers(1, but=before)
    server.get("/after")
    server.access.wait(lambda each: value(each, "url.path") == "/after")
    server.stop()
    records = server.access.where(lambda each: value(each, "process.pid") == before[0])
    assert {value(record, "logserve.outcome") for record in records} == {"worker_killed"}
    numbers = sorted(value(record, "logserve.request_in_connection") for record in records)
    assert numbers == list(range(1, len(paths) + 1))
    told = {value(record, "url.path") for record in records}
    assert told >= set(paths[:-1])
    assert {value(record, "client.ip") for record in records} == {"127.0.0.1"}, "the one without a head, too"


def test_no_byte_is_read_of_a_request_that_gets_no_record(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    """More requests in one piece than a worker has entries for; it is killed in the first."""
    server = start_server(APP, *worker_options, environment=gate.environment)
    server.expect("worker|SIGKILL")
    (victim,) = server.wait_workers(1)
    first, other = request_bytes("/gate/many"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    data = first + other * 2000
    with server.connect() as client:
        client.send(data)
        gate.wait("many")
        read = len(data) - unread_bytes(client.socket.getpeername()[1], client.socket.getsockname()[1])
        os.kill(victim, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            client.expect_end()
    server.wait_workers(1, but=[victim])
    begun = 1 + math.ceil((read - len(first)) / len(other))
    assert 10 < begun < 300
    killed = server.access.wait(lambda each: value(each, "process.pid") == victim, begun)
    server.stop()
    assert len(killed) == begun


def test_a_unix_sockets_path_is_the_servers_address(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server(APP, *worker_options, "--bind", "unix:here.sock")
    with Client(server.address) as client:
        assert client.request("/").status == 200
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/")
    assert value(record, "server.address") in ("here.sock", str(server.directory / "here.sock"))
    assert value(record, "server.port") is None
