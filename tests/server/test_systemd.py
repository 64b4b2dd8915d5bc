"""The server under a service manager: when it says what, and the sockets that it is handed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.notify import Manager
from tests.support.server import ROOT
from tests.support.waiting import wait_for
from tests.support.wire import Client


def test_ready_reloading_stopping(start_server: StartServer, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = start_server(
            "tests.apps.report", "--workers", "2", environment={"NOTIFY_SOCKET": manager.name}
        )
        ready = manager.wait("READY")
        assert len(server.workers()) == 2, "ready means that the workers are"
        assert manager.told()[ready - 1]["STATUS"] == "serving, 2 workers"
        server.send(signal.SIGHUP)
        reloading = manager.wait("RELOADING", after=ready)
        assert int(manager.told()[reloading - 1]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        again = manager.wait("READY", after=reloading)
        server.send(signal.SIGTTIN)
        more = manager.wait("STATUS", "serving, 3 workers", after=again)
        server.stop()
        manager.wait("STOPPING", after=more)
        told = [key for message in manager.told() for key in message if key.isupper() and key != "STATUS"]
        assert told == ["READY", "RELOADING", "MONOTONIC_USEC", "READY", "READY", "STOPPING"]


def test_a_reload_that_is_refused_ends_for_the_manager_too(new_server: StartServer, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = new_server("tests.apps.report", environment={"NOTIFY_SOCKET": manager.name})
        server.expect("not reloaded")
        configuration = server.directory / "logging.yaml"
        server.start()
        ready = manager.wait("READY")
        good = configuration.read_text()
        configuration.write_text(good + "\nnonsense: [")
        server.send(signal.SIGHUP)
        reloading = manager.wait("RELOADING", after=ready)
        refused = manager.wait("READY", after=reloading)
        assert "the last reload was refused" in manager.told()[refused - 1]["STATUS"]
        configuration.write_text(good)
        server.send(signal.SIGHUP)
        reloading = manager.wait("RELOADING", after=refused)
        manager.wait("STATUS", "serving, 1 worker", after=reloading)


def test_a_reload_whose_workers_cannot_boot_was_refused(new_server: StartServer, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = new_server("shop:app", environment={"NOTIFY_SOCKET": manager.name})
        server.leaves |= {"shop.py", "__pycache__"}
        server.expect("could not boot|not this time|new workers")
        (server.directory / "shop.py").write_text("from tests.apps.report import application as app")
        server.start()
        ready = manager.wait("READY")
        (server.directory / "shop.py").write_text("raise ValueError('not this time')")
        server.send(signal.SIGHUP)
        reloading = manager.wait("RELOADING", after=ready)
        again = manager.wait("READY", after=reloading)
        assert "the last reload was refused" in manager.told()[again - 1]["STATUS"]
        assert server.get("/").status == 200


def test_a_start_that_fails_is_never_ready(new_server: StartServer, tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        server = new_server("tests.apps.none_such", environment={"NOTIFY_SOCKET": manager.name})
        server.expect("")
        server.spawn()
        assert server.wait_exit() == 4
        stopping = manager.wait("STOPPING")
        assert "none_such" in manager.told()[stopping - 1]["STATUS"]
        assert not any("READY" in message for message in manager.told())


def test_the_watchdog_hears_nothing_from_an_arbiter_that_stands_still(
    start_server: StartServer, tmp_path: Path
) -> None:
    with Manager(tmp_path / "notify") as manager:
        environment = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"}
        server = start_server("tests.apps.report", environment=environment)
        manager.wait("READY")
        alive = manager.wait("WATCHDOG")
        alive = manager.wait("WATCHDOG", after=alive)
        server.send(signal.SIGSTOP)
        wait_for(lambda: Path(f"/proc/{server.pid}/stat").read_text().split(") ")[1][0] == "T")
        count = len(manager.told())
        time.sleep(0.5)  # the span in which it would have told
        assert len(manager.told()) == count
        server.send(signal.SIGCONT)
        manager.wait("WATCHDOG", after=count)


@pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"),
    reason="no systemd-socket-activate; apt-get install systemd",
)
def test_socket_activation(tmp_path: Path) -> None:
    """systemd-socket-activate listens, waits for the first client, and executes the server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    output = tmp_path / "output.txt"
    command = [
        *("systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-l", str(tmp_path / "unix.sock")),
        *("--fdname=web:local", "-E", f"PYTHONPATH={ROOT}"),
        *(sys.executable, "-m", "logserve", "tests.apps.report"),
    ]
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file, start_new_session=True)
    try:
        wait_for(lambda: "Listening on" in output.read_text(), 10, output.read_text)
        for address in (("127.0.0.1", port), str(tmp_path / "unix.sock")):
            with Client(address) as client:
                assert client.request("/").status == 200
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0, output.read_text()
    finally:
        process.kill()
    text = output.read_text()
    assert re.search(
        rf"listening at http://127.0.0.1:{port} \(pid {process.pid}\), handed over by systemd as 'web'", text
    )
    assert re.search(r"listening at unix:\S+unix.sock .* as 'local'", text)
    assert "8000" not in text, "what was handed over takes the place of --bind"
    assert (tmp_path / "unix.sock").exists(), "it is the manager's"
