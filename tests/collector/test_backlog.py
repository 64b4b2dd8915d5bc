"""What a sink that lags has put aside: killed at any line, at any moment, it is all there for the next collector."""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logserve.collector import backlog as backlog_module
from logserve.collector import sink as sink_module
from logserve.collector.backlog import Pool
from logserve.collector.batch import RingReader
from logserve.collector.handlers import from_spec
from logserve.collector.linesink import LineSink
from logserve.collector.pipeline import Pipeline
from logserve.collector.recordsink import RecordSink
from logserve.collector.report import Reporter
from logserve.collector.sink import Sink
from logserve.shm import backlog as memory_module
from logserve.shm import layout as at
from logserve.shm import ring as ring_module
from logserve.shm.backlog import Backlogs
from logserve.shm.intent import Intents
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup
from tests.collector.harness import Arbiter, arbiter, fork, settled, wait_until
from tests.collector.lines import emit_lines, fork_producer, join, line, read_lines
from tests.collector.plugins import Appending
from tests.collector.test_faults import FILE, all_taken, configuration, reading
from tests.support.kill_at import KillAt

TRACED = {module.__file__ for module in (backlog_module, memory_module, ring_module, sink_module)}
SINK = 3


class Memory:
    """What outlives a collector, with a ring of four frames for one sink."""

    def __init__(self) -> None:
        self.intents = Intents.create()
        self.backlogs = Backlogs.create()
        self.wakeup = Wakeup()
        self.segment = Segment.create(capacity=1 << 14, entries=0, slot=0, incarnation=1, boot_id=b"b" * 12)
        self.producer = Producer(self.segment, self.wakeup, 0.0)

    def close(self) -> None:
        self.segment.close(close_fd=False)
        os.close(self.segment.fd)
        self.intents.close()
        self.backlogs.close()
        self.wakeup.close()

    def reporter(self) -> Reporter:
        return Reporter(self.intents, console=-1)


class Hanging(logging.Handler):
    """Takes a record and never comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.busy.set()
        time.sleep(1000)


Made = tuple[Sink, threading.Event]


def hanging_handler(memory: Memory, path: Path) -> Made:
    handler = Hanging()
    return RecordSink(SINK, "hanging", handler, memory.intents, memory.reporter()), handler.busy


def hanging_disk(written: int) -> Callable[[Memory, Path], Made]:
    """A file system that hangs in write(2), when so many bytes are in the file."""

    def make(memory: Memory, path: Path) -> Made:
        sink, busy = line_sink(memory, path), threading.Event()

        def write(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
            os.write(descriptor, data[:written])
            busy.set()
            time.sleep(1000)
            return 0, None

        vars(sink.target)["write"] = write
        return sink, busy

    return make


def line_sink(memory: Memory, path: Path) -> LineSink:
    handler = from_spec({"class": FILE, "filename": str(path)}, opened_before=True)
    return LineSink(SINK, "file", handler, memory.intents, memory.reporter())


def record_sink(memory: Memory, path: Path) -> RecordSink:
    return RecordSink(SINK, "file", Appending(str(path)), memory.intents, memory.reporter())


def pipeline_of(memory: Memory, sink: Sink) -> tuple[Pipeline, Pool, RingReader]:
    pool = Pool(memory.backlogs, memory.wakeup)
    pipeline = Pipeline(memory.intents, memory.reporter(), pool)
    pipeline.add_sink(SINK, sink)
    reader = pipeline.add_segment(Segment(os.dup(memory.segment.fd)), os.getpid())
    return pipeline, pool, reader


def put_aside_and_die(memory: Memory, path: Path, make: Callable[[Memory, Path], Made], at_line: int) -> int:
    """In a process of its own, two rounds of frames are put aside; how many lines that took, 0: it was killed."""
    reading_end, writing_end = os.pipe()

    def child() -> None:
        sink, busy = make(memory, path)
        pipeline, pool, reader = pipeline_of(memory, sink)
        kill = KillAt(at_line, TRACED)
        for start in (0, 2):
            emit_lines(memory.producer, SINK, range(start, start + 2))
            pipeline.drain()
            assert busy.wait(10)
            sys.settrace(kill)
            sink.put_aside(reader, pool)
            sys.settrace(None)
        os.write(writing_end, str(kill.seen).encode())

    pid = fork(child)
    os.close(writing_end)
    os.waitpid(pid, 0)
    seen = int(os.read(reading_end, 100) or b"0")
    os.close(reading_end)
    return seen


def take_the_rest(memory: Memory, path: Path, make: Callable[[Memory, Path], Sink]) -> None:
    """A successor, in a process of its own, writes everything."""

    def child() -> None:
        pipeline, pool, reader = pipeline_of(memory, make(memory, path))
        while not (pipeline.idle() and reader.settled()):
            pipeline.drain()
            time.sleep(0.0005)
        pool.release_settled()
        assert not pool.readers(), "a region that is empty is free again"

    assert os.waitpid(fork(child), 0)[1] == 0


@pytest.mark.parametrize(
    ("make", "successor"),
    [
        pytest.param(hanging_handler, record_sink, id="a handler that hangs"),
        pytest.param(hanging_disk(5), line_sink, id="a file, half a line written"),
        pytest.param(hanging_disk(len(line(0, 0)) + 5), line_sink, id="a file, a line and a half written"),
        pytest.param(hanging_disk(1000), line_sink, id="a file, all written"),
    ],
)
def test_a_kill_at_any_line_of_putting_aside_loses_and_doubles_nothing(
    tmp_path: Path, make: Callable[[Memory, Path], Made], successor: Callable[[Memory, Path], Sink]
) -> None:
    lines, killed_at = 1, 0
    while killed_at <= lines:  # the first time it is not killed, and counts the lines
        memory, path = Memory(), tmp_path / f"{killed_at}.log"
        path.touch()
        seen = put_aside_and_die(memory, path, make, killed_at)
        lines = lines if killed_at else seen
        ring = frames(memory.segment, 0, memory.segment.words[at.W_HEAD])
        emitted = [int(bytes(payload).split()[1]) for _, _, payload, _ in ring]
        take_the_rest(memory, path, successor)
        assert read_lines([path]) == {0: emitted}, f"killed at line {killed_at} of {lines}"
        memory.close()
        killed_at += 1
    assert lines > 100, "the trace no longer sees what puts frames aside"


# ------------------------------------------------------------------------------ whole collectors


def kill_now_and_then(server: Arbiter, dice: random.Random, kills: int) -> None:
    for _ in range(kills):
        time.sleep(
            dice.uniform(0.1, 0.6)
        )  # the moment of the kill; a sink counts as stalled after a quarter second
        server.kill()
        server.start()


def test_a_stalled_fifo_gets_everything_after_kills(tmp_path: Path) -> None:
    """Nobody reads while four collectors die; ten rings' worth waits in the backlog, in its order."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with arbiter() as server:
        server.start()
        server.adopt(1, FILE, fifo)
        server.adopt(2, FILE, tmp_path / "app.log")
        segments = [server.segment(slot) for slot in range(2)]
        pids = [fork_producer(segment, server.wakeup, 1, 2500, pace=0.005) for segment in segments]
        kill_now_and_then(server, random.Random(1), 4)
        join(pids)
        for segment in segments:
            emit_lines(server.producer(segment), 2, [0])
            wait_until(lambda: all_taken(segment, 2), "the file's line")  # noqa: B023 - it is awaited here
        server.kill()
        server.start()
        with reading(fifo, tmp_path / "read") as copy:
            assert server.stop() == 0
    assert read_lines([copy]) == {slot: list(range(2500)) for slot in range(2)}


def test_a_full_disk_and_kills_lose_double_and_tear_nothing(tmp_path: Path, small_disk: Path) -> None:
    """The disk fills and is freed while collectors die; a file on another disk is never held up."""
    path, ballast = small_disk / "app.log", small_disk / "ballast"
    dice = random.Random(2)
    with arbiter() as server:
        server.start()
        server.adopt(1, FILE, path)
        server.adopt(2, FILE, tmp_path / "other.log")
        segments = [server.segment(slot) for slot in range(2)]
        pids = [
            fork_producer(segment, server.wakeup, segment.slot + 1, 1400, pace=0.04) for segment in segments
        ]
        for _ in range(5):
            ballast.write_bytes(b"")
            wait_until(lambda: grow(ballast), "the disk to be full")
            kill_now_and_then(server, dice, 2)
            assert not path.exists() or read_lines([path]) is not None, "whole lines at any time"
            ballast.unlink()
            time.sleep(dice.uniform(0.0, 0.2))  # how far it gets
            server.kill()
            server.start()
        join(pids)
        wait_until(lambda: len(read_lines([path])[0]) == 1400, "the rest")
        assert server.stop() == 0
    assert read_lines([path]) == {0: list(range(1400))}
    assert read_lines([tmp_path / "other.log"]) == {1: list(range(1400))}


def grow(ballast: Path) -> bool:
    """Take the disk's last byte; True once there is none left."""
    try:
        with ballast.open("ab", buffering=0) as file:
            while file.write(b"x" * 4096) == 4096:
                pass
            while file.write(b"x"):
                pass
    except OSError:
        return True
    return False


def test_the_backlog_of_a_handler_that_is_not_configured_any_more_goes_to_nobody_else(tmp_path: Path) -> None:
    """Its number serves another handler now: a successor must not write there what was put aside."""
    console, fifo = tmp_path / "console", tmp_path / "fifo"
    os.mkfifo(fifo)
    with console.open("wb") as stderr, arbiter(stderr=stderr.fileno()) as server:
        server.start()
        old = {"fifo": {"class": FILE, "filename": str(fifo)}}
        assert server.configure(1, configuration(old, []), {"fifo": 1})["op"] == "configured"
        segment = server.segment(0)
        emit_lines(server.producer(segment), 1, range(300))
        wait_until(lambda: settled(segment), "the ring's release")
        server.died(segment, kind="exit", exit=0, signal=None)
        server.hear("drained")
        server.send({"op": "retire", "generation": 1, "sinks": [1]})
        server.segments.remove((segment, os.getpid()))
        del server.configured[0]
        new = {"file": {"class": FILE, "filename": str(tmp_path / "new.log")}}
        assert server.configure(2, configuration(new, []), {"file": 1})["op"] == "configured"
        server.kill()
        server.start()
        emit_lines(server.producer(server.segment(1)), 1, range(5))
        assert server.stop() == 0
    assert read_lines([tmp_path / "new.log"]) == {1: list(range(5))}
    assert "lost 300 records of a handler that is not configured any more" in console.read_text()


def test_a_backlog_that_is_written_gives_its_memory_back(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with arbiter() as server:
        server.start()
        server.adopt(1, FILE, fifo)
        segment = server.segment(0, capacity=1 << 18)
        emit_lines(server.producer(segment), 1, range(5000))
        wait_until(lambda: os.fstat(server.backlogs.fd).st_blocks * 512 > 500_000, "the backlog")
        with reading(fifo, tmp_path / "read") as copy:
            wait_until(lambda: os.fstat(server.backlogs.fd).st_blocks * 512 < 100_000, "the memory")
            assert server.stop() == 0
    assert read_lines([copy]) == {0: list(range(5000))}
