"""``--daemon``: the command ends when the server is ready, or says why it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import StartServer
from tests.support import processes
from tests.support.notify import Manager
from tests.support.server import ROOT
from tests.support.waiting import wait_for
from tests.support.wire import Client


def command(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Its output is a pipe, which the background must not hold."""
    return subprocess.run(
        [sys.executable, "-m", "logserve", "--daemon", "--pid", "server.pid", *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_goes_on_in_the_background(tmp_path: Path) -> None:
    words = ("--error-logfile", "error.log", "--access-logfile", "access.log", "tests.apps.report")
    done = command(tmp_path, "--bind", "unix:served.sock", *words)
    pid = int((tmp_path / "server.pid").read_text())
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found = processes.process(pid)
        assert found is not None
        assert found.session not in (pid, os.getsid(0)), "a session of its own, which it does not lead"
        for child in (pid, *processes.children(pid)):
            assert {processes.descriptors(child)[fd] for fd in (0, 1, 2)} == {os.devnull}
        with Client(str(tmp_path / "served.sock")) as client:  # at once: the command has waited
            assert client.request("/").status == 200
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not processes.is_alive(pid), 20)
        assert "ready: 1 worker" in (tmp_path / "error.log").read_text()
        assert not (tmp_path / "server.pid").exists()
    finally:
        if processes.is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_under_systemd_it_stays_where_it_is(new_server: StartServer, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = new_server(
            "tests.apps.report", "--daemon", environment={"NOTIFY_SOCKET": manager.name}
        ).start()
        manager.wait("READY")
        assert server.exit_status() is None
        assert server.get("/").status == 200


def test_an_application_that_is_not_there(tmp_path: Path) -> None:
    done = command(tmp_path, "--bind", "127.0.0.1:0", "tests.apps.none_such")
    assert done.returncode == 4
    assert "none_such" in done.stderr
    assert done.stderr.startswith("logserve: ")


def test_an_address_in_another_ones_hands(tmp_path: Path) -> None:
    done = command(tmp_path, "--bind", "203.0.113.1:80", "tests.apps.report")
    assert done.returncode == 1
    assert done.stderr == "logserve: --bind: '203.0.113.1:80': this machine does not have that address\n"
