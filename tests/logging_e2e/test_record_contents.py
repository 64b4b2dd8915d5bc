"""Records of every shape arrive, whole, in a line handler and in a third party's, and nothing ever raises."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.logging_e2e.apps import contents
from tests.logging_e2e.harness import LoggedServer, config, serving
from tests.support.journal import Record, value
from tests.support.waiting import wait_for

Row = dict[str, Any]


class Shapes:
    """The server, and what arrived in its two handlers."""

    def __init__(self, server: LoggedServer) -> None:
        self.server = server

    def ask(self, shape: str, text: str, count: int = 1) -> tuple[list[Record], list[Row]]:
        """Make the application log this shape; the records in which `text` stands, from both handlers."""
        answer = self.server.get(f"/{shape}")
        assert answer.status == 200, self.server.describe()
        found = self.server.application.wait_message(text, count)
        rows = wait_for(lambda: self._rows(text, count), 10, lambda: f"{text!r} {count} times in the rows")
        assert len(found) == len(rows) == count
        return found, rows

    def one(self, shape: str, text: str) -> tuple[Record, Row]:
        found, rows = self.ask(shape, text)
        return found[0], rows[0]

    def _rows(self, text: str, count: int) -> list[Row]:
        path = self.server.logs / "rows.json"
        whole = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
        found = [row for row in map(json.loads, whole) if text in row["message"]]
        return found if len(found) >= count else []


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Iterator[Shapes]:
    logs = config(
        handlers={
            "rows": {"class": "tests.logging_e2e.plugins.RowHandler", "filename": "logs/rows.json"},
        },
        loggers={"shapes": {"level": "DEBUG", "handlers": ["root_file", "rows"], "propagate": False}},
    )
    directory = tmp_path_factory.mktemp("contents")
    with serving(directory, "contents", worker_options, logs=logs, expect=["."]) as server:
        yield Shapes(server)
        # Whatever could not be said in a record would stand on stderr.
        assert "--- Logging error ---" not in server.output(), server.output()


def test_an_exception_arrives_with_its_traceback(shapes: Shapes) -> None:
    record, row = shapes.one("exception", "an exception")
    assert value(record, "log.level") in ("ERROR", "error")
    assert value(record, "error.type") == "ValueError"
    assert value(record, "error.message") == "outer"
    for trace in (value(record, "error.stack_trace"), row["exception"]):
        assert "KeyError: 'inner'" in trace
        assert "The above exception was the direct cause" in trace
        assert 'raise ValueError("outer") from error' in trace
    assert row["text"].count("Traceback") == 2, "the formatted text has the traceback, once each"


def test_an_exception_group_arrives(shapes: Shapes) -> None:
    record, row = shapes.one("group", "a group")
    assert "TypeError: two" in value(record, "error.stack_trace")
    assert "TypeError: two" in row["exception"]


def test_stack_info_arrives(shapes: Shapes) -> None:
    record, row = shapes.one("stack", "a stack")
    assert "in stack" in row["stack"]
    assert "contents.py" in json.dumps(record)
    assert "Stack (most recent call last)" in json.dumps(record)


def test_arguments_that_cannot_be_pickled_arrive_as_text(shapes: Shapes) -> None:
    record, row = shapes.one("unpicklable", "args <function")
    assert "lock object" in record["message"]
    assert record["message"] == row["message"]
    assert "lock object" in str(record["lock"])
    assert "lock object" in str(row["extra"]["lock"][1])


def test_what_cannot_even_be_shown_arrives_and_raises_nothing(shapes: Shapes) -> None:
    found, rows = shapes.ask("unprintable", "unprintable", 2)
    assert "unprintable argument" in found[0]["message"]
    assert "things" in found[1]
    assert rows[1]["extra"]["things"][1][1] == 1, "what stands beside it keeps its type"


def test_wrong_arguments_lose_no_record(shapes: Shapes) -> None:
    found, _ = shapes.ask("wrong_arguments", "wrong ", 2)
    assert "wrong %d" in found[0]["message"]
    assert "wrong number" in found[1]["message"]


def test_extra_fields_keep_their_types(shapes: Shapes) -> None:
    record, row = shapes.one("types", "types")
    for name, expected in {
        "an_int": 17,
        "a_float": 0.5,
        "a_bool": True,
        "a_list": [1, "two", 3.0],
        "a_dict": {"nested": {"deep": 1}},
    }.items():
        assert record[name] == expected
        assert row["extra"][name] == [type(expected).__name__, expected]
    assert record.get("nothing", "missing") is None
    assert row["extra"]["nothing"] == ["NoneType", None]
    assert "2026-01-02" in str(record["a_time"])
    assert "1.10" in str(record["a_decimal"])
    assert str(record["a_uuid"]).endswith("0005") or "0005" in str(record["a_uuid"])
    for name in ("some_bytes", "a_set", "big", "not_a_number"):
        assert name in record
        assert name in row["extra"]


def test_extra_that_collides_with_a_field_goes_aside(shapes: Shapes) -> None:
    record, row = shapes.one("colliding", "collides")
    assert record["own"] == 1
    assert value(record, "logserve.extra.http") == "mine"
    assert record["@timestamp"] != "never"
    assert value(record, "event.id") != "x"
    assert row["extra"]["http"] == ["str", "mine"], "a foreign handler sees what the application gave"


def test_a_circular_extra_arrives(shapes: Shapes) -> None:
    record, row = shapes.one("circular", "circular")
    assert "loop" in record
    assert "loop" in row["extra"]


def test_odd_texts_arrive(shapes: Shapes) -> None:
    record, _ = shapes.one("odd_texts", "surrogate")
    assert 'and quote " and line\nbreak' in record["message"]
    found = shapes.server.application.wait(lambda record: record.get("a_key") == "dict as message")
    assert len(found) == 1
    (long,) = shapes.server.application.wait_message("long xxx")
    assert 10_000 < len(long["message"]) <= 200_100


def test_every_level_arrives(shapes: Shapes) -> None:
    found, rows = shapes.ask("levels", "level ", 6)
    assert [row["level"] for row in rows] == ["DEBUG", "INFO", "Level 25", "WARNING", "ERROR", "CRITICAL"]
    assert [str(value(record, "log.level")).upper() for record in found] == [
        "DEBUG",
        "INFO",
        "LEVEL 25",
        "WARNING",
        "ERROR",
        "CRITICAL",
    ]


def test_a_fork_of_the_application_logs_under_its_own_pid(shapes: Shapes) -> None:
    record, row = shapes.one("forked", "from a fork of")
    (worker,) = shapes.server.workers()
    assert record["message"] == f"from a fork of {worker}"
    assert value(record, "process.pid") == row["made_by"] != worker


def test_a_multiprocessing_child_logs(shapes: Shapes) -> None:
    record, row = shapes.one("process", "from a process of")
    (worker,) = shapes.server.workers()
    assert record["message"] == f"from a process of {worker}"
    assert value(record, "process.pid") == row["made_by"] != worker


def test_many_children_at_once_lose_nothing_and_do_not_disturb_the_worker(shapes: Shapes) -> None:
    found, rows = shapes.ask("many_children", "child ", 200)
    expected = {f"child {number} count {count}" for number in range(8) for count in range(25)}
    assert {record["message"] for record in found} == expected == {row["message"] for row in rows}
    assert len({value(record, "event.id") for record in found}) == 200
    shapes.server.application.wait_message("the parent goes on")


def test_an_exception_that_ends_a_thread_is_a_record(shapes: Shapes) -> None:
    shapes.server.get("/thread_dies")

    def found() -> list[Record]:
        everything = shapes.server.application.records() + shapes.server.error.records()
        return [record for record in everything if "the thread died" in json.dumps(record)]

    (record,) = wait_for(found, 10, shapes.server.describe)
    assert value(record, "error.type") == "LookupError"
    assert "mortal" in json.dumps(record)


def test_a_record_says_where_it_was_made(shapes: Shapes) -> None:
    record, _ = shapes.one("made_here", "made here")
    source = Path(inspect.getsourcefile(contents) or "").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if '"made here"' in text)
    assert value(record, "log.origin.file.name") == "contents.py"
    assert value(record, "log.origin.file.line") == line
    assert value(record, "log.origin.function") == "made_here"
    started = shapes.server.error.wait_message("booted")[0]
    assert value(started, "log.origin.file.name").endswith(".py"), "the server's own records, too"


def test_record_ids_are_unique(shapes: Shapes) -> None:
    ids = [value(record, "event.id") for record in shapes.server.application.records()]
    ids += [value(record, "event.id") for record in shapes.server.access.records()]
    assert None not in ids
    assert len(set(ids)) == len(ids)
