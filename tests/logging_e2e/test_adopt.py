"""File handlers that an application makes itself, in each worker, become the collector's before a record is lost."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.logging_e2e.harness import (
    Hammer,
    LoggedServer,
    application_counts,
    assert_application_lines,
    assert_same,
    config,
    family,
    lines,
    numbers_of,
    serving,
)
from tests.support import processes
from tests.support.waiting import wait_for

APP = "adopting"
WORKERS = ("--workers", "3")


def adopt(kind: str, *, when: str = "import", **options: object) -> dict[str, str]:
    return {"ADOPT": kind, "ADOPT_WHEN": when, "ADOPT_OPTIONS": json.dumps(options)}


def holders(server: LoggedServer, text: str) -> list[int]:
    """The processes of the server that have a file open whose name has this text in it."""
    pids = [server.pid, *processes.children(server.pid)]
    return [pid for pid in pids if any(text in name for name in processes.descriptors(pid).values())]


def assert_only_the_collector_has_it(server: LoggedServer) -> None:
    """Whoever has logged a record has let go of the file (who has not yet logged one may still have it open)."""
    whole = "".join(
        path.read_text().rpartition("\n")[0] + "\n" for path in family(server.logs, "adopted.log")
    )
    logged = {int(line.split(" ")[0]) for line in whole.splitlines() if line}
    opened = holders(server, "adopted.log")
    assert logged
    assert server.collector() in opened
    assert not logged & set(opened), "a worker has its own descriptor still"


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("file", "import"),
        ("watched", "import"),
        ("size", "import"),
        ("time", "import"),
        ("dictConfig", "import"),
        ("file", "request"),
        ("time", "request"),
    ],
)
def test_each_class_whenever_it_was_made(
    tmp_path: Path, worker_options: list[str], kind: str, when: str
) -> None:
    rotates = kind in ("size", "time", "dictConfig")
    with (
        serving(
            tmp_path, APP, [*worker_options, *WORKERS], environment=adopt(kind, when=when), logs=config()
        ) as server,
        Hammer(server) as hammer,
    ):
        hammer.reach(100)
        assert_only_the_collector_has_it(server)
        if rotates:
            wait_for(lambda: len(family(server.logs, "adopted.log")) >= 3, 20, server.describe)
    assert_application_lines(lines(family(server.logs, "adopted.log")), hammer.answered, kind)


def test_attributes_go_with_it(tmp_path: Path) -> None:
    """delay and encoding as the application chose them."""
    environment = adopt("file", delay=True, encoding="utf-16-le")
    with serving(tmp_path, APP, WORKERS, environment=environment, logs=config()) as server:
        assert not (server.logs / "adopted.log").exists(), "delay: not before the first record"
        for number in range(10):
            server.get(f"/n/{number}")
    text = (server.logs / "adopted.log").read_bytes().decode("utf-16-le")
    assert_application_lines(text.splitlines(), range(10), "utf-16-le")


def test_namer_and_rotator_by_reference(tmp_path: Path) -> None:
    with (
        serving(tmp_path, APP, WORKERS, environment=adopt("named"), logs=config()) as server,
        Hammer(server, clients=2) as hammer,
    ):
        wait_for(lambda: len(list(server.logs.glob("*.gz"))) >= 2, 20, server.describe)
    packed = sorted(server.logs.glob("*.gz"), key=lambda path: path.stat().st_mtime_ns)
    found = [line for path in packed for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    found += lines([server.logs / "adopted.log"])
    assert_application_lines(found, hammer.answered, "compressed by the application's rotator")


def test_the_handler_object_keeps_its_meaning(tmp_path: Path) -> None:
    """setFormatter and setLevel after the adoption, on the object that the application has."""
    with serving(tmp_path, APP, environment=adopt("time"), logs=config()) as server:
        server.get("/n/0")
        server.get("/change/formatter")
        server.get("/n/1")
        server.get("/change/level")
        server.get("/n/2")
    found = lines(family(server.logs, "adopted.log"))
    assert len(found) == 2, found
    assert len(application_counts(found)) == 1
    assert found[1].startswith("changed ")
    assert "number=1" in found[1]


def test_what_a_memory_handler_holds_arrives_when_its_worker_stops(
    tmp_path: Path, worker_options: list[str]
) -> None:
    """The application's own, in front of a file: nothing reaches the file before the worker's end."""
    with serving(
        tmp_path, APP, [*worker_options, *WORKERS], environment=adopt("memory"), logs=config()
    ) as server:
        for number in range(30):
            server.get(f"/n/{number}")
        assert not lines([server.logs / "adopted.log"])
    assert_application_lines(lines([server.logs / "adopted.log"]), range(30), "a MemoryHandler")


def test_a_file_that_the_configuration_defines_otherwise_stays_and_both_are_named(tmp_path: Path) -> None:
    logs = config(
        handlers={
            "sized": {
                "class": "logging.handlers.RotatingFileHandler",
                "filename": "logs/adopted.log",
                "maxBytes": 10_000_000,
            }
        },
        loggers={"other": ["sized"]},
    )
    with serving(
        tmp_path, APP, environment=adopt("time"), logs=logs, expect=["stays in the workers"]
    ) as server:
        server.get("/n/0")
        server.has_said("stays in the workers")
    (warning,) = [record for record in server.error.records() if "stays" in record["message"]]
    for word in ("adopted.log", "RotatingFileHandler(maxBytes=10000000", "TimedRotatingFileHandler(when='S'"):
        assert word in warning["message"]
    assert "define the file once" in warning["message"]


def test_the_workers_descriptor_is_closed(tmp_path: Path) -> None:
    with serving(tmp_path, APP, environment=adopt("file"), logs=config()) as server:
        server.get("/n/0")
        assert server.get("/descriptors").json() == []


@pytest.mark.parametrize("kind", ["subclass", "lambda"])
def test_what_cannot_be_adopted_stays_with_one_warning(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path, APP, ["--workers", "2"], environment=adopt(kind), logs=config()) as server:
        for number in range(20):
            server.get(f"/n/{number}")
        warnings = server.error.wait_message("adopted.log")
    warnings = [record for record in server.error.records() if "adopted.log" in str(record["message"])]
    assert len(warnings) == 1, warnings
    (warning,) = warnings
    assert warning["log"]["level"].upper() == "WARNING"
    if kind == "subclass":
        assert "OwnHandler" in warning["message"]
    assert "workers" in warning["message"], "that several workers write it"
    found = lines([server.logs / "adopted.log"])
    assert sorted(int(line.split("number=")[1].split(" ")[0]) for line in found) == list(range(20))


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    options = ["--no-adopt-handlers", "--workers", "2"]
    with serving(tmp_path, APP, options, environment=adopt("file"), logs=config()) as server:
        workers = server.wait_workers(2)
        server.get("/n/0")
        assert sorted(holders(server, "adopted.log")) == sorted(workers)
    assert len(lines([server.logs / "adopted.log"])) == 1


def test_a_killed_worker_and_its_successor_share_the_handler(tmp_path: Path) -> None:
    with serving(tmp_path, APP, environment=adopt("time"), logs=config(), expect=["."]) as server:
        (worker,) = server.workers()
        for number in range(5):
            server.get(f"/n/{number}")
        os.kill(worker, 9)
        server.wait_workers(1, but=[worker])
        for number in range(5, 10):
            server.get(f"/n/{number}")
    assert_application_lines(lines(family(server.logs, "adopted.log")), range(10), "over a worker's death")


def test_a_killed_collector_has_a_successor_that_knows_the_handler(
    tmp_path: Path, worker_options: list[str]
) -> None:
    """Nothing is lost, and a plain line file does not even have a line twice."""
    options = [*worker_options, *WORKERS, "--log-ring-size", "16M"]  # room for as long as there is none
    with (
        serving(tmp_path, APP, options, environment=adopt("time"), logs=config(), expect=["."]) as server,
        Hammer(server) as hammer,
    ):
        for _ in range(2):
            hammer.reach(60)
            killed = server.collector()
            os.kill(killed, 9)
            wait_for(lambda: server.collector() != killed, 10, server.describe)  # noqa: B023 - called at once
        hammer.reach(60)
    assert_application_lines(lines(family(server.logs, "adopted.log")), hammer.answered, "adopted.log")
    assert_same(numbers_of(server.access.records()), hammer.answered, "access log")
