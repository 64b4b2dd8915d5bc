"""Numbered lines: written by producers, and proved to be there once, whole and in order."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from logserve.shm.layout import Kind
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup
from tests.collector.harness import fork

FILL = b"abcdefghijklmnopqrstuvwxyz" * 12


def line(slot: int, number: int) -> bytes:
    """A line that says where it belongs, of a length that varies."""
    return b"%d %d %s\n" % (slot, number, FILL[: number * 37 % 300])


def emit_lines(producer: Producer, sink: int, numbers: Iterable[int]) -> None:
    """Emit numbered lines from this process."""
    for number in numbers:
        assert producer.emit(sink, Kind.LINE, line(producer.segment.slot, number))


def fork_producer(segment: Segment, wakeup: Wakeup, sink: int, count: int, pace: float = 0.0) -> int:
    """Emit `count` numbered lines from another process, with a pause of `pace` seconds after each 20."""

    def produce() -> None:
        producer = Producer(segment, wakeup, 30.0)
        for number in range(count):
            if not producer.emit(sink, Kind.LINE, line(segment.slot, number)):
                raise AssertionError("a line was dropped")
            if pace and not number % 20:
                time.sleep(pace)

    return fork(produce)


def join(pids: Iterable[int]) -> None:
    """Wait for producers."""
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


def read_lines(paths: Iterable[Path]) -> dict[int, list[int]]:
    """The numbers of each slot's lines, in the order of the files; every line must be whole."""
    found: dict[int, list[int]] = {}
    for path in paths:
        data = path.read_bytes()
        assert not data or data.endswith(b"\n"), f"{path} ends with half a line"
        for text in data.splitlines(keepends=True):
            slot, number = (int(part) for part in text.split(b" ", 2)[:2])
            assert text == line(slot, number), f"torn in {path}: {text!r}"
            found.setdefault(slot, []).append(number)
    return found


def by_age(directory: Path, base: str) -> list[Path]:
    """A file and what it was rotated to, oldest first."""
    return sorted(directory.glob(f"{base}*"), key=lambda path: path.stat().st_mtime_ns)
