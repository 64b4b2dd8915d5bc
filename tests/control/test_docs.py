"""What docs/ctl.md and docs/signals.md show is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from logserve.arbiter.control.protocol import COMMANDS, VERSION, Code, Refusal, read_answer, read_request
from logserve.arbiter.supervisor import SIGNALS
from logserve.cli.ctl import ctl as group
from logserve.cli.ctl_text import TEXTS
from tests.conftest import StartServer
from tests.control.client import ctl
from tests.support.server import ROOT
from tests.support.waiting import wait_for

PAGE = (ROOT / "docs" / "ctl.md").read_text()
SIGNALS_PAGE = (ROOT / "docs" / "signals.md").read_text()


def test_each_command_is_on_the_page_and_in_the_protocol() -> None:
    described = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    assert described == set(COMMANDS) == set(group.commands) == set(TEXTS)


def test_the_first_lines(new_server: StartServer, tmp_path: Path) -> None:
    """The two commands, with a directory that there is instead of /run/app."""
    serve, ask = re.findall(r"^    logserve (.*)$", PAGE, re.MULTILINE)[:2]
    assert serve.endswith(" app:app")
    pidfile = str(tmp_path / "app.pid")
    server = new_server(
        "tests.apps.control_paths",
        *serve.removesuffix(" app:app").replace("/run/app/app.pid", pidfile).split(),
    ).start()
    words = ask.replace("/run/app/app.pid", pidfile).split()
    assert words.pop(0) == "ctl"
    done = ctl(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"arbiter pid {server.pid}" in done.stdout
    assert (tmp_path / "app.ctl").is_socket()


def test_the_examples_of_the_protocol() -> None:
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith('    {"version"')]
    assert len(lines) == 4
    for request, answer in zip(lines[::2], lines[1::2], strict=True):
        assert read_request(request.encode(), "0").command in COMMANDS
        said = read_answer(answer.encode())
        assert said is not None
        assert said["version"] == VERSION
        if not said["ok"]:
            assert said["error"]["code"] in list(Code)


def test_an_answer_of_the_page_is_what_a_server_says(start_server: StartServer) -> None:
    server = start_server("tests.apps.control_paths", "--pid", "app.pid", "--workers", "2")
    done = ctl("workers", "add", "2", "--pid", "app.pid", "--json", cwd=server.directory)
    example = next(line for line in PAGE.splitlines() if '"workers_wanted"' in line)
    assert json.loads(done.stdout) == json.loads(example)["result"]
    wait_for(lambda: len(server.workers()) == 4)


def test_each_signal_of_the_arbiter_is_on_the_page() -> None:
    section = SIGNALS_PAGE.partition("## To the arbiter")[2].partition("## To a worker")[0]
    named = set(
        re.findall(r"\b[A-Z]+[12]?\b", " ".join(re.findall(r"^\| ([^|]*) \|", section, re.MULTILINE)))
    )
    assert {number.name.removeprefix("SIG") for number in SIGNALS} <= named


def test_each_command_of_the_signals_page_exists() -> None:
    cells = re.findall(r"\| ((?:`[^`|]+`(?:, )?)+) \|$", SIGNALS_PAGE, re.MULTILINE)
    commands = [command.split()[0] for cell in cells for command in re.findall(r"`([^`]+)`", cell)]
    assert set(commands) - {"logserve"} == {"shutdown", "reload", "reopen", "workers", "kill", "stacks"}


def test_a_request_of_another_version_is_told_so_before_anything_else() -> None:
    with pytest.raises(Refusal, match="version 7") as caught:
        read_request(b'{"version": 7, "command": "what is to come"}', "0.1.0")
    assert caught.value.code is Code.VERSION
