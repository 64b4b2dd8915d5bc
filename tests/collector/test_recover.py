"""Segments of workers that are gone: each request in flight gets one access record, whenever the collector dies."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.layout import Kind
from tests.collector.harness import BOOT_ID, Arbiter, arbiter
from tests.support.scoreboard import FIRST, TRACE, fill_entry

NOW = time.monotonic_ns


@pytest.fixture
def server() -> Iterator[Arbiter]:
    with arbiter() as made:
        made.start()
        yield made


def configure(server: Arbiter, path: Path) -> None:
    """One access log in ECS JSON at number 4."""
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ecs": {"()": "logserve.ECSFormatter"}},
        "filters": {},
        "handlers": {"access": {"class": "logging.FileHandler", "filename": str(path), "formatter": "ecs"}},
        "loggers": {
            "logserve.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
            "logserve.error": {"level": "INFO", "handlers": ["access"], "propagate": False},
            "logserve.http": {"level": "INFO", "handlers": ["access"], "propagate": False},
        },
    }
    answer = server.configure(1, config, {"access": 4})
    assert answer["op"] == "configured", answer
    server.send({"op": "commit", "generation": 1})


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        ({"kind": "signal", "signal": "SIGKILL", "exit": None}, "worker_killed"),
        ({"kind": "exit", "signal": None, "exit": 3}, "worker_exited"),
        ({"kind": "timeout", "signal": "SIGABRT", "exit": None}, "worker_timeout"),
        ({"kind": "shutdown", "signal": None, "exit": None}, "shutdown"),
    ],
)
def test_a_request_in_flight_gets_its_record(
    server: Arbiter, tmp_path: Path, cause: dict[str, Any], outcome: str
) -> None:
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(2, incarnation=5)
    fill_entry(segment, 0, b"GET /slow?x=1 HTTP/1.1", seq=41)
    server.died(segment, **cause)
    server.hear("drained", slot=2, incarnation=5)
    assert server.stop() == 0
    (found,) = records(path)
    assert found["logserve"]["outcome"] == outcome
    assert found["logserve"]["phase"] == "application"
    assert found["event"]["id"] == Origin(BOOT_ID, 2, 5).access_id(41)
    assert found["http"]["request"]["id"] == found["event"]["id"]
    assert found["http"]["request"]["method"] == "GET"
    assert found["http"]["response"]["status_code"] == 200
    assert found["http"]["response"]["body"]["bytes"] == 512
    assert found["url"]["path"] == "/slow"
    assert found["client"]["ip"] == "192.0.2.7"
    assert found["trace"]["id"] == TRACE
    assert found["process"]["pid"] == os.getpid()
    assert 3_000_000_000 <= found["event"]["duration"] < 60_000_000_000
    if cause["signal"] == "SIGKILL":
        assert found["logserve"]["signal"] == "SIGKILL"


def test_a_request_past_its_deadline_and_those_cut_off_with_it(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(0, entries=2)
    fill_entry(segment, 0, b"GET /hung HTTP/1.1", seq=41)
    fill_entry(segment, 1, b"GET /beside HTTP/1.1", seq=42)
    server.died(segment, kind="timeout", signal="SIGABRT", exit=None, timed_out=[41])
    server.hear("drained", slot=0)
    assert server.stop() == 0
    found = {each["url"]["path"]: each["logserve"]["outcome"] for each in records(path)}
    assert found == {"/hung": "timeout_request", "/beside": "worker_timeout"}


@pytest.mark.parametrize(
    ("target", "field"), [(b"/long?" + b"q" * 300, "url.query"), (b"/" * 300, "url.path")]
)
def test_a_request_line_that_did_not_fit_is_marked(
    server: Arbiter, tmp_path: Path, target: bytes, field: str
) -> None:
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(0)
    fill_entry(segment, 0, (b"GET " + target + b" HTTP/1.1")[: at.MAX_LINE_TEXT])
    server.died(segment, kind="signal", signal="SIGKILL", exit=None)
    server.hear("drained", slot=0)
    assert server.stop() == 0
    (found,) = records(path)
    assert found["logserve"]["truncated"] == [field]


def test_texts_that_were_cut_anywhere_and_a_clients_own_id(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(0, entries=8)
    lines = [b"", b"GE", b"GET /\xff\xfe\x80", b"GET " + b"/" * 200, b"\x16\x03\x01"]
    for number, text in enumerate(lines):
        fill_entry(segment, number, text, request_id=b"client-id-7")
    server.died(segment, kind="signal", signal="SIGSEGV", exit=None)
    server.hear("drained", slot=0)
    assert server.stop() == 0
    found = records(path)
    assert len(found) == len(lines)
    assert {each["http"]["request"]["id"] for each in found} == {"client-id-7"}
    assert len({each["event"]["id"] for each in found}) == len(lines)


def test_a_prepared_record_is_published_not_made_again(server: Arbiter, tmp_path: Path) -> None:
    """One prepared beyond HEAD, one published but not cleared, one that has just begun: three records."""
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(0, entries=3)
    producer = server.producer(segment)
    for number in range(3):
        fill_entry(segment, number, b"GET / HTTP/1.1")
    entries = [FIRST + number * at.ENTRY_WORDS for number in range(3)]
    word = at.frame_word(4, Kind.LINE, 0)
    end = producer.place(word, b'{"prepared":"published"}\n', producer.head)
    segment.words[entries[1] + at.E_PREPARED] = end
    producer.publish(end)
    segment.words[entries[2] + at.E_PREPARED] = producer.place(word, b'{"prepared":"left"}\n', producer.head)
    server.died(segment, kind="signal", signal="SIGKILL", exit=None)
    server.hear("drained", slot=0)
    assert server.stop() == 0
    found = records(path)
    assert [each.get("prepared") for each in found] == ["published", "left", None]
    assert found[2]["logserve"]["outcome"] == "worker_killed"


def test_more_requests_in_flight_than_the_ring_has_room_for(server: Arbiter, tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    configure(server, path)
    segment = server.segment(0, capacity=1 << 13, entries=300)
    for number in range(300):
        fill_entry(segment, number, b"GET /%d HTTP/1.1" % number)
    server.died(segment, kind="exit", signal=None, exit=1)
    server.hear("drained", slot=0)
    assert server.stop() == 0
    assert [each["url"]["path"] for each in records(path)] == [f"/{number}" for number in range(300)]


def test_a_collector_that_is_killed_while_it_finishes_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Killed at random moments until the segment is finished, in five rounds; 400 records each, once."""
    dice = random.Random(7)
    kills = 0
    for round_number in range(5):
        path = tmp_path / f"{round_number}.json"
        with arbiter() as server:
            server.start()
            configure(server, path)
            segment = server.segment(0, capacity=1 << 15, entries=400)
            for number in range(400):
                fill_entry(segment, number, b"GET /%d HTTP/1.1" % number)
            server.died(segment, kind="signal", signal="SIGKILL", exit=None)
            for _ in range(4):
                time.sleep(dice.uniform(0.02, 0.06))  # the moment of the kill
                kills += any(segment.words[FIRST + n * at.ENTRY_WORDS] for n in range(400))
                server.kill()
                server.heard.clear()
                server.start()
            server.hear("drained", slot=0)
            assert server.stop() == 0
        paths = [each["url"]["path"] for each in records(path)]
        assert paths == [f"/{number}" for number in range(400)]
    assert kills > 0, "no kill came while there was work; the moments are wrong"


def test_a_dead_ring_is_let_go_although_a_sink_is_stalled(server: Arbiter, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server.adopt(1, "logging.FileHandler", fifo)
    segment = server.segment(0)
    producer = server.producer(segment)
    for number in range(20):
        assert producer.emit(1, Kind.LINE, b"%d\n" % number)
    server.died(segment, kind="exit", signal=None, exit=0)
    server.hear("drained", slot=0, timeout=5.0)
    descriptor = os.open(fifo, os.O_RDONLY)
    assert server.stop() == 0
    assert os.read(descriptor, 10_000).split() == [b"%d" % number for number in range(20)]
    os.close(descriptor)
