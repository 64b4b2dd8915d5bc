"""What comes by pipe and by socket outlives the collector that took it: killed at any line, at any moment."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from logserve.collector import capture as capture_module
from logserve.collector import intake as intake_module
from logserve.collector.backlog import Pool
from logserve.collector.capture import CapturedPipe
from logserve.collector.intake import Intake, make_ring
from logserve.collector.pipeline import Pipeline
from logserve.collector.recordsink import RecordSink
from logserve.collector.report import Reporter
from logserve.logs import emitters as emitters_module
from logserve.logs.emitters import ChildEmitter
from logserve.logs.record import decode_record
from logserve.shm import captured as captured_module
from logserve.shm import layout as at
from logserve.shm import ring as ring_module
from logserve.shm.backlog import Backlogs
from logserve.shm.captured import LONGEST_LINE, READ_SIZE, Captured, make_captured_memory
from logserve.shm.intent import Intents
from logserve.shm.ring import frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup
from tests.collector.harness import Arbiter, arbiter, fork, wait_until
from tests.collector.lines import join, line, read_lines
from tests.collector.plugins import Appending
from tests.collector.test_faults import FILE, configuration, reading
from tests.support.kill_at import KillAt

SINK = 3
TRACED = {
    module.__file__
    for module in (captured_module, capture_module, intake_module, ring_module, emitters_module)
}


class Memory:
    """What outlives a collector, a pipe and the children's socket among it."""

    def __init__(self) -> None:
        self.intents = Intents.create()
        self.backlogs = Backlogs.create()
        self.wakeup = Wakeup()
        self.ring = make_ring(b"b" * 12, 1 << 18)
        self.captured = make_captured_memory()
        self.reader, self.writer = os.pipe()
        self.from_children, self.for_children = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def take(self, kill: KillAt | None) -> None:
        """Be a collector that takes what has come, in a process of its own."""
        reporter = Reporter(self.intents, console=-1)
        pipeline = Pipeline(self.intents, reporter, Pool(self.backlogs, self.wakeup))
        sink = RecordSink(SINK, "file", Appending(os.devnull), self.intents, reporter)
        pipeline.add_sink(SINK, sink)
        reporter.direct((sink,), 0)
        intake = Intake(Segment(os.dup(self.ring.fd)), self.wakeup, pipeline, reporter)
        sys.settrace(kill)
        pipe = CapturedPipe(self.reader, Captured(self.captured, 0), "stdout", 20, 1, intake.put_record)
        while pipe.read() > 0:
            pass
        pipe.flush(float("inf"))
        intake.receive(self.from_children)
        sys.settrace(None)

    def texts(self) -> list[str]:
        """What stands in the ring."""
        return [
            str(decode_record(payload).msg) if kind == at.Kind.RECORD else bytes(payload).decode()
            for _, kind, payload, _ in frames(self.ring, 0, self.ring.words[at.W_HEAD])
        ]

    def close(self) -> None:
        self.ring.close()
        self.intents.close()
        self.backlogs.close()
        self.wakeup.close()
        for end in (self.from_children, self.for_children):
            end.close()
        for fd in (self.captured, self.reader, self.writer):
            os.close(fd)


def test_a_kill_at_any_line_of_taking_loses_nothing(tmp_path: Path) -> None:
    """At most the one line, or datagram, that was under way is there twice."""
    output = ["one", "two", "rest without an end"]
    sent = ["first", "second", "x" * 70_000]
    lines, killed_at, doubled = 1, 0, 0
    while killed_at <= lines:  # the first time it is not killed, and counts the lines
        memory = Memory()
        os.write(memory.writer, "\n".join(output).encode())
        emitter = ChildEmitter(memory.for_children, 1.0)
        assert all(emitter.emit(SINK, at.Kind.LINE, text.encode()) for text in sent)
        counted, count = os.pipe()

        def child(at_line: int = killed_at, memory: Memory = memory, count: int = count) -> None:
            kill = KillAt(at_line, TRACED)
            memory.take(kill)
            os.write(count, str(kill.seen).encode())

        pid = fork(child)
        os.close(count)
        os.waitpid(pid, 0)
        seen = int(os.read(counted, 100) or b"0")
        os.close(counted)
        lines = lines if killed_at else seen

        def successor(memory: Memory = memory) -> None:
            memory.take(None)

        assert os.waitpid(fork(successor), 0)[1] == 0
        found = memory.texts()
        assert list(dict.fromkeys(found)) == [*output, *sent], f"killed at line {killed_at} of {lines}"
        assert len(found) - len(set(found)) <= 1
        doubled += len(found) - len(set(found))
        memory.close()
        killed_at += 1
    assert lines > 100, "the trace no longer sees what takes output and datagrams"
    assert doubled * 4 < lines, "the moment in which a kill doubles a line is a short one"


def test_captured_memory_keeps_lines_of_any_length(tmp_path: Path) -> None:
    memory = make_captured_memory()
    area = Captured(memory, 1)
    reader, writer = os.pipe()
    wanted = [b"a" * length for length in (0, 5, READ_SIZE - 1, 3 * READ_SIZE, LONGEST_LINE, 0, 7)] * 3
    too_long = b"b" * (LONGEST_LINE + 3 * READ_SIZE + 17)
    data = b"".join(each + b"\n" for each in [*wanted, too_long, *wanted])

    def write() -> None:
        with open(writer, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    found = []
    while area.read(reader):
        while (taken := area.line()) is not None:
            found.append(taken[:2])
            area.take(taken[2])
    thread.join()
    os.close(reader)
    os.close(memory)
    assert len(area) == 0
    area.close()
    kept = [(each, 0) for each in wanted]
    assert found == [*kept, (b"b" * LONGEST_LINE, len(too_long) - LONGEST_LINE), *kept]


def test_output_and_childrens_records_over_kills_of_the_collector(tmp_path: Path) -> None:
    """Each is there; the records of children once by their numbers, or twice where a kill came between."""
    app, error = tmp_path / "app.log", tmp_path / "error.log"
    with arbiter() as server:
        server.start()
        config = configuration({"error": {"class": FILE, "filename": str(error)}}, ["error"])
        config["formatters"] = {"plain": {"format": "%(message)s"}}
        config["handlers"]["error"]["formatter"] = "plain"
        assert server.configure(1, config, {"error": 1})["op"] == "configured"
        server.adopt(2, FILE, app)
        out, err = os.pipe(), os.pipe()
        server.pipes(0, 1, out[0], err[0])
        count = 3000
        pids = [_printing(out[1], 0, count), _printing(err[1], 1, count), _sending(server, 2, count)]
        for fd in (out[1], err[1]):
            os.close(fd)
        dice = random.Random(3)
        kills = 0
        while not _ended(pids):
            time.sleep(dice.uniform(0.02, 0.2))  # the moment of the kill
            server.kill()
            server.start()
            kills += 1
        join(pids)
        assert server.stop() == 0
        assert kills > 3
    for path, slots in ((error, (0, 1)), (app, (2,))):
        found = read_lines([path])
        assert sorted(found) == list(slots)
        for slot in slots:
            assert list(dict.fromkeys(found[slot])) == list(range(count)), f"{slot}: lost, or out of order"
            assert sum((Counter(found[slot]) - Counter(set(found[slot]))).values()) <= kills


def _printing(fd: int, slot: int, count: int) -> int:
    def write() -> None:
        for number in range(count):
            os.write(fd, line(slot, number))
            if not number % 20:
                time.sleep(0.005)

    return fork(write)


def _sending(server: Arbiter, slot: int, count: int) -> int:
    def send() -> None:
        emitter = ChildEmitter(server.for_children, 30.0)
        for number in range(count):
            assert emitter.emit(2, at.Kind.LINE, line(slot, number))
            if not number % 20:
                time.sleep(0.005)

    return fork(send)


def _ended(pids: list[int]) -> bool:
    """Whether all have ended; they are not reaped."""
    return all(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None for pid in pids)


def test_a_stalled_handler_makes_output_wait_in_its_pipe_and_then_goes_on(tmp_path: Path) -> None:
    """More than the ring and the place for what was put aside hold: the rest is lost, counted, and said."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with arbiter() as server:
        server.start()
        assert (
            server.configure(
                1, configuration({"error": {"class": FILE, "filename": str(fifo)}}, ["error"]), {"error": 1}
            )["op"]
            == "configured"
        )
        out, err = os.pipe(), os.pipe()
        server.pipes(0, 1, out[0], err[0])
        os.close(err[1])
        with open(out[1], "wb") as stdout:
            for number in range(20_000):  # about 6 MB of records: three rings
                stdout.write(b"%d\n" % number)
        server.kill()
        server.start()
        with reading(fifo, tmp_path / "read") as copy:
            wait_until(lambda: copy.read_bytes().endswith(b"INFO 19999\n"), "the last line")
            assert server.stop() == 0
    found = [int(text.split()[1]) for text in copy.read_text().splitlines()]
    assert list(dict.fromkeys(found)) == list(range(20_000))


@pytest.mark.parametrize("signalled", [False, True])
def test_a_rest_that_a_dead_worker_left_is_a_record_before_its_ring_is_let_go(
    tmp_path: Path, signalled: bool
) -> None:
    error = tmp_path / "error.log"
    with arbiter() as server:
        server.start()
        config = configuration({"error": {"class": FILE, "filename": str(error)}}, ["error"])
        assert server.configure(1, config, {"error": 1})["op"] == "configured"
        segment = server.segment(0)
        out, err = os.pipe(), os.pipe()
        server.pipes(0, 1, out[0], err[0])
        os.write(out[1], b"whole\nrest")
        os.write(err[1], b"failed")
        if signalled:
            server.kill()
            server.start()
        server.died(segment, kind="exit", exit=1)
        server.hear("drained", slot=0, incarnation=1)
        server.kill()  # it may be killed now: everything stands in its ring
        server.forget(segment)
        server.start()
        assert server.stop() == 0
        for fd in (out[1], err[1]):
            os.close(fd)
    assert sorted(error.read_text().splitlines()) == ["INFO rest", "INFO whole", "WARNING failed"]
