"""``logserve logs audit`` over the files of a real server, whole and then damaged."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import Load
from tests.support.server import ROOT, running
from tests.support.waiting import wait_for
from tests.support.wire import BadAnswer

LOGS = """\
version: 1
formatters:
  ecs: {(): logserve.ECSFormatter}
  json: {(): logserve.JSONFormatter}
handlers:
  access_file:
    class: logging.handlers.RotatingFileHandler
    filename: access.json
    maxBytes: 100000
    backupCount: 1000
    formatter: ecs
  error_file: {class: logging.FileHandler, filename: error.json, formatter: ecs}
  http_file: {class: logging.FileHandler, filename: http.json, formatter: ecs}
  warning_file: {class: logging.FileHandler, filename: warnings.json, formatter: ecs, level: WARNING}
  root_file: {class: logging.FileHandler, filename: app.json, formatter: json}
loggers:
  logserve.access: {level: INFO, handlers: [access_file], propagate: false}
  logserve.error: {level: INFO, handlers: [error_file], propagate: false}
  logserve.http: {level: DEBUG, handlers: [http_file], propagate: false}
root: {level: INFO, handlers: [root_file, warning_file]}
"""


def logserve(*arguments: str, cwd: Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "logserve", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=data,
        capture_output=True,
        timeout=30,
        check=False,
    )


def names(directory: Path, start: str = "") -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith(start))


def audit(directory: Path) -> tuple[int, dict[str, Any]]:
    done = logserve("logs", "audit", "--json", *names(directory), cwd=directory)
    assert not done.stderr, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]
) -> tuple[Path, dict[str, int]]:
    """The files of a server of which workers were killed under load, and the client's book."""
    directory = tmp_path_factory.mktemp("audit")
    options = [*worker_options, "--workers", "2"]
    with running(directory, "tests.insight.application:application", options, logs=LOGS) as server:
        server.expect("SIGKILL")
        for target in ("/order/1", "/thread", "/child", "/plain"):
            for _ in range(5):
                assert server.get(target).status == 200
        with Load(server, "client", clients=3, target=lambda name: f"/order/{name}") as load:
            load.wait_more(150)
            before = server.workers()
            os.kill(before[0], signal.SIGKILL)
            server.wait_workers(2, but=[before[0]])
            load.wait_more(150)
        before = server.workers()
        with pytest.raises((OSError, BadAnswer)):
            server.get("/die")
        wait_for(lambda: len(server.workers()) == 2 and set(server.workers()) != set(before))
        server.error.wait_message("booted", 4)  # two, and two in their place: each has loaded the application
        server.leaves |= {*names(server.directory, "access.json."), "warnings.json"}
    (server.directory / "logging.yaml").unlink()
    return server.directory, load.book.answered


@pytest.fixture
def files(written: tuple[Path, dict[str, int]], tmp_path: Path) -> Path:
    """A copy of them for a test to damage."""
    return Path(shutil.copytree(written[0], tmp_path / "copy"))


def event_id(line: bytes) -> str:
    return str(json.loads(line)["event"]["id"])


def take_out(file: Path, number: int) -> bytes:
    lines = file.read_bytes().splitlines(keepends=True)
    line = lines.pop(number)
    file.write_bytes(b"".join(lines))
    return line


def hole(report: dict[str, Any]) -> tuple[str, int, int]:
    (only,) = report["holes"]
    return only["kind"], only["first"], only["last"]


def number_of(identifier: str) -> int:
    return int(identifier.rpartition("-")[2].removeprefix("r"), 16)


def test_nothing_is_lost_or_doubled(written: tuple[Path, dict[str, int]]) -> None:
    directory, answered = written
    assert len(names(directory, "access.json.")) >= 2, "it should have rotated"
    done = logserve("logs", "audit", *names(directory), cwd=directory)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout.decode()
    verdict = done.stdout.decode().splitlines()[-1]
    assert verdict == "0 lost, 0 doubled, 0 lines that do not parse, 0 requests without an end"
    _, report = audit(directory)
    assert report["ok"] is True
    assert report["outcomes"]["worker_killed"] >= 1
    assert report["outcomes"]["ok"] >= 20 + len(answered)
    access_lines = sum(
        len((directory / name).read_bytes().splitlines()) for name in names(directory, "access.json")
    )
    assert report["access"] == access_lines
    boots = {worker["identity"]["boot_id"] for worker in report["workers"]}
    assert len(boots) == 1
    loaded = [worker for worker in report["workers"] if worker["application"]]
    assert len(loaded) >= 1 + 4 + 5, "the arbiter, two workers with their successors, the children"
    children = [
        worker
        for worker in report["workers"]
        if worker["identity"]["incarnation"] > 2**32 and worker["identity"]["slot"] < 255
    ]
    assert [child["application"]["records"] for child in children] == [1] * 5


def test_a_line_that_is_gone(files: Path) -> None:
    gone = event_id(take_out(files / "access.json.1", 10))
    code, report = audit(files)
    assert (code, hole(report)) == (1, ("access", number_of(gone), number_of(gone)))
    said = logserve("logs", "audit", *names(files), cwd=files).stdout.decode()
    assert gone in said
    assert said.splitlines()[-1].startswith("1 lost (1 unexplained), 0 doubled")


def test_an_application_s_line_that_is_gone(files: Path) -> None:
    lines = (files / "app.json").read_bytes().splitlines()
    place = next(place for place, line in enumerate(lines) if b"order 1 begins" in line)
    gone = event_id(take_out(files / "app.json", place))
    code, report = audit(files)
    assert (code, hole(report)) == (1, ("application", number_of(gone), number_of(gone)))


def test_a_request_s_last_line_that_is_gone(files: Path) -> None:
    """Behind it there is none, but the application's records name the request."""
    lines = (files / "access.json").read_bytes().splitlines()
    place = next(place for place, line in enumerate(lines) if b'"path":"/die"' in line)
    gone = event_id(take_out(files / "access.json", place))
    code, report = audit(files)
    assert (code, report["unended"]["ids"]) == (1, [gone])
    assert hole(report) == ("access", number_of(gone), number_of(gone))


def test_a_line_that_is_there_twice(files: Path) -> None:
    line = (files / "access.json.2").read_bytes().splitlines(keepends=True)[3]
    with (files / "access.json").open("ab") as file:
        file.write(line)
    code, report = audit(files)
    assert (code, report["doubled"], report["holes"]) == (1, 1, [])
    assert report["doubles"] == [{"event_id": event_id(line), "at": {"file": "access.json.2", "line": 4}}]


def test_a_line_that_is_torn(files: Path) -> None:
    line = take_out(files / "access.json.1", 10)
    with (files / "access.json.1").open("ab") as file:
        file.write(line[: len(line) // 2])
    last = len((files / "access.json.1").read_bytes().splitlines())
    code, report = audit(files)
    assert (code, report["unparsed"], report["doubled"]) == (1, 1, 0)
    assert report["unparsed_lines"][0]["at"] == {"file": "access.json.1", "line": last}
    assert hole(report) == ("access", number_of(event_id(line)), number_of(event_id(line)))


def test_compressed_files_and_the_standard_input(files: Path) -> None:
    for name in names(files, "access.json."):
        packed = gzip.compress((files / name).read_bytes())
        (files / f"{name}.gz").write_bytes(packed)
        (files / name).unlink()
    assert audit(files)[0] == 0
    everything = b"".join((files / name).read_bytes() for name in names(files, "access.json."))
    everything += gzip.compress((files / "access.json").read_bytes())
    done = logserve("logs", "audit", "-", cwd=files, data=everything)
    assert done.returncode == 0, done.stdout.decode()


def test_a_missing_file_of_a_rotated_set_and_of_a_handler(files: Path) -> None:
    oldest = max(names(files, "access.json."), key=lambda name: int(name.rpartition(".")[2]))
    (files / oldest).unlink()
    assert audit(files)[0] == 1
    access = names(files, "access.json")
    assert logserve("logs", "audit", "--older-gone", *access, cwd=files).returncode == 0
    assert logserve("logs", "audit", "warnings.json", cwd=files).returncode == 1, "the others are missing"
    assert logserve("logs", "audit", "--handlers-elsewhere", "warnings.json", cwd=files).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["audit"], "missing argument 'FILE..'; see 'logserve logs audit --help'"),
        (["audit", "--jsn", "x"], "no such option"),
        (["audit", "none.json"], "cannot read 'none.json': No such file or directory"),
        (["audit", "."], "cannot read '.': it is a directory, expected a file"),
        (["adit", "x"], "no such command 'adit'"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = logserve("logs", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"logserve: {sentence}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments", [["logs", "--help"], ["logs", "audit", "--help"], ["logs", "audit", "-h"]]
)
def test_help(arguments: list[str], tmp_path: Path) -> None:
    done = logserve(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"Usage: logserve {' '.join(arguments[:-1])}")


@pytest.mark.parametrize("app", [["logs"], ["logs:app"], ["logs", "--workers", "2"]])
def test_an_application_in_a_module_named_logs(app: list[str], tmp_path: Path) -> None:
    (tmp_path / "logs.py").write_text("def app(environ, start_response): return []\napplication = app\n")
    done = logserve(*app, "--check-config", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"logserve: the configuration is good\n")


def test_a_bar_only_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a":1}\n' * 10)
    primary, secondary = pty.openpty()
    with os.fdopen(primary, "rb", buffering=0) as terminal:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "logserve", "logs", "audit", "a.json"],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=secondary,
                timeout=30,
                check=False,
            )
        finally:
            os.close(secondary)
        shown = terminal.read(65536).decode()
    assert done.returncode == 0
    assert re.search(r"reading .*100%", shown)
    assert b"reading" not in done.stdout


def test_the_last_lines_of_each_worker(files: Path) -> None:
    """A worker that has ended says how far it had counted, so that nothing can be cut off behind its back."""
    code, report = audit(files)
    assert (code, report["unexplained"]) == (0, 0)
    (unjudged,) = report["not_judged"]
    assert unjudged.startswith("what came behind the last numbers of 8 of 10")
    worker = max(report["workers"], key=lambda worker: worker["access"]["last"] if worker["access"] else 0)
    last = worker["access"]["last"]
    ending = f"-{worker['identity']['slot']:x}-{worker['identity']['incarnation']:x}-{last:x}"
    for name in names(files, "access.json"):
        lines = (files / name).read_bytes().splitlines(keepends=True)
        (files / name).write_bytes(b"".join(line for line in lines if not event_id(line).endswith(ending)))
    code, report = audit(files)
    assert (code, hole(report)) == (1, ("access", last, last))
