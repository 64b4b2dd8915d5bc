"""The logging configuration, end to end: its formats, what is refused, what a reload changes, what is on by default."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.logging_e2e.harness import LOGS, LoggedServer, assert_same, config, lines, numbers_of, serving
from tests.support.journal import value
from tests.support.server import ROOT

# -- what the application sees


def test_gunicorns_loggers_are_the_servers(tmp_path: Path, worker_options: list[str]) -> None:
    with serving(tmp_path, "loggers", worker_options, logs=config()) as server:
        seen = server.get("/report").json()
        assert seen["same"] == {"error": True, "access": True, "http": True}
        assert seen["propagates"] == []
        assert min(seen["levels"].values()) > logging.NOTSET, "each has a level of its own"
        assert min(seen["handlers"].values()) >= 1
        server.get("/n/1")
        (record,) = server.error.wait_message("by its old name 1")
    assert value(record, "log.logger") == "logserve.error"


def test_a_dict_config_of_the_application_disables_none_of_the_servers_loggers(
    tmp_path: Path, worker_options: list[str]
) -> None:
    with serving(
        tmp_path, "loggers", worker_options, environment={"OWN_LOGGING": "1"}, logs=config()
    ) as server:
        assert server.get("/report").json()["disabled"] == []
        for number in range(10):
            server.get(f"/n/{number}")
        server.error.wait_message("by its old name", 10)
    assert_same(numbers_of(server.access.records()), range(10), "the access log")
    assert lines([server.logs / "own.log"]) == [f"number={number}" for number in range(10)]
    assert not server.application.records(), "root is the application's own now"


def test_disable_existing_loggers_in_the_servers_file_does_not_reach_its_loggers(tmp_path: Path) -> None:
    logs = json.loads(config())
    logs["disable_existing_loggers"] = True
    with serving(tmp_path, "loggers", logs=json.dumps(logs)) as server:
        assert server.get("/report").json()["disabled"] == []


def test_without_a_configuration_there_is_one_readable_line_for_each_request(
    tmp_path: Path, worker_options: list[str]
) -> None:
    with serving(tmp_path, "loggers", worker_options, logs=None) as server:
        for number in range(5):
            server.get(f"/n/{number}")
    text = server.output()
    for number in range(5):
        assert text.count(f"/n/{number} ") == 1, f"the access line of request {number}:\n{text}"
        assert text.count(f"by its old name {number}") == 1, text
    assert "\x1b[" not in text, "colour, and no terminal"


def test_the_access_log_can_be_turned_off(tmp_path: Path, worker_options: list[str]) -> None:
    with serving(tmp_path, "loggers", [*worker_options, "--no-access-log"], logs=config()) as server:
        answer = server.get("/n/1")
        assert answer.header("X-Request-ID"), "the id is for the other records, too"
        server.error.wait_message("by its old name 1")
    assert server.access.records() == []
    assert len(server.application.records()) == 1


def test_gunicorns_options_for_log_files(tmp_path: Path) -> None:
    options = ["--access-logfile", "logs/a.log", "--error-logfile", "logs/e.log"]
    options += ["--access-log-format", '%(h)s "%(r)s" %(s)s %({x-tenant}i)s']
    with serving(tmp_path, "loggers", options, logs=None) as server:
        server.get("/n/1", X_Tenant='a"b')
    (line,) = [line for line in lines([server.logs / "a.log"]) if "/n/1" in line]
    assert line.startswith('127.0.0.1 "GET /n/1 HTTP/1.1" 200 a')
    assert 'a"b' not in line, "a client's quote is escaped"
    assert "by its old name 1" in (server.logs / "e.log").read_text()


# -- its formats


YAML = """
handlers:
  access: {class: logging.FileHandler, filename: "${LOG_DIR}/access.log", formatter: ecs}
formatters:
  ecs: {(): logserve.ECSFormatter}
loggers:
  logserve.access: {handlers: [access]}
"""
JSON = json.dumps(
    {
        "handlers": {
            "access": {
                "class": "logging.FileHandler",
                "filename": "${LOG_DIR}/access.log",
                "formatter": "ecs",
            }
        },
        "formatters": {"ecs": {"()": "logserve.ECSFormatter"}},
        "loggers": {"logserve.access": {"handlers": ["access"]}},
    }
)
TOML = """
[handlers.access]
class = "logging.FileHandler"
filename = "${LOG_DIR:-elsewhere}/access.log"
formatter = "ecs"
[formatters.ecs]
"()" = "logserve.ECSFormatter"
[loggers."logserve.access"]
handlers = ["access"]
"""
INI = """
[loggers]
keys=root,access
[handlers]
keys=console,access
[formatters]
keys=json
[logger_root]
level=INFO
handlers=console
[logger_access]
level=INFO
handlers=access
qualname=logserve.access
propagate=0
[handler_console]
class=StreamHandler
args=(sys.stderr,)
[handler_access]
class=FileHandler
formatter=json
args=("${LOG_DIR}/access.log",)
[formatter_json]
class=logserve.ECSFormatter
"""


@pytest.mark.parametrize(
    ("name", "text"), [("l.yaml", YAML), ("l.json", JSON), ("l.toml", TOML), ("l.ini", INI)]
)
def test_each_format_of_file(tmp_path: Path, name: str, text: str) -> None:
    """Each names only what it changes; the rest is the default."""
    (tmp_path / name).write_text(text)
    options = ["--log-config", str(tmp_path / name)]
    with serving(tmp_path / "s", "loggers", options, logs=None) as server:
        server.get("/n/1")
    found = [json.loads(line) for line in lines([server.logs / "access.log"])]
    assert numbers_of(found) == [1]


# -- what is refused

MISTAKES = {
    "a level": ("logserve.access: {level: INFO,", "logserve.access: {level: INFOO,", ["INFOO", "'INFO'", "loggers.logserve.access.level"]),
    "a handler": ("handlers: [root_file]", "handlers: [root_fiel]", ["root_fiel", "root_file", "root.handlers"]),
    "a formatter": ("filename: app.json, formatter: ecs", "filename: app.json, formatter: esc", ["esc", "'ecs'", "handlers.root_file.formatter"]),
    "a class": ("logging.FileHandler, filename: app", "logging.FileHandlr, filename: app", ["FileHandlr", "FileHandler", "handlers.root_file.class"]),
    "a key": ("root_file: {class:", "root_file: {clas:", ["clas", "class", "handlers.root_file"]),
    "a variable": ("filename: app.json", 'filename: "${NOWHERE_DEFINED}/app.json"', ["NOWHERE_DEFINED", "handlers.root_file.filename"]),
    "a directory": ("filename: app.json", "filename: missing/app.json", ["missing", "handlers.root_file.filename"]),
    "no YAML": ("version: 1", "version: [1", ["logging.yaml"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_place_before_anything_starts(tmp_path: Path, mistake: str) -> None:
    right, wrong, expected = MISTAKES[mistake]
    assert right in LOGS
    text = LOGS.replace(right, wrong)
    (tmp_path / "logging.yaml").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "logserve",
            "--log-config",
            "logging.yaml",
            "tests.logging_e2e.apps.loggers:app",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    line = 1 + next(n for n, each in enumerate(text.splitlines()) if each not in LOGS.splitlines())
    place = f"logging.yaml:{line}" if mistake != "no YAML" else "logging.yaml:"
    assert place in done.stderr, done.stderr
    for word in expected:
        assert word in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, f"one sentence: {done.stderr}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logging.yaml"], "something was opened"


def test_a_bad_configuration_at_hup_changes_nothing(tmp_path: Path, worker_options: list[str]) -> None:
    good = config()
    with serving(tmp_path, "loggers", worker_options, logs=good, expect=["INFOO"]) as server:
        workers = server.workers()
        server.write_config(good.replace('"INFO"', '"INFOO"'))
        server.send(signal.SIGHUP)
        server.has_said("INFOO")
        assert server.workers() == workers
        server.get("/n/1")
        server.access.wait(lambda record: value(record, "url.path") == "/n/1")
        server.write_config(good)
        server.send(signal.SIGHUP)
        server.wait_workers(1, but=workers)
        server.get("/n/2")
        server.access.wait(lambda record: value(record, "url.path") == "/n/2")


# -- what a reload changes


def test_a_reload_moves_the_log_and_loses_nothing(tmp_path: Path, worker_options: list[str]) -> None:
    """The old workers' records go where the old configuration says, the new ones' where the new one says."""

    def to(name: str) -> str:
        return config(
            handlers={
                "moving": {"class": "logging.FileHandler", "filename": f"logs/{name}", "formatter": "plain"}
            },
            loggers={"records": ["moving"]},
        )

    with serving(tmp_path, "loggers", worker_options, logs=to("one.log")) as server:
        for number in range(10):
            server.get(f"/n/{number}")
        reload(server, to("two.log"))
        for number in range(10, 20):
            server.get(f"/n/{number}")
    assert lines([server.logs / "one.log"]) == [f"INFO records number={number}" for number in range(10)]
    assert lines([server.logs / "two.log"]) == [f"INFO records number={number}" for number in range(10, 20)]


def test_a_reload_changes_levels_and_formats_of_a_file_that_stays_open(
    tmp_path: Path, worker_options: list[str]
) -> None:
    def written(level: str, formatter: str) -> str:
        return config(
            formatters={"loud": {"format": "LOUD %(message)s"}},
            handlers={
                "kept": {"class": "logging.FileHandler", "filename": "logs/kept.log", "formatter": formatter}
            },
            loggers={"records": {"level": level, "handlers": ["kept"], "propagate": False}},
        )

    with serving(tmp_path, "loggers", worker_options, logs=written("INFO", "plain")) as server:
        server.get("/n/1")
        reload(server, written("WARNING", "plain"))
        server.get("/n/2")
        reload(server, written("INFO", "loud"))
        server.get("/n/3")
    assert lines([server.logs / "kept.log"]) == ["INFO records number=1", "LOUD number=3"]


def reload(server: LoggedServer, text: str) -> None:
    """HUP with another configuration; returns when only new workers run."""
    before = server.workers()
    server.write_config(text)
    server.send(signal.SIGHUP)
    server.wait_workers(1, but=before)
