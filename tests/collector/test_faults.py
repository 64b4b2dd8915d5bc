"""Sinks that stall, raise or have no space: the others go on, and the log says what became of the rest."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logserve.insight.entry import Identity
from logserve.logs.record import encode_record
from logserve.shm import layout as at
from logserve.shm.layout import Kind
from logserve.shm.segment import Segment
from tests.collector.harness import BOOT_ID, WAIT, Arbiter, arbiter, settled, wait_until
from tests.collector.lines import emit_lines, line, read_lines

FILE = "logging.FileHandler"
PLUGINS = "tests.collector.plugins"


@pytest.fixture
def server() -> Iterator[Arbiter]:
    with arbiter() as made:
        made.start()
        yield made


def all_taken(segment: Segment, sink: int) -> bool:
    """Whether a sink, whose frame is the ring's last, has taken everything."""
    return segment.words[at.W_CURSORS + sink] == segment.words[at.W_HEAD]


@contextmanager
def reading(fifo: Path, copy: Path) -> Iterator[Path]:
    """A process that reads a FIFO to its end."""
    with copy.open("wb") as file, subprocess.Popen(["cat", str(fifo)], stdout=file) as cat:
        yield copy
        assert cat.wait(10) == 0


def record(message: str) -> bytes:
    made = logging.makeLogRecord(
        {"name": "app", "levelno": logging.INFO, "levelname": "INFO", "msg": message}
    )
    return encode_record(made, None)


def configuration(handlers: dict[str, dict[str, Any]], error: list[str]) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
        "filters": {},
        "handlers": {name: {"formatter": "plain", **handler} for name, handler in handlers.items()},
        "loggers": {"logserve.error": {"level": "INFO", "handlers": error, "propagate": False}},
        "root": {"level": "INFO", "handlers": [name for name in handlers if name not in error]},
    }


def start_configured(server: Arbiter, config: dict[str, Any], sinks: dict[str, int]) -> None:
    answer = server.configure(1, config, sinks)
    assert answer["op"] == "configured", answer
    server.send({"op": "commit", "generation": 1})


def test_a_stalled_fifo_does_not_hold_up_a_file(server: Arbiter, tmp_path: Path) -> None:
    """Nobody reads the FIFO at first; the file gets ten rings' worth, then the FIFO what it could keep."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server.adopt(1, FILE, fifo)
    server.adopt(2, FILE, tmp_path / "app.log")
    segment = server.segment(0)
    producer = server.producer(segment, block_timeout=10.0)
    for number in range(4000):
        emit_lines(producer, 1, [number])
        emit_lines(producer, 2, [number])
    wait_until(lambda: all_taken(segment, 2), "the file's lines")
    with reading(fifo, tmp_path / "read") as copy:
        assert server.stop() == 0
    assert copy.read_bytes() == b"".join(line(0, number) for number in range(4000))
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(4000))}


def test_a_sink_that_stalls_for_long_loses_its_own_records_and_says_how_many(
    server: Arbiter, tmp_path: Path
) -> None:
    """More than its backlog holds: what is missing in the FIFO is what its last line says; the file has all."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server.adopt(1, FILE, fifo)
    server.adopt(2, FILE, tmp_path / "app.log")
    segment = server.segment(0, capacity=1 << 21)
    producer = server.producer(segment, block_timeout=10.0)
    count = 2500
    for number in range(count):
        assert producer.emit(1, Kind.LINE, b"%d %s\n" % (number, b"x" * 8000))
        emit_lines(producer, 2, [number])
    wait_until(lambda: all_taken(segment, 2), "the file's lines")
    with reading(fifo, tmp_path / "read") as copy:
        assert server.stop() == 0
    lines = copy.read_text().splitlines()
    kept = [int(text.split()[0]) for text in lines if text.endswith("x")]
    reports = [text for text in lines if text.startswith("lost ")]
    said = [int(text.split()[1].replace(",", "")) for text in reports]
    whose = f" of worker 0 (pid {os.getpid()}) for handler '{fifo}': it could not take them in time"
    assert all(text.endswith(whose) for text in reports)
    assert kept == sorted(set(kept))
    assert len(kept) < count
    assert len(kept) + sum(said) == count
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(count))}


def test_what_the_full_ring_dropped_is_reported_in_the_log_itself(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, FILE, tmp_path / "app.log")
    segment = server.segment(7)
    segment.words[at.W_DROPPED + 1] = 1234
    producer = server.producer(segment)
    emit_lines(producer, 1, [0])
    words = segment.words
    wait_until(lambda: words[at.W_REPORTED + 1] == 1234, "the report")
    words[at.W_DROPPED + 1] += 1
    emit_lines(producer, 1, [1])
    wait_until(lambda: words[at.W_REPORTED + 1] == 1235, "the second report")
    assert server.stop() == 0
    lines = [text for text in (tmp_path / "app.log").read_text().splitlines() if text.startswith("lost")]
    who = f"of worker 7 (pid {os.getpid()}) for handler '{tmp_path}/app.log': the ring was full"
    assert lines == [f"lost 1,234 records {who}", f"lost 1 record {who}"]


def test_a_record_that_no_ring_holds_is_not_blamed_on_a_full_one(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, FILE, tmp_path / "app.log")
    segment = server.segment(7)
    producer = server.producer(segment)
    assert not producer.emit(1, Kind.LINE, b"x" * 70_000)
    emit_lines(producer, 1, [0])
    wait_until(lambda: segment.words[at.W_REPORTED + 1] == 1, "the report")
    segment.words[at.W_DROPPED + 1] += 1
    emit_lines(producer, 1, [1])
    wait_until(lambda: segment.words[at.W_REPORTED + 1] == 2, "the second report")
    assert server.stop() == 0
    lines = [text for text in (tmp_path / "app.log").read_text().splitlines() if text.startswith("lost")]
    assert [text.rpartition("': ")[2] for text in lines] == [
        "too long for the ring", "the ring was full, or they were too long for it",
    ]  # fmt: skip


def test_a_loss_says_for_a_program_how_many_records_of_whom(server: Arbiter, tmp_path: Path) -> None:
    """What `logserve logs audit` explains holes with; the report has a number of its own."""
    handlers = {"app": {"class": FILE, "filename": str(tmp_path / "app.log"), "formatter": "ecs"}}
    config = configuration(handlers, ["app"])
    config["formatters"]["ecs"] = {"()": "logserve.ECSFormatter"}
    start_configured(server, config, {"app": 1})
    segment = server.segment(7, incarnation=12)
    segment.words[at.W_DROPPED + 1] = 5
    wait_until(lambda: segment.words[at.W_REPORTED + 1] == 5, "the report")
    assert server.stop() == 0
    (said,) = map(json.loads, (tmp_path / "app.log").read_text().splitlines())
    origin = f"{BOOT_ID.hex()}-7-c"
    assert said["logserve"]["lost"] == {"records": 5, "handler": "app", "origin": origin}
    assert Identity.parse(origin) == Identity(BOOT_ID.hex(), 7, 12)
    assert Identity.parse(said["event"]["id"].rpartition("-")[0]) is not None


def test_a_handler_that_blocks_holds_up_nobody(server: Arbiter, tmp_path: Path) -> None:
    release = tmp_path / "release"
    handlers = {
        "slow": {"class": f"{PLUGINS}.Blocking", "release": str(release), "path": str(tmp_path / "slow.log")},
        "file": {"class": FILE, "filename": str(tmp_path / "file.log")},
    }
    start_configured(server, configuration(handlers, ["file"]), {"slow": 1, "file": 2})
    segment = server.segment(0)
    producer = server.producer(segment, block_timeout=10.0)
    for number in range(3000):
        assert producer.emit(1, Kind.RECORD, record(f"message {number}"))
        emit_lines(producer, 2, [number])
    wait_until(lambda: all_taken(segment, 2), "the file's lines")
    assert read_lines([tmp_path / "file.log"]) == {0: list(range(3000))}
    assert not (tmp_path / "slow.log").exists()
    release.touch()
    assert server.stop() == 0
    messages = (tmp_path / "slow.log").read_text().splitlines()
    assert messages == [f"INFO message {number}" for number in range(3000)]


def test_a_stop_that_runs_out_of_time_says_what_was_not_written(tmp_path: Path) -> None:
    console = tmp_path / "console"
    with console.open("wb") as stderr, arbiter(stderr=stderr.fileno()) as server:
        server.start()
        handlers = {
            "slow": {
                "class": f"{PLUGINS}.Blocking",
                "release": str(tmp_path / "no"),
                "path": str(tmp_path / "x"),
            }
        }
        start_configured(server, configuration(handlers, []), {"slow": 1})
        producer = server.producer(server.segment(0))
        for number in range(25):
            assert producer.emit(1, Kind.RECORD, record(f"message {number}"))
        assert server.stop(timeout=0.5) == 0
    assert "25 records for handler 'slow' could not be written in time" in console.read_text()


def test_a_stop_says_what_was_dropped_and_never_reported(tmp_path: Path) -> None:
    """Nobody ever reads the FIFO: neither what waits for it nor what was given up can stand in there."""
    console, fifo = tmp_path / "console", tmp_path / "fifo"
    os.mkfifo(fifo)
    with console.open("wb") as stderr, arbiter(stderr=stderr.fileno()) as server:
        server.start()
        server.adopt(1, FILE, fifo)
        segment = server.segment(0, capacity=1 << 21)
        producer = server.producer(segment, block_timeout=10.0)
        count = 2000
        for number in range(count):
            assert producer.emit(1, Kind.LINE, b"%d %s\n" % (number, b"x" * 8000))
        segment.words[at.W_DROPPED + 1] = 5
        assert server.stop(timeout=1.0) == 0
    said = console.read_text()
    waiting = re.search(r"([\d,]+) records for handler '[^']+' could not be written in time", said)
    dropped = re.search(r"([\d,]+) records for handler '[^']+' were dropped before", said)
    assert waiting is not None, said
    assert dropped is not None, said
    numbers = [int(found[1].replace(",", "")) for found in (waiting, dropped)]
    assert numbers[1] > 5
    assert sum(numbers) == count + 5


def test_a_full_disk_holds_whole_lines_and_goes_on_by_itself(
    server: Arbiter, tmp_path: Path, small_disk: Path
) -> None:
    path = small_disk / "app.log"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 100_000)
    server.adopt(1, FILE, path)
    server.adopt(2, FILE, tmp_path / "other.log")
    segment = server.segment(0)
    producer = server.producer(segment, block_timeout=10.0)
    for number in range(1500):
        emit_lines(producer, 1, [number])
        emit_lines(producer, 2, [number])
    wait_until(lambda: all_taken(segment, 2), "the other file's lines")
    assert read_lines([tmp_path / "other.log"]) == {0: list(range(1500))}
    cut = read_lines([path])[0]
    assert cut == list(range(len(cut)))
    assert len(cut) < 1500
    ballast.unlink()
    wait_until(lambda: len(read_lines([path])[0]) == 1500, "the rest, once there is room")
    assert server.stop() == 0
    assert read_lines([path]) == {0: list(range(1500))}


def test_a_file_size_limit_cuts_no_line(tmp_path: Path) -> None:
    """The same by RLIMIT_FSIZE: write(2) is cut at any byte, and what was cut goes again (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with arbiter() as server:
        segment = server.segment(0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_001, hard))
        try:
            server.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        server.adopt(1, FILE, tmp_path / "app.log")
        emit_lines(server.producer(segment), 1, range(350))
        wait_until(lambda: segment.words[at.W_TAIL] > 0, "the first lines")
        wait_until(lambda: (tmp_path / "app.log").stat().st_size > 49_700, "the limit")
        time.sleep(0.2)  # more attempts; what they must not leave is looked for below
        before = read_lines([tmp_path / "app.log"])[0]
        assert before == list(range(len(before)))
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))
        wait_until(lambda: settled(segment), "the rest")
        assert server.stop() == 0
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(350))}
    assert len(before) < 350


def test_records_of_a_handler_at_least_once_over_kills(tmp_path: Path) -> None:
    """A third party's handler: nothing is lost, and what is doubled is what it was working on."""
    with arbiter() as server:
        server.start()
        handlers = {"own": {"class": f"{PLUGINS}.Appending", "path": str(tmp_path / "own.log")}}
        start_configured(server, configuration(handlers, []), {"own": 1})
        segment = server.segment(0)
        producer = server.producer(segment)
        for number in range(3000):
            assert producer.emit(1, Kind.RECORD, record(f"{number}"))
            if number % 300 == 299:
                server.kill()
                server.start()
        wait_until(lambda: settled(segment), "the last record")
        assert server.stop() == 0
    found = [int(text) for text in (tmp_path / "own.log").read_text().splitlines()]
    assert sorted(set(found)) == list(range(3000))
    assert len(found) - 3000 <= 10


def test_frames_of_a_number_that_nobody_defines_hold_the_ring_only_for_a_while(tmp_path: Path) -> None:
    console = tmp_path / "console"
    with console.open("wb") as stderr, arbiter(stderr=stderr.fileno()) as server:
        server.start()
        server.adopt(1, FILE, tmp_path / "app.log")
        segment = server.segment(0)
        producer = server.producer(segment)
        emit_lines(producer, 9, range(3))
        emit_lines(producer, 1, range(3))
        wait_until(lambda: settled(segment), "the ring's release")
        assert server.stop() == 0
    assert read_lines([tmp_path / "app.log"]) == {0: [0, 1, 2]}
    assert "records for handler number 9 are lost" in console.read_text()


def test_a_console_gets_lines_and_a_broken_one_is_given_up(tmp_path: Path) -> None:
    """A StreamHandler on stderr, a pipe: whole lines; once its reader is gone the rest is counted, nobody waits."""
    reading_end, writing_end = os.pipe()
    with arbiter(stderr=writing_end, closes=(reading_end,)) as server:
        server.start()
        os.close(writing_end)
        handlers: dict[str, dict[str, Any]] = {
            "console": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"},
            "file": {"class": FILE, "filename": str(tmp_path / "file.log")},
        }
        start_configured(server, configuration(handlers, ["file"]), {"console": 1, "file": 2})
        segment = server.segment(0)
        producer = server.producer(segment)
        emit_lines(producer, 1, range(100))
        expected = b"".join(line(0, number) for number in range(100))
        data = b""
        while len(data) < len(expected):
            assert select.select([reading_end], [], [], WAIT)[0], f"only {len(data)} bytes came"
            data += os.read(reading_end, 65536)
        assert data == expected
        os.close(reading_end)
        emit_lines(producer, 1, range(100, 200))
        wait_until(lambda: settled(segment), "the ring's release")
        assert server.stop() == 0
    text = (tmp_path / "file.log").read_text()
    assert text.count("the handler 'console' (StreamHandler) failed: BrokenPipeError") == 1


@pytest.mark.parametrize("killed", [False, True])
def test_a_collector_that_stands_still_costs_what_the_ring_cannot_hold_and_the_log_says_so(
    server: Arbiter, tmp_path: Path, killed: bool
) -> None:
    """SIGSTOP, a ring that fills, records dropped after the wait; then it goes on, or is killed and replaced."""
    server.adopt(1, FILE, tmp_path / "app.log")
    segment = server.segment(7)
    producer = server.producer(segment, block_timeout=0.05)
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    kept = [number for number in range(2000) if producer.emit(1, Kind.LINE, line(7, number))]
    assert time.monotonic() - began < 5.0, "it waits once, not for each record"
    assert 0 < len(kept) < 2000
    if killed:
        server.kill()
        server.start()
    else:
        os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: segment.words[at.W_REPORTED + 1] == 2000 - len(kept), "the report")
    assert server.stop() == 0
    *lines, said = (tmp_path / "app.log").read_bytes().splitlines(keepends=True)
    assert lines == [line(7, number) for number in kept]
    assert said.startswith(b"lost %s records of worker 7 (pid " % f"{2000 - len(kept):,}".encode())
    assert said.endswith(b": the ring was full\n")
