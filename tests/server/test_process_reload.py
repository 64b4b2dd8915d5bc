"""HUP: everything is read anew, nothing is interrupted, and what is wrong changes nothing."""

from __future__ import annotations

import signal

import pytest

from tests.conftest import StartServer
from tests.support.gate import Gate
from tests.support.journal import Record, value
from tests.support.load import Load, settle
from tests.support.server import JSON_LOGS, Server
from tests.support.wire import request_bytes

APP = "tests.apps.process_paths"


def reload_around(server: Server) -> None:
    """HUP to a server whose only worker is busy; on return the new one has booted, the old was told to stop."""
    before = len(server.error.where(says_booted))
    server.send(signal.SIGHUP)
    server.error.wait(says_booted, count=before + 1)
    server.send(signal.SIGUSR1)  # handled after whatever follows from the boot
    server.error.wait_message("reopened")


def says_booted(record: Record) -> bool:
    """Whether the arbiter says of a worker that it has booted."""
    return "booted" in str(record.get("message"))


@pytest.mark.parametrize(("kept", "whole_group"), [(True, False), (False, True)])
def test_no_request_fails_over_a_reload(
    start_server: StartServer, worker_options: list[str], kept: bool, whole_group: bool
) -> None:
    server = start_server(APP, *worker_options, "--workers", "2")
    workers = server.wait_workers(2)
    with Load(server, "hup", clients=3, kept=kept) as load:
        for _ in range(2):
            load.wait_more()
            (server.send_group if whole_group else server.send)(signal.SIGHUP)
            workers = server.wait_workers(2, but=workers)
        load.wait_more()
    book = load.stop()
    assert not book.failed
    assert not book.refused
    assert set(book.answered.values()) == {200}
    settle(book, server.access)


def test_a_request_that_was_begun_is_finished_by_the_old_worker(
    start_server: StartServer, worker_options: list[str], gate: Gate
) -> None:
    server = start_server(APP, *worker_options, environment=gate.environment)
    (old,) = server.wait_workers(1)
    with server.connect() as client:
        client.send(request_bytes("/gate/old"))
        gate.wait("old")
        reload_around(server)
        gate.open("old")
        # The new worker may serve a moment before the old one is told to stop, so the answer need not say so yet.
        assert client.read_answer().json() == old
        client.expect_end()
    (new,) = server.wait_workers(1, but=[old])
    assert server.get("/pid").json() == new


def test_a_kept_connection_gets_one_more_answer(start_server: StartServer, gate: Gate) -> None:
    """What is on its way when the worker is told to stop is answered, with ``Connection: close``."""
    server = start_server(APP, environment=gate.environment)
    (old,) = server.wait_workers(1)
    with server.connect() as kept, server.connect() as late, server.connect() as busy:
        assert not kept.request("/").closes
        assert not late.request("/").closes
        busy.send(request_bytes("/gate/busy"))
        gate.wait("busy")
        reload_around(server)
        kept.send(request_bytes("/pid"))
        gate.open("busy")
        answer = kept.read_answer()
        assert (answer.json(), answer.closes) == (old, True)
        kept.expect_end()
        assert busy.read_answer().status == 200
        answer = late.request("/pid")
        assert (answer.json(), answer.closes) == (old, True)


def test_the_application_is_read_anew(start_server: StartServer) -> None:
    server = start_server("tests.apps.moody")
    server.leaves.add("version")
    old = server.wait_workers(1)
    assert server.get("/").body == b"none %d" % old[0]
    (server.directory / "version").write_text("second")
    server.send(signal.SIGHUP)
    (new,) = server.wait_workers(1, but=old)
    assert server.get("/").body == b"second %d" % new


def test_an_application_that_fails_to_import_leaves_the_old_workers(
    start_server: StartServer, worker_options: list[str]
) -> None:
    server = start_server("tests.apps.moody", *worker_options, "--workers", "2")
    server.expect("broken|boot|reload|worker|Traceback")
    old = server.wait_workers(2)
    (server.directory / "broken").touch()
    server.send(signal.SIGHUP)
    server.error.wait(lambda record: "the module is broken now" in str(record))
    for _ in range(10):
        assert int(server.get("/").body.split()[1]) in old
    (server.directory / "broken").unlink()
    server.send(signal.SIGHUP)
    server.wait_workers(2, but=old)
    assert server.get("/").status == 200


def test_a_bad_logging_configuration_changes_nothing(start_server: StartServer) -> None:
    server = start_server(APP)
    server.expect("logging.yaml")
    old = server.wait_workers(1)
    (server.directory / "logging.yaml").write_text(JSON_LOGS.replace("level: INFO", "level: INFOO"))
    server.send(signal.SIGHUP)
    server.error.wait(lambda record: "INFOO" in str(record) and "INFO" in str(record))
    assert server.get("/pid").json() == old[0]
    assert server.workers() == old


def test_a_new_logging_configuration_takes_over(start_server: StartServer) -> None:
    server = start_server(APP)
    server.leaves.add("second.json")
    old = server.wait_workers(1)
    assert server.get("/before").status == 200
    (server.directory / "logging.yaml").write_text(JSON_LOGS.replace("access.json", "second.json"))
    server.send(signal.SIGHUP)
    server.wait_workers(1, but=old)
    assert server.get("/after").status == 200
    second = type(server.access)(server.directory / "second.json")
    second.wait(lambda record: value(record, "url.path") == "/after")
    assert [value(record, "url.path") for record in server.access.records()] == ["/before"]


def test_the_listener_stays_open(start_server: StartServer, worker_options: list[str]) -> None:
    """Connections made while nobody could accept are served by whoever comes."""
    server: Server = start_server(APP, *worker_options)
    address = server.address
    old = server.wait_workers(1)
    clients = []
    try:
        server.send(signal.SIGHUP)
        for _ in range(50):
            client = server.connect()
            clients.append(client)
            client.send(request_bytes("/pid"))
        assert {client.read_answer().status for client in clients} == {200}
    finally:
        for client in clients:
            client.close()
    server.wait_workers(1, but=old)
    assert server.address == address


def test_with_preload_the_application_stays(start_server: StartServer) -> None:
    server = start_server("tests.apps.moody", "--preload")
    server.leaves.add("version")
    old = server.wait_workers(1)
    (server.directory / "version").write_text("second")
    server.send(signal.SIGHUP)
    (new,) = server.wait_workers(1, but=old)
    assert server.get("/").body == b"none %d" % new
    server.error.wait(lambda record: "preload" in str(record.get("message")))
