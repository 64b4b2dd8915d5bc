"""--capture-output: whatever a worker writes to its standard output and error becomes records with its pid."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from logserve.logs.plain import MAX_TEXT
from tests.logging_e2e.harness import LoggedServer, config, serving
from tests.support.journal import Record, value
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Iterator[LoggedServer]:
    directory = tmp_path_factory.mktemp("capture")
    options = [*worker_options, "--capture-output"]
    with serving(directory, "printing", options, logs=config(), expect=["."]) as server:
        yield server


def captured(server: LoggedServer, text: str, count: int = 1) -> list[Record]:
    """The records in which this text stands, in whichever log."""

    def found() -> list[Record]:
        everything = server.application.records() + server.error.records()
        matching = [record for record in everything if text in str(record.get("message"))]
        return matching if len(matching) >= count else []

    return wait_for(found, 10, lambda: f"{text!r} {count} times; {server.describe()}")


@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("with_print", "by print mark"),
        ("to_descriptor", "by os.write mark"),
        ("from_c", "from C mark"),
        ("to_stderr", "to stderr mark"),
        ("in_pieces", "in pieces mark"),
        ("from_a_child", "from a child mark"),
    ],
)
def test_a_line_is_a_record(server: LoggedServer, way: str, text: str) -> None:
    server.get(f"/{way}/mark")
    (record,) = captured(server, text)
    assert record["message"] == text
    (worker,) = server.workers()
    assert value(record, "process.pid") == worker


def test_a_rest_without_newline_arrives_without_waiting_for_one(server: LoggedServer) -> None:
    server.get("/without_end/mark")
    (record,) = captured(server, "no newline mark")
    assert record["message"] == "no newline mark"


def test_any_bytes_become_a_record_that_parses(server: LoggedServer) -> None:
    server.get("/bytes_of_all_kinds/mark")
    (record,) = [each for each in captured(server, "odd ") if "mark" in each["message"]]
    assert "\x1b[31m" in record["message"] or "[31m" in record["message"]


def test_a_long_line_is_one_record(server: LoggedServer) -> None:
    server.get("/long/mark")
    (record,) = captured(server, "xxxx")
    assert record["message"] == ("long " + "x" * 200_000)[:MAX_TEXT]
    assert value(record, "logserve.truncated") == ["message"]


def test_many_lines_keep_their_order(server: LoggedServer) -> None:
    server.get("/many/mark")
    captured(server, "line 499 mark")
    everything = server.application.records() + server.error.records()
    found = [each["message"] for each in everything if str(each["message"]).startswith("line ")]
    assert found == [f"line {number} mark" for number in range(500)]


def test_what_is_printed_at_import_arrives(server: LoggedServer) -> None:
    assert len(captured(server, "printed at import")) == 1


def test_the_servers_own_console_is_not_captured(server: LoggedServer) -> None:
    """Else a line on the console would become a record, which is a line on the console, and so on."""
    assert "Booting" in server.output() or "listening" in server.output().lower()
    booted = [
        record for record in server.error.records() if "listening" in str(record.get("message")).lower()
    ]
    assert len(booted) == 1


def test_a_rest_arrives_when_its_worker_is_killed(tmp_path: Path, worker_options: list[str]) -> None:
    options = [*worker_options, "--capture-output"]
    with serving(tmp_path, "printing", options, logs=config(), expect=["."]) as server:
        (worker,) = server.workers()
        server.get("/to_descriptor/before")
        server.get("/without_end/last")
        os.kill(worker, signal.SIGKILL)
        (record,) = captured(server, "no newline last")
        assert value(record, "process.pid") == worker
        captured(server, "by os.write before")
        server.wait_workers(1, but=[worker])


def test_without_it_output_goes_where_it_went(tmp_path: Path, worker_options: list[str]) -> None:
    with serving(tmp_path, "printing", worker_options, logs=config(), expect=["."]) as server:
        server.get("/to_descriptor/there")
        server.get("/to_stderr/there")
        wait_for(lambda: "to stderr there" in server.output(), 10, server.describe)
    assert "by os.write there" in server.output()
    everything = server.application.records() + server.error.records()
    assert not [record for record in everything if "there" in str(record.get("message"))]
