"""SIGKILL of the collector, and of producers, at random moments under load."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from logserve.logs.record import encode_record
from logserve.shm import layout as at
from logserve.shm.intent import Intent, State
from logserve.shm.layout import Kind
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from tests.collector.harness import BOOT_ID, Arbiter, arbiter, fork, settled, wait_until
from tests.collector.lines import by_age, fork_producer, join, line, read_lines

FILE = "logging.FileHandler"
SIZED = "logging.handlers.RotatingFileHandler"
TIMED = "logging.handlers.TimedRotatingFileHandler"
KILLS = 30


def kill_again_and_again(server: Arbiter, dice: random.Random, kills: int = KILLS) -> None:
    for _ in range(kills):
        time.sleep(dice.uniform(0.002, 0.06))  # the moment of the kill
        server.kill()
        server.start()


@pytest.mark.parametrize(
    ("cls", "attributes"),
    [
        (FILE, {}),
        (SIZED, {"maxBytes": 200_000, "backupCount": 1000}),
        (TIMED, {"when": "S", "interval": 1}),
    ],
)
def test_a_killed_collector_loses_doubles_and_tears_nothing(
    tmp_path: Path, cls: str, attributes: dict[str, object]
) -> None:
    """30 kills; two files, three producers that never stop; every line is there once, in its producer's order."""
    dice = random.Random(cls)
    with arbiter() as server:
        server.start()
        server.adopt(1, cls, tmp_path / "app.log", **attributes)
        server.adopt(2, FILE, tmp_path / "other.log")
        segments = [server.segment(slot) for slot in range(3)]
        count = 25_000
        pids = [
            fork_producer(segment, server.wakeup, 2 if segment.slot == 2 else 1, count, pace=0.001)
            for segment in segments
        ]
        kill_again_and_again(server, dice)
        join(pids)
        wait_until(lambda: all(settled(segment) for segment in segments), "the last lines")
        assert server.stop() == 0
        dropped = [sum(segment.words[at.W_DROPPED : at.W_DROPPED + at.MAX_SINKS]) for segment in segments]
    assert dropped == [0, 0, 0]
    assert read_lines(in_order(tmp_path, cls)) == {slot: list(range(count)) for slot in range(2)}
    assert read_lines([tmp_path / "other.log"]) == {2: list(range(count))}


def has_published(segment: Segment) -> bool:
    return segment.words[at.W_HEAD] > 0


def in_order(directory: Path, cls: str) -> list[Path]:
    if cls != SIZED:
        return by_age(directory, "app.log")
    numbered = sorted(directory.glob("app.log.*"), key=lambda path: -int(path.suffix[1:]))
    return [*numbered, directory / "app.log"]


def test_a_kill_in_the_middle_of_a_write_is_mended(tmp_path: Path) -> None:
    """A cut line, with the intent that tells of it: the successor removes the cut and writes the rest once."""
    path = tmp_path / "app.log"
    with arbiter() as server:
        segment = server.segment(0)
        producer = server.producer(segment)
        ends = []
        for number in range(10):
            producer.emit(1, Kind.LINE, line(0, number))
            ends.append(producer.head)
        data = b"".join(line(0, number) for number in range(10))
        cut = len(data) * 2 // 3
        path.write_bytes(data[:cut])
        status = path.stat()
        server.intents.begin(
            1, Intent(State.FRAMES, status.st_dev, status.st_ino, 0, len(data), 1, 1, 0, ends[-1])
        )
        server.start()
        server.adopt(1, FILE, path)
        wait_until(lambda: settled(segment), "the rest")
        assert server.stop() == 0
    assert read_lines([path]) == {0: list(range(10))}


def test_a_file_that_was_renamed_under_a_write_is_mended_where_it_is(tmp_path: Path) -> None:
    moved = tmp_path / "app.log.1"
    with arbiter() as server:
        segment = server.segment(0)
        producer = server.producer(segment)
        for number in range(10):
            producer.emit(1, Kind.LINE, line(0, number))
        data = b"".join(line(0, number) for number in range(10))
        moved.write_bytes(data[: len(data) // 2])
        status = moved.stat()
        server.intents.begin(
            1, Intent(State.FRAMES, status.st_dev, status.st_ino, 0, len(data), 1, 1, 0, producer.head)
        )
        server.start()
        server.adopt(1, FILE, tmp_path / "app.log")
        wait_until(lambda: settled(segment), "the rest")
        assert server.stop() == 0
    assert read_lines([moved, tmp_path / "app.log"]) == {0: list(range(10))}


def test_killed_producers_leave_whole_lines_without_a_gap(tmp_path: Path) -> None:
    """What a producer had published arrives; 20 producers, each killed at a random moment."""
    dice = random.Random(1)
    with arbiter() as server:
        server.start()
        server.adopt(1, FILE, tmp_path / "app.log")
        published = {}
        for slot in range(20):
            segment = server.segment(slot)
            pid = fork_producer(segment, server.wakeup, 1, 10_000_000)
            wait_until(partial(has_published, segment), "its first line")
            time.sleep(dice.uniform(0.005, 0.05))  # the moment of the kill
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            published[slot] = segment.words[at.W_HEAD]
            server.died(segment, kind="signal", signal="SIGKILL", exit=None)
            server.hear("drained", slot=slot)
        assert server.stop() == 0
    found = read_lines([tmp_path / "app.log"])
    assert all(head > 0 for head in published.values())
    assert found == {slot: list(range(len(numbers))) for slot, numbers in found.items()}
    assert len(found) == 20


def test_an_orphaned_collector_serves_who_is_left_and_ends(tmp_path: Path) -> None:
    """The arbiter is gone without a word: a producer writes on, the collector ends after it."""
    begin, go = os.pipe()
    with arbiter() as server:
        server.start()
        server.adopt(1, FILE, tmp_path / "app.log")
        segment = Segment.create(capacity=1 << 16, entries=4, slot=0, incarnation=1, boot_id=BOOT_ID)

        def produce() -> None:
            os.read(begin, 1)
            producer = Producer(segment, server.wakeup, 5.0)
            for number in range(1000):
                assert producer.emit(1, Kind.LINE, line(0, number))

        pid = fork(produce)
        server.add(segment, pid)
        server.hear("ready")
        server.vanish()
        os.write(go, b"1")
        join([pid])
        assert server.reap() == 0
    os.close(begin)
    os.close(go)
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(1000))}


def test_a_cut_write_of_formatted_records_is_made_again_as_a_whole(tmp_path: Path) -> None:
    """The frames are no lines, so nothing in the ring says where a line ends in the file."""
    path = tmp_path / "app.log"
    with arbiter() as server:
        segment = server.segment(0)
        producer = server.producer(segment)
        for number in range(10):
            record = logging.makeLogRecord({"msg": f"message {number}", "levelno": 20, "levelname": "INFO"})
            assert producer.emit(1, Kind.RECORD, encode_record(record, None))
        path.write_bytes(b"before\nmessage 0\nmess")
        status = path.stat()
        server.intents.begin(
            1, Intent(State.FRAMES, status.st_dev, status.st_ino, 7, 100, 1, 1, 0, producer.head)
        )
        server.start()
        server.adopt(1, FILE, path)
        wait_until(lambda: settled(segment), "the rest")
        assert server.stop() == 0
    assert path.read_text().splitlines() == ["before", *(f"message {number}" for number in range(10))]
