"""Files: lines from several rings, rotated by time and size, watched, reopened, emptied once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logserve.shm import layout as at
from tests.collector.harness import Arbiter, arbiter, settled, wait_until
from tests.collector.lines import by_age, emit_lines, fork_producer, join, read_lines

FILE = "logging.FileHandler"
WATCHED = "logging.handlers.WatchedFileHandler"
SIZED = "logging.handlers.RotatingFileHandler"
TIMED = "logging.handlers.TimedRotatingFileHandler"


@pytest.fixture
def server() -> Iterator[Arbiter]:
    with arbiter() as made:
        made.start()
        yield made


def gzip_namer(name: str) -> str:
    return f"{name}.gz"


def moving_rotator(source: str, dest: str) -> None:
    os.rename(source, dest)


def failing_rotator(source: str, dest: str) -> None:
    raise PermissionError(13, "not allowed", dest)


def test_four_rings_into_one_file(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    server.adopt(1, FILE, path)
    segments = [server.segment(slot) for slot in range(4)]
    join([fork_producer(segment, server.wakeup, 1, 5000) for segment in segments])
    assert server.stop() == 0
    assert read_lines([path]) == {slot: list(range(5000)) for slot in range(4)}


def test_two_files_from_one_ring_keep_their_lines_apart(server: Arbiter, tmp_path: Path) -> None:
    for sink in (0, 200):
        server.adopt(sink, FILE, tmp_path / f"{sink}.log")
    producer = server.producer(server.segment(3))
    for number in range(3000):
        emit_lines(producer, 200 if number % 3 else 0, [number])
    assert server.stop() == 0
    assert read_lines([tmp_path / "0.log"]) == {3: [n for n in range(3000) if not n % 3]}
    assert read_lines([tmp_path / "200.log"]) == {3: [n for n in range(3000) if n % 3]}


def test_rotation_each_second_under_load(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, TIMED, tmp_path / "app.log", when="S", interval=1, backupCount=0)
    segments = [server.segment(slot) for slot in range(2)]
    join([fork_producer(segment, server.wakeup, 1, 12_000, pace=0.004) for segment in segments])
    assert server.stop() == 0
    files = by_age(tmp_path, "app.log")
    assert len(files) >= 3
    assert read_lines(files) == {slot: list(range(12_000)) for slot in range(2)}


def test_rotation_by_size_keeps_every_file_below_it(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, SIZED, tmp_path / "app.log", maxBytes=20_000, backupCount=100)
    emit_lines(server.producer(server.segment(0)), 1, range(4000))
    assert server.stop() == 0
    files = [tmp_path / f"app.log.{number}" for number in range(100, 0, -1)] + [tmp_path / "app.log"]
    files = [path for path in files if path.exists()]
    assert len(files) > 20
    assert all(19_000 < path.stat().st_size < 20_000 for path in files[:-1])
    assert read_lines(files) == {0: list(range(4000))}


def test_the_oldest_files_beyond_the_count_go(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, SIZED, tmp_path / "app.log", maxBytes=5000, backupCount=2)
    emit_lines(server.producer(server.segment(0)), 1, range(300))
    assert server.stop() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log", "app.log.1", "app.log.2"]
    kept = read_lines([tmp_path / "app.log.2", tmp_path / "app.log.1", tmp_path / "app.log"])[0]
    assert kept == list(range(kept[0], 300))


def test_a_rotated_name_that_exists_gets_a_counter(server: Arbiter, tmp_path: Path) -> None:
    """As after a clock that was set back: all rotations of this test have one and the same name."""
    path = tmp_path / "app.log"
    server.adopt(1, TIMED, path, when="S", interval=1, suffix="fixed")
    segment = server.segment(0)
    producer = server.producer(segment)
    for number in range(3):
        emit_lines(producer, 1, [number])
        wait_until(lambda: settled(segment), "the line")
        time.sleep(1.05)  # the interval, nothing is asserted about it
    emit_lines(producer, 1, [3])
    assert server.stop() == 0
    names = ["app.log.fixed", "app.log.fixed.1", "app.log.fixed.2", "app.log"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(names)
    assert [read_lines([tmp_path / name])[0] for name in names] == [[0], [1], [2], [3]]


def test_old_files_of_a_custom_suffix_are_removed_and_strangers_are_not(
    server: Arbiter, tmp_path: Path
) -> None:
    for age, day in enumerate(("20200103", "20200102", "20200101")):
        old = tmp_path / f"app.log.{day}"
        old.write_text("old\n")
        os.utime(old, (1000 - age, 1000 - age))
    for stranger in ("app.log.notes", "app.log.20200101.bak", "other.log.20200101"):
        (tmp_path / stranger).write_text("mine\n")
    path = tmp_path / "app.log"
    path.write_text("")
    os.utime(path, (1000, 1000))  # so that the first line rotates
    server.adopt(1, TIMED, path, when="MIDNIGHT", suffix="%Y%m%d", backupCount=2)
    emit_lines(server.producer(server.segment(0)), 1, [0])
    assert server.stop() == 0
    found = {entry.name for entry in tmp_path.iterdir()}
    assert {
        "app.log.notes",
        "app.log.20200101.bak",
        "other.log.20200101",
        "app.log",
        "app.log.20200103",
    } < found
    assert not {"app.log.20200101", "app.log.20200102"} & found


def test_namer_and_rotator_are_taken_by_reference(server: Arbiter, tmp_path: Path) -> None:
    here = "tests.collector.test_files"
    server.adopt(
        1, SIZED, tmp_path / "app.log", maxBytes=2000, backupCount=50,
        namer=f"{here}:gzip_namer", rotator=f"{here}:moving_rotator",
    )  # fmt: skip
    emit_lines(server.producer(server.segment(0)), 1, range(60))
    assert server.stop() == 0
    rotated = sorted(tmp_path.glob("app.log.*.gz"), key=lambda path: -int(path.name.split(".")[2]))
    assert len(rotated) > 2
    assert read_lines([*rotated, tmp_path / "app.log"]) == {0: list(range(60))}


def test_a_rotation_that_fails_loses_nothing_and_is_reported_once(tmp_path: Path) -> None:
    with open(tmp_path / "console", "wb") as console, arbiter(stderr=console.fileno()) as server:
        server.start()
        rotator = "tests.collector.test_files:failing_rotator"
        server.adopt(1, SIZED, tmp_path / "app.log", maxBytes=2000, backupCount=5, rotator=rotator)
        emit_lines(server.producer(server.segment(0)), 1, range(500))
        assert server.stop() == 0
    assert read_lines([tmp_path / "app.log"]) == {0: list(range(500))}
    assert (tmp_path / "console").read_text().count("not allowed") == 1


def test_a_watched_file_that_was_moved_is_opened_anew(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    server.adopt(1, WATCHED, path)
    segment = server.segment(0)
    producer = server.producer(segment)
    emit_lines(producer, 1, [0])
    wait_until(lambda: settled(segment), "the first line")
    path.rename(tmp_path / "app.log.moved")
    emit_lines(producer, 1, [1])
    assert server.stop() == 0
    assert read_lines([tmp_path / "app.log.moved"]) == {0: [0]}
    assert read_lines([path]) == {0: [1]}


def test_reopening_makes_a_new_file_at_once(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    server.adopt(1, FILE, path)
    segment = server.segment(0)
    producer = server.producer(segment)
    emit_lines(producer, 1, range(10))
    wait_until(lambda: settled(segment), "the first lines")
    path.rename(tmp_path / "moved")
    emit_lines(producer, 1, range(10, 20))
    wait_until(lambda: settled(segment), "the lines that follow the moved file")
    server.send({"op": "reopen"})
    wait_until(path.exists, "the new file")
    emit_lines(producer, 1, range(20, 30))
    assert server.stop() == 0
    assert read_lines([tmp_path / "moved"]) == {0: list(range(20))}
    assert read_lines([path]) == {0: list(range(20, 30))}


def test_mode_w_empties_the_file_once_not_at_each_collector(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("of an earlier server\n")
    server.adopt(1, FILE, path, mode="w")
    segment = server.segment(0)
    emit_lines(server.producer(segment), 1, range(5))
    wait_until(lambda: settled(segment), "the first lines")
    server.kill()
    emit_lines(server.producer(segment), 1, range(5, 10))
    server.start()
    wait_until(lambda: settled(segment), "the others")
    assert server.stop() == 0
    assert read_lines([path]) == {0: list(range(10))}


def test_a_delayed_file_is_made_by_its_first_line(server: Arbiter, tmp_path: Path) -> None:
    server.adopt(1, FILE, tmp_path / "now.log")
    server.adopt(2, FILE, tmp_path / "later.log", delay=True)
    assert (tmp_path / "now.log").exists()
    assert not (tmp_path / "later.log").exists()
    emit_lines(server.producer(server.segment(0)), 2, [0])
    assert server.stop() == 0
    assert read_lines([tmp_path / "later.log"]) == {0: [0]}


def test_two_numbers_for_one_file_share_one_open_file(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    server.adopt(1, SIZED, path, maxBytes=10_000, backupCount=50)
    server.adopt(2, SIZED, path, maxBytes=99_999, backupCount=50)
    first, second = server.segment(0), server.segment(1)
    join(
        [
            fork_producer(first, server.wakeup, 1, 2000),
            fork_producer(second, server.wakeup, 2, 2000),
        ]
    )
    assert server.stop() == 0
    files = [tmp_path / f"app.log.{number}" for number in range(50, 0, -1)] + [path]
    found = read_lines([file for file in files if file.exists()])
    kept = {slot: numbers == list(range(numbers[0], 2000)) for slot, numbers in found.items()}
    assert kept == {0: True, 1: True}


def test_a_directory_that_is_missing_is_refused(server: Arbiter, tmp_path: Path) -> None:
    spec = {"class": FILE, "filename": str(tmp_path / "missing" / "app.log"), "attributes": {}}
    server.send({"op": "adopt", "request": 77, "sink": 1, "spec": spec})
    error = server.hear("refused", request=77)["error"]
    assert str(tmp_path / "missing" / "app.log") in error
    assert "No such file or directory" in error


def test_an_idle_collector_sleeps(server: Arbiter, tmp_path: Path) -> None:
    """No more than a handful of context switches in two seconds, ten being the bound for ten."""
    server.adopt(1, FILE, tmp_path / "app.log")
    segment = server.segment(0)
    emit_lines(server.producer(segment), 1, range(10))
    wait_until(lambda: bool(segment.words[at.W_SLEEPING]), "the collector's sleep")
    switches = f"/proc/{server.pid}/status"

    def count() -> int:
        with open(switches) as status:
            return sum(int(row.split()[1]) for row in status if "ctxt_switches" in row)

    before = count()
    time.sleep(2.5)  # what is measured
    assert count() - before <= 4
