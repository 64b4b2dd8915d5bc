"""A third party's handler, formatter and filter classes: where they run, and what happens when they raise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.logging_e2e.harness import Hammer, assert_application_lines, assert_same, config, lines, serving
from tests.support.journal import value
from tests.support.waiting import wait_for

PLUGINS = "tests.logging_e2e.plugins"
REQUESTS = 40


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_third_partys_handler_runs_in_the_collector_once_for_each_record(
    tmp_path: Path, worker_options: list[str]
) -> None:
    logs = config(
        handlers={"rows": {"class": f"{PLUGINS}.RowHandler", "filename": "logs/rows.json"}},
        loggers={"records": ["rows"], "logserve.access": ["rows", "access_file"]},
    )
    with serving(tmp_path, "records", [*worker_options, "--workers", "3"], logs=logs) as server:
        collector, workers = server.collector(), set(server.workers())
        with Hammer(server) as hammer:
            hammer.reach(200)
    found = rows(server.logs / "rows.json")
    application = [row for row in found if row["logger"] == "records"]
    texts = [f"{row['made_by']} INFO records {row['message']}" for row in application]
    assert_application_lines(texts, hammer.answered, "a third party's handler")
    access = [row for row in found if row["logger"] == "logserve.access" and "/n/" in row["message"]]
    assert_same(
        [int(row["message"].split("/n/")[1].split(" ")[0]) for row in access], hammer.answered, "access"
    )
    assert {row["handled_by"] for row in found} == {collector}
    assert {row["made_by"] for row in application} <= workers


def test_formatters_and_filters_run_in_the_worker_that_made_the_record(
    tmp_path: Path, worker_options: list[str]
) -> None:
    logs = config(
        filters={"even": {"()": f"{PLUGINS}.EveryOther"}},
        formatters={"shouting": {"()": f"{PLUGINS}.ShoutingFormatter", "mark": "HEAR"}},
        handlers={
            "line": {"class": "logging.FileHandler", "filename": "logs/loud.log", "formatter": "shouting"},
            "rows": {
                "class": f"{PLUGINS}.RowHandler",
                "filename": "logs/rows.json",
                "formatter": "shouting",
                "filters": ["even"],
            },
        },
        loggers={"records": ["line", "rows"]},
    )
    with serving(tmp_path, "records", [*worker_options, "--workers", "2"], logs=logs) as server:
        workers = {str(pid) for pid in server.workers()}
        for number in range(REQUESTS):
            server.get(f"/n/{number}")
    loud = lines([server.logs / "loud.log"])
    assert_same([int(line.split("NUMBER=")[1].split(" ")[0]) for line in loud], range(REQUESTS), "line")
    assert {line.split(" ")[1] for line in loud} <= workers, "formatted outside the workers"
    found = rows(server.logs / "rows.json")
    numbers = [int(row["message"].split(" ")[0].split("=")[1]) for row in found]
    assert_same(numbers, range(0, REQUESTS, 2), "filtered")
    for row in found:
        assert row["text"].split(" ")[1] == str(row["made_by"]), "the handler's formatter ran elsewhere"
        assert row["extra"]["filtered_by"] == ["int", row["made_by"]]


def test_a_handler_that_raises_is_reported_once_and_the_others_go_on(
    tmp_path: Path, worker_options: list[str]
) -> None:
    logs = config(
        formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
        handlers={
            "broken": {"class": f"{PLUGINS}.RaisingHandler"},
            "line": {"class": "logging.FileHandler", "filename": "logs/app.log", "formatter": "counted"},
        },
        loggers={"records": ["broken", "line"]},
    )
    with serving(tmp_path, "records", [*worker_options, "--workers", "2"], logs=logs, expect=["."]) as server:
        for number in range(REQUESTS):
            assert server.get(f"/n/{number}").status == 200
        server.has_said("the raising handler raised")
    assert_application_lines(lines([server.logs / "app.log"]), range(REQUESTS), "the handler beside it")
    said = server.output()
    assert said.count("Traceback (most recent call last)") == 1, said
    assert "broken" in said, "the handler's name"
    assert "RaisingHandler" in said
    assert said.index("Traceback") < said.rindex("RuntimeError: the raising handler raised")


def test_a_slow_handler_holds_up_neither_requests_nor_the_other_handlers(
    tmp_path: Path, worker_options: list[str]
) -> None:
    logs = config(
        formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
        handlers={
            "slow": {"class": f"{PLUGINS}.SlowHandler"},
            "line": {"class": "logging.FileHandler", "filename": "logs/app.log", "formatter": "counted"},
        },
        loggers={"records": ["slow", "line"]},
    )
    # 15 records take the slow handler 1.5 s: it has the length of the server's graceful end for them.
    with serving(tmp_path, "records", worker_options, logs=logs) as server:
        for number in range(15):
            server.get(f"/n/{number}")
        access = server.access.wait(lambda record: str(value(record, "url.path")).startswith("/n/"), 15)
        assert len(access) == 15
        wait_for(lambda: len(lines([server.logs / "app.log"])) >= 15)  # each handler has a thread of its own
        assert_application_lines(lines([server.logs / "app.log"]), range(15), "the fast handler")
