"""bridge_root_logger(): one call, and the application's records go the server's way, once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.logging_e2e.harness import Hammer, assert_same, config, family, lines, records, serving
from tests.support.journal import value
from tests.support.server import ROOT
from tests.support.waiting import wait_for

AT_IMPORT = "bridged_at_import"
BRIDGING = "tests.logging_e2e.apps.bridging"
ROOT_ELSEWHERE = config(root=["root_file"])


def bridge_calls(*calls: dict[str, Any]) -> dict[str, str]:
    return {"BRIDGE": json.dumps(calls)}


def numbers(found: list[dict[str, Any]]) -> list[int]:
    """Of the application's records; the harness's own request has none."""
    matches = (re.match(r"number=(\d+) ", str(record.get("message"))) for record in found)
    return [int(match[1]) for match in matches if match]


@pytest.mark.parametrize("place", [AT_IMPORT, f"{BRIDGING}:factory()", f"{BRIDGING}:after_django()"])
def test_root_gets_the_servers_handlers_instead_of_its_own(
    tmp_path: Path, worker_options: list[str], place: str
) -> None:
    """The server's error log has the application's records then, each once, and root's file has none."""
    environment = bridge_calls({}, {})  # the second call changes nothing
    with serving(tmp_path, place, worker_options, environment=environment, logs=ROOT_ELSEWHERE) as server:
        for number in range(20):
            server.get(f"/n/{number}")
    assert_same(numbers(server.error.records()), range(20), "the server's error log")
    own = [record for record in server.error.records() if "server's own" in record["message"]]
    assert len(own) == 20, "the server's records came out twice, or not at all"
    assert not server.application.records(), "root's handlers were to be replaced"
    assert server.output().count("number=7 ") == 1, "the console is one of the server's handlers"


def test_it_survives_a_later_dict_config(tmp_path: Path) -> None:
    """Django's logging set-up after the call, which disables every logger that it does not name."""
    place = f"{BRIDGING}:before_django()"
    with serving(tmp_path, place, environment=bridge_calls({}), logs=ROOT_ELSEWHERE) as server:
        for number in range(5):
            server.get(f"/n/{number}")
    assert_same(numbers(server.error.records()), range(5), "the server's error log")
    own = [record for record in server.error.records() if "server's own" in record["message"]]
    assert len(own) == 5


def test_it_may_be_called_with_preload(tmp_path: Path, worker_options: list[str]) -> None:
    options = [*worker_options, "--preload", "--workers", "2"]
    call = {"filename": "logs/bridged.log", "when": "S", "formatter": "json"}
    with (
        serving(tmp_path, AT_IMPORT, options, environment=bridge_calls(call), logs=config()) as server,
        Hammer(server, clients=2) as hammer,
    ):
        hammer.reach(60)
    found = records(family(server.logs, "bridged.log"))
    assert_same(numbers(found), hammer.answered, "bridged.log")
    imported = [record for record in found if "number=import" in str(record["message"])]
    assert len(imported) == 1, "loaded once, in the arbiter"


def test_four_workers_share_one_file_that_rotates(tmp_path: Path, worker_options: list[str]) -> None:
    call = {
        "filename": "logs/bridged.log",
        "when": "S",
        "suffix": "%Y%m%d",
        "backup_count": 100,
        "formatter": "ecs",
    }
    options = [*worker_options, "--workers", "4"]
    environment = bridge_calls(call, call)
    with (
        serving(tmp_path, AT_IMPORT, options, environment=environment, logs=ROOT_ELSEWHERE) as server,
        Hammer(server) as hammer,
    ):
        wait_for(lambda: len(family(server.logs, "bridged.log")) >= 3, 20, server.describe)
    found = records(family(server.logs, "bridged.log"))
    assert_same(numbers(found), hammer.answered, "bridged.log")
    imported = [record for record in found if "number=import" in str(record["message"])]
    assert len({value(record, "process.pid") for record in imported}) == len(imported) == 4
    assert all(value(record, "log.logger") for record in found), "formatted as ECS"


def test_with_replace_false_root_keeps_its_own_handlers(tmp_path: Path, worker_options: list[str]) -> None:
    environment = bridge_calls({"replace": False}, {"replace": False})
    with serving(tmp_path, AT_IMPORT, worker_options, environment=environment, logs=ROOT_ELSEWHERE) as server:
        for number in range(10):
            server.get(f"/n/{number}")
    assert_same(numbers(server.error.records()), range(10), "the server's error log")
    assert_same(numbers(server.application.records()), range(10), "root's own file")


def test_the_access_loggers_handlers_with_formatter_and_level(tmp_path: Path) -> None:
    """The application's records beside the access records, which stay as they are; DEBUG is left out."""
    call = {"positional": ["logserve.access"], "formatter": "ecs", "level": "INFO", "replace": False}
    with serving(tmp_path, AT_IMPORT, environment=bridge_calls(call), logs=ROOT_ELSEWHERE) as server:
        for number in range(10):
            server.get(f"/n/{number}")
    found = server.access.records()
    assert_same(numbers(found), range(10), "the application's records in the access log")
    paths = [value(record, "url.path") for record in found if value(record, "http.response.status_code")]
    assert_same([int(path[3:]) for path in paths if path.startswith("/n/")], range(10), "access records")
    assert_same(numbers(server.application.records()), range(10), "root's own file")


def test_two_definitions_of_one_file_are_refused_and_both_named(tmp_path: Path) -> None:
    calls = (
        {"filename": "logs/one.log", "when": "S"},
        {"positional": ["logserve.access"], "filename": "logs/one.log", "when": "midnight"},
    )
    command = [sys.executable, "-m", "logserve", "--bind", "127.0.0.1:0"]
    command.append("tests.logging_e2e.apps.bridged_at_import:app")
    (tmp_path / "logs").mkdir()
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**bridge_calls(*calls), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "one.log" in done.stderr
    assert "midnight" in done.stderr.lower()
    assert "'S'" in done.stderr or "when=S" in done.stderr or '"S"' in done.stderr, done.stderr


FLASK = """
import logging
from flask import Flask
from logserve import bridge_root_logger
bridge_root_logger(filename="logs/flask.log", formatter="json", level="INFO")
app = Flask(__name__)
@app.get("/hello")
def hello():
    app.logger.info("hello from flask")
    return "hello"
"""


def test_under_flask_run_the_files_handler_is_made_in_the_process(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "shop.py").write_text(FLASK)
    log = tmp_path / "logs" / "flask.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "shop", "run", "--port", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        (port,) = wait_for(
            lambda: re.findall(r"http://127\.0\.0\.1:(\d+)", log.read_text() if log.exists() else ""),
            20,
            lambda: f"flask does not run: {process.poll()}",
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=10) as answer:
            assert answer.read() == b"hello"
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert "Traceback" not in output
    found = [json.loads(line) for line in lines([log])]
    assert [record["message"] for record in found if record["logger"] == "shop"] == ["hello from flask"]
    requests = [
        record for record in found if record["logger"] == "werkzeug" and "/hello" in record["message"]
    ]
    assert len(requests) == 1, "flask's own lines go there, too, each once"


OUTSIDE = """
import logging
from logserve import bridge_root_logger, bridge_structlog, current_request
first = bridge_root_logger(filename="logs/alone.log", when="midnight", formatter="json")
second = bridge_root_logger(filename="logs/alone.log", when="midnight", formatter="json")
assert first == second, (first, second)
assert current_request() is None
bridge_structlog()
import structlog
logging.getLogger("x").info("by logging")
structlog.get_logger("y").info("by structlog", items=3)
logging.shutdown()
"""


def test_outside_the_server_the_handler_is_made_in_the_process(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OUTSIDE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in lines([tmp_path / "logs" / "alone.log"])]
    assert [record["message"] for record in found] == ["by logging", "by structlog"]
    assert found[1]["items"] == 3
