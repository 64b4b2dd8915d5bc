"""Which handlers there are: configurations side by side, children of workers, captured output."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logserve.insight.entry import Identity
from logserve.logs.emitters import ChildEmitter
from logserve.shm.layout import Kind
from tests.collector.harness import Arbiter, arbiter, settled, wait_until
from tests.collector.lines import emit_lines, line, read_lines
from tests.collector.test_faults import configuration, reading, record
from tests.support.processes import descriptors, process

FILE = "logging.FileHandler"
SIZED = "logging.handlers.RotatingFileHandler"


@pytest.fixture
def server() -> Iterator[Arbiter]:
    with arbiter() as made:
        made.start()
        yield made


def configured(server: Arbiter, generation: int, handlers: dict[str, Any], sinks: dict[str, int]) -> None:
    answer = server.configure(generation, configuration(handlers, list(handlers)), sinks)
    assert answer["op"] == "configured", answer


def test_a_file_of_two_configurations_is_one_open_file_and_the_newer_definition_takes_over(
    server: Arbiter, tmp_path: Path
) -> None:
    path = tmp_path / "app.log"
    segment = server.segment(0, capacity=1 << 18)
    producer = server.producer(segment)
    configured(server, 1, {"app": {"class": FILE, "filename": str(path)}}, {"app": 1})
    server.send({"op": "commit", "generation": 1})
    newer = {"class": SIZED, "filename": str(path), "maxBytes": 5000, "backupCount": 90}
    configured(server, 2, {"app": newer}, {"app": 2})
    emit_lines(producer, 1, range(100))
    emit_lines(producer, 2, range(100, 200))
    wait_until(lambda: settled(segment), "lines of both")
    assert read_lines([path]) == {0: list(range(200))}, "the old definition still holds: no rotation"
    server.send({"op": "commit", "generation": 2})
    emit_lines(producer, 1, range(200, 300))
    emit_lines(producer, 2, range(300, 400))
    wait_until(lambda: settled(segment), "lines under the newer definition")
    server.send({"op": "retire", "generation": 1, "sinks": [1]})
    emit_lines(producer, 2, range(400, 500))
    assert server.stop() == 0
    rotated = sorted(tmp_path.glob("app.log.*"), key=lambda name: -int(name.suffix[1:]))
    assert len(rotated) > 3
    assert read_lines([*rotated, path]) == {0: list(range(500))}


def test_a_retired_configuration_closes_its_files_and_its_number_serves_another(
    server: Arbiter, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    segment = server.segment(0)
    producer = server.producer(segment)
    configured(server, 1, {"app": {"class": FILE, "filename": str(old)}}, {"app": 1})
    emit_lines(producer, 1, [0])
    wait_until(lambda: settled(segment), "the old one's line")

    def is_open(path: Path) -> bool:
        return str(path) in descriptors(server.pid).values()

    assert is_open(old)
    server.send({"op": "retire", "generation": 1, "sinks": [1]})
    wait_until(lambda: not is_open(old), "the old file's close")
    configured(server, 2, {"app": {"class": FILE, "filename": str(new)}}, {"app": 1})
    emit_lines(producer, 1, [1])
    assert server.stop() == 0
    assert read_lines([old]) == {0: [0]}
    assert read_lines([new]) == {0: [1]}


def test_a_configuration_that_cannot_be_opened_changes_nothing(server: Arbiter, tmp_path: Path) -> None:
    configured(server, 1, {"app": {"class": FILE, "filename": str(tmp_path / "app.log")}}, {"app": 1})
    handlers = {
        "fine": {"class": FILE, "filename": str(tmp_path / "fine.log")},
        "wrong": {"class": FILE, "filename": str(tmp_path / "none" / "wrong.log")},
    }
    answer = server.configure(2, configuration(handlers, ["fine"]), {"fine": 2, "wrong": 3})
    assert answer["op"] == "refused"
    assert "none/wrong.log" in answer["error"]
    emit_lines(server.producer(server.segment(0)), 1, range(10))
    assert server.stop() == 0
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(10))}


def test_a_record_frame_for_a_line_handler_is_formatted_here(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    configured(server, 1, {"app": {"class": FILE, "filename": str(path)}}, {"app": 1})
    producer = server.producer(server.segment(0))
    assert producer.emit(1, Kind.RECORD, record("of the arbiter"))
    assert producer.emit(1, Kind.LINE, b"of a worker\n")
    assert producer.emit(1, Kind.RECORD, record("again"))
    assert server.stop() == 0
    assert path.read_text() == "INFO of the arbiter\nof a worker\nINFO again\n"


def test_children_of_workers_send_by_datagram(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    configured(server, 1, {"app": {"class": FILE, "filename": str(path)}}, {"app": 1})
    emitter = ChildEmitter(server.for_children, 5.0)
    for number in range(50):
        assert emitter.emit(1, Kind.LINE, line(9, number))
    big = b"y" * 300_000 + b"\n"
    assert emitter.emit(1, Kind.LINE, big)
    wait_until(lambda: path.stat().st_size > len(big), "the big one")
    assert server.stop() == 0
    data = path.read_bytes()
    assert data.endswith(big)
    path.write_bytes(data[: -len(big)])
    assert read_lines([path]) == {9: list(range(50))}


def test_what_a_child_could_not_send_is_said_in_the_log(server: Arbiter, tmp_path: Path) -> None:
    """The collector stands still: the socket is full, the rest is counted, and the count comes with the next line."""
    path = tmp_path / "app.log"
    configured(server, 1, {"app": {"class": FILE, "filename": str(path)}}, {"app": 1})
    emitter = ChildEmitter(server.for_children, 0.0)
    os.kill(server.pid, signal.SIGSTOP)
    wait_until(
        lambda: (stopped := process(server.pid)) is not None and stopped.state == "T", "the collector's stop"
    )
    number, lost = 0, 0
    while lost < 3:
        lost += not emitter.emit(1, Kind.LINE, line(9, number))
        number += 1
    os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: emitter.emit(1, Kind.LINE, line(8, 0)), "room in the socket")
    lost = emitter.dropped
    wait_until(lambda: path.read_text().count("lost ") == 1, "the report")
    assert server.stop() == 0
    *kept, said, last = path.read_bytes().splitlines(keepends=True)
    assert kept == [line(9, number) for number in range(len(kept))]
    assert last == line(8, 0)
    reason = "they could not be sent to the collector in time"
    who = f"of a worker's child (pid {os.getpid()}) for handler 'app'"
    assert said.decode() == f"WARNING lost {lost} records {who}: {reason}\n"
    assert len(kept) + lost >= number


def test_a_childs_records_outlive_the_collector_that_took_them(server: Arbiter, tmp_path: Path) -> None:
    """Nobody has read the FIFO when the collector is killed: they stand in the ring that the arbiter holds."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server.adopt(1, FILE, fifo)
    emitter = ChildEmitter(server.for_children, 5.0)
    sent = [line(9, number) for number in range(30)]
    for each in sent:
        assert emitter.emit(1, Kind.LINE, each)
    wait_until(lambda: is_empty(server.from_children), "all datagrams")
    server.kill()
    server.start()
    with reading(fifo, tmp_path / "read") as copy:
        assert server.stop() == 0
    assert copy.read_bytes() == b"".join(sent)


def is_empty(channel: socket.socket) -> bool:
    """Whether no datagram waits in a socket."""
    return not select.select([channel], [], [], 0)[0]


def test_captured_output_becomes_records(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    configured(server, 1, {"error": {"class": FILE, "filename": str(path)}}, {"error": 1})
    out, err = os.pipe(), os.pipe()
    server.send({"op": "pipes", "slot": 0, "incarnation": 1, "pid": os.getpid()}, [out[0], err[0]])
    os.write(out[1], b"one\ntwo\nthr")
    os.write(out[1], b"ee\nrest")
    wait_until(lambda: path.exists() and "rest" in path.read_text(), "a rest that waits no longer")
    os.write(err[1], b"bad \xff bytes\nlast")
    for descriptor in (*out, *err):
        os.close(descriptor)
    assert server.stop() == 0
    assert path.read_text().splitlines() == [
        "INFO one", "INFO two", "INFO three", "INFO rest", "WARNING bad \\xff bytes", "WARNING last",
    ]  # fmt: skip


def test_captured_output_is_the_workers_and_has_a_number_of_its_own(server: Arbiter, tmp_path: Path) -> None:
    """No thread, no place in a source file: neither is the collector's to tell."""
    path = tmp_path / "error.log"
    config = configuration({"error": {"class": FILE, "filename": str(path), "formatter": "ecs"}}, ["error"])
    config["formatters"]["ecs"] = {"()": "logserve.ECSFormatter"}
    assert server.configure(1, config, {"error": 1})["op"] == "configured"
    capture(server, 4711, b"one\ntwo\n")
    assert server.stop() == 0
    found = [json.loads(text) for text in path.read_text().splitlines()]
    assert [each["message"] for each in found] == ["one", "two"]
    ids = [each["event"]["id"].rpartition("-") for each in found]
    assert Identity.parse(ids[0][0]) is not None
    assert [origin for origin, _, _ in ids] == 2 * [ids[0][0]]
    assert [number for _, _, number in ids] == ["r1", "r2"]
    for each in found:
        assert each["process"] == {"pid": 4711}
        assert "origin" not in each["log"]


def test_a_format_with_a_thread_and_a_line_number_takes_captured_output(
    server: Arbiter, tmp_path: Path
) -> None:
    path = tmp_path / "error.log"
    config = configuration({"error": {"class": FILE, "filename": str(path), "formatter": "all"}}, ["error"])
    config["formatters"]["all"] = {"format": "%(process)d [%(thread)d] %(threadName)s:%(lineno)d %(message)s"}
    assert server.configure(1, config, {"error": 1})["op"] == "configured"
    capture(server, 4711, b"one\n")
    assert server.stop() == 0
    assert path.read_text() == "4711 [0] :0 one\n"


def test_a_long_line_of_output_is_one_record_and_says_what_is_left_out(
    server: Arbiter, tmp_path: Path
) -> None:
    path = tmp_path / "error.log"
    configured(server, 1, {"error": {"class": FILE, "filename": str(path)}}, {"error": 1})
    capture(server, 4711, b"a" * 200_000 + b"!\n" + b"b" * ((1 << 20) + 1234) + b"\nlast\n")
    assert server.stop() == 0
    assert path.read_text().splitlines() == [
        "INFO " + "a" * 200_000 + "!",
        "INFO " + "b" * (1 << 20) + " [cut, 1,234 more bytes]",
        "INFO last",
    ]


def capture(server: Arbiter, pid: int, output: bytes) -> None:
    """Have the collector capture this output of a worker."""
    out, err = os.pipe(), os.pipe()
    server.send({"op": "pipes", "slot": 0, "incarnation": 1, "pid": pid}, [out[0], err[0]])
    with open(out[1], "wb") as stdout:
        stdout.write(output)
    for descriptor in (out[0], *err):
        os.close(descriptor)


def test_a_handler_of_the_standard_library_that_needs_records(server: Arbiter, tmp_path: Path) -> None:
    """A SysLogHandler to a unix datagram socket."""
    address = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(10)
        configured(
            server,
            1,
            {"syslog": {"class": "logging.handlers.SysLogHandler", "address": address}},
            {"syslog": 1},
        )
        producer = server.producer(server.segment(0))
        for number in range(5):
            assert producer.emit(1, Kind.RECORD, record(f"message {number}"))
        received = [listener.recv(1000) for _ in range(5)]
        assert server.stop() == 0
    assert received == [f"<14>INFO message {number}\0".encode() for number in range(5)]
