"""Files that rotate, are reopened and are moved away under load: no line lost, doubled, torn or out of order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.logging_e2e.harness import (
    Hammer,
    LoggedServer,
    assert_application_lines,
    assert_same,
    config,
    family,
    lines,
    numbers_of,
    records,
    serving,
)
from tests.support.server import ROOT
from tests.support.waiting import wait_for

WORKERS = ("--workers", "3")
Handler = dict[str, Any]


def logging_of(access: Handler, application: Handler) -> str:
    """The access log in ECS to one handler, the application's counted lines to another."""
    return config(
        formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
        handlers={
            "access": {"filename": "logs/access.json", "formatter": "ecs", **access},
            "application": {"filename": "logs/app.log", "formatter": "counted", **application},
        },
        loggers={"logserve.access": ["access"], "records": ["application"]},
    )


def assert_nothing_lost(server: LoggedServer, answered: list[int]) -> None:
    assert answered
    assert_same(numbers_of(records(family(server.logs, "access.json"))), answered, "access log")
    assert_application_lines(lines(family(server.logs, "app.log")), answered, "application log")


def pieces(server: LoggedServer, name: str) -> Callable[[], int]:
    return lambda: len(family(server.logs, name))


def hang_up(server: LoggedServer, workers: int) -> None:
    before = server.workers()
    server.send(signal.SIGHUP)
    server.wait_workers(workers, but=before)


def test_timed_rotation_each_second_with_usr1_and_hup_between(
    tmp_path: Path, worker_options: list[str]
) -> None:
    each_second = {"class": "logging.handlers.TimedRotatingFileHandler", "when": "S"}
    logs = logging_of(each_second, each_second)
    with (
        serving(tmp_path, "records", [*worker_options, *WORKERS], logs=logs) as server,
        Hammer(server) as hammer,
    ):
        hammer.reach(100)
        server.send(signal.SIGUSR1)
        hammer.reach(100)
        hang_up(server, 3)
        hammer.reach(100)
        server.send(signal.SIGUSR1)
        wait_for(lambda: pieces(server, "app.log")() >= 3, 20, server.describe)
        wait_for(lambda: pieces(server, "access.json")() >= 3, 20, server.describe)
    assert_nothing_lost(server, hammer.answered)


def test_rotation_by_size_with_usr1_and_hup_between(tmp_path: Path, worker_options: list[str]) -> None:
    by_size = {
        "class": "logging.handlers.RotatingFileHandler",
        "maxBytes": 20_000,
        "backupCount": 10_000,
    }
    logs = logging_of(by_size, by_size)
    with (
        serving(tmp_path, "records", [*worker_options, *WORKERS], logs=logs) as server,
        Hammer(server) as hammer,
    ):
        wait_for(lambda: pieces(server, "access.json")() >= 3, 20, server.describe)
        server.send(signal.SIGUSR1)
        hang_up(server, 3)
        server.send(signal.SIGUSR1)
        wait_for(lambda: pieces(server, "app.log")() >= 3, 20, server.describe)
    assert_nothing_lost(server, hammer.answered)
    rotated = [path for path in family(server.logs, "access.json") if path.name != "access.json"]
    assert all(path.stat().st_size <= 20_000 for path in rotated), "a file grew beyond maxBytes"


def test_a_watched_file_is_moved_away_again_and_again(tmp_path: Path, worker_options: list[str]) -> None:
    watched = {"class": "logging.handlers.WatchedFileHandler"}
    logs = logging_of(watched, watched)
    with (
        serving(tmp_path, "records", [*worker_options, *WORKERS], logs=logs) as server,
        Hammer(server) as hammer,
    ):
        for turn in range(1, 5):
            for name in ("access.json", "app.log"):
                path = server.logs / name
                wait_for(lambda: path.exists() and path.stat().st_size > 0, 20, server.describe)  # noqa: B023 - called at once
                path.rename(path.with_name(f"{name}.{turn}"))
            if turn == 2:
                hang_up(server, 3)
    assert_nothing_lost(server, hammer.answered)


def test_logrotate_moves_plain_files_and_sends_usr1(tmp_path: Path, worker_options: list[str]) -> None:
    plain = {"class": "logging.FileHandler"}
    logs = logging_of(plain, plain)
    with (
        serving(tmp_path, "records", [*worker_options, *WORKERS], logs=logs) as server,
        Hammer(server) as hammer,
    ):
        for turn in range(1, 5):
            hammer.reach(50)
            for name in ("access.json", "app.log"):
                os.rename(server.logs / name, server.logs / f"{name}.{turn}")
            server.send(signal.SIGUSR1)
            for name in ("access.json", "app.log"):
                wait_for((server.logs / name).exists, 10, server.describe)
    assert_nothing_lost(server, hammer.answered)


def test_a_rotated_name_that_exists_already_is_not_overwritten(tmp_path: Path) -> None:
    """With a suffix that has no seconds in it each second's file wants the same name."""
    logs = logging_of(
        {
            "class": "logging.handlers.TimedRotatingFileHandler",
            "when": "S",
            ".": {"suffix": "%Y"},
        },
        {"class": "logging.FileHandler"},
    )
    with serving(tmp_path, "records", WORKERS, logs=logs) as server, Hammer(server, clients=2) as hammer:
        wait_for(lambda: pieces(server, "access.json")() >= 3, 20, server.describe)
    assert_nothing_lost(server, hammer.answered)


def test_what_an_earlier_run_left_behind_stays(tmp_path: Path) -> None:
    """A restart within one interval: the name of the first rotation is there, with other lines in it."""
    logs = logging_of(
        {"class": "logging.handlers.TimedRotatingFileHandler", "when": "S", ".": {"suffix": "kept"}},
        {"class": "logging.FileHandler"},
    )
    server = LoggedServer(tmp_path, "tests.logging_e2e.apps.records:app", WORKERS, logs=logs)
    (server.logs / "access.json.kept").write_text("from an earlier run\n")
    try:
        server.start()
        with Hammer(server, clients=1):
            wait_for(lambda: pieces(server, "access.json")() >= 3, 20, server.describe)
        assert server.stop() == 0
        assert (server.logs / "access.json.kept").read_text() == "from an earlier run\n"
    finally:
        server.kill()


def test_old_files_beyond_backup_count_are_removed(tmp_path: Path) -> None:
    logs = logging_of(
        {"class": "logging.handlers.RotatingFileHandler", "maxBytes": 5_000, "backupCount": 2},
        {"class": "logging.FileHandler"},
    )
    with serving(tmp_path, "records", WORKERS, logs=logs) as server, Hammer(server, clients=2) as hammer:
        hammer.reach(100)
    names = sorted(path.name for path in family(server.logs, "access.json"))
    assert names == ["access.json", "access.json.1", "access.json.2"]
    found = numbers_of(records(family(server.logs, "access.json")))
    assert found, "nothing was kept"
    assert len(set(found)) == len(found)


def test_the_gunicorn_era_module_with_four_workers_that_rotates_each_second(
    tmp_path: Path, worker_options: list[str]
) -> None:
    """examples/gunicorn_module: each worker makes its own handler at import; nothing is lost or doubled."""
    directory = ROOT / "examples" / "gunicorn_module"
    with (
        serving(
            tmp_path,
            "app:app",
            [*worker_options, "--workers", "4", "--pythonpath", str(directory)],
            environment={"ROTATE_WHEN": "S", "ROTATE_SUFFIX": "%Y%m%d"},
            logs=None,  # the module's setFormatter reaches every handler of the server's error log
        ) as server,
        Hammer(server, path="/n") as hammer,
    ):
        wait_for(lambda: pieces(server, "service.log")() >= 3, 20, server.describe)
        server.send(signal.SIGUSR1)
        hang_up(server, 4)
        hammer.reach(50)
    found = [line for line in lines(family(server.logs, "service.log")) if "request for /n/" in line]
    assert_same([int(line.rpartition("/")[2]) for line in found], hammer.answered, "service.log")
    imported = [line for line in lines(family(server.logs, "service.log")) if line.endswith("imported")]
    assert len({line.split("[")[1].split("]")[0] for line in imported}) == len(imported) == 8
