"""The server inside a program of one's own: the function and the class, started, reloaded, refused."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

import logserve
from logserve.errors import ConfigurationError
from tests.conftest import StartServer
from tests.support import processes
from tests.support.server import ROOT, Server

EXAMPLE = ROOT / "examples" / "embedded" / "app.py"


def program(new_server: StartServer, path: Path, *words: str, **environment: str) -> Server:
    server = new_server(None, logs=None, environment={"BIND": "127.0.0.1:0", **environment})
    server.command = [sys.executable, str(path), *words]
    return server


@pytest.mark.parametrize("words", [(), ("--class",)], ids=["function", "class"])
def test_the_example(new_server: StartServer, words: tuple[str, ...]) -> None:
    server = program(new_server, EXAMPLE, *words).start()
    assert server.get("/somewhere").body == b"Hello from a program\n"
    assert len(processes.children(server.pid)) == 3, "two workers and the collector"
    assert server.stop() == 0
    assert server.output().count("GET /somewhere 200") == 1


def test_the_collector_does_not_hold_the_application(new_server: StartServer) -> None:
    """It executes a program of its own: the kernel has given it another auxiliary vector (getauxval(3))."""
    server = program(new_server, EXAMPLE).start()
    (worker, _other) = server.wait_workers(2)
    arbiters, workers, collectors = (
        Path(f"/proc/{pid}/auxv").read_bytes() for pid in (server.pid, worker, server.collector())
    )
    assert arbiters == workers
    assert arbiters != collectors


def test_what_load_returns_has_to_be_an_application(new_server: StartServer, tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text("import logserve, sys\nsys.exit(logserve.run('app', bind='127.0.0.1:0'))\n")
    server = program(new_server, source)
    server.expect("")
    server.spawn()
    assert server.wait_exit() == 4
    assert "load() returned str, expected a WSGI application" in server.output()


def test_a_reload_asks_for_the_settings_again(new_server: StartServer, tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text(
        """\
import logserve

class Program(logserve.BaseApplication):
    asked = 0

    def load_config(self):
        type(self).asked += 1
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("workers", self.asked)

    def load(self):
        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(self.cfg.workers).encode()]
        return application

Program().run()
"""
    )
    server = program(new_server, source).start()
    assert server.get("/").body == b"1"
    (old,) = server.wait_workers(1)
    server.send(signal.SIGHUP)
    server.wait_workers(2, but=[old])
    assert server.get("/").body == b"2"


def test_what_is_wrong_is_said_by_its_name(new_server: StartServer, tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text(
        "import logserve\n"
        "class Program(logserve.BaseApplication):\n"
        "    def load_config(self):\n"
        "        self.cfg.set('workers', 'many')\n"
        "Program().run()\n"
    )
    server = program(new_server, source)
    server.expect("")
    server.spawn()
    assert server.wait_exit() == 1
    assert server.output() == (
        "logserve: argument workers: found 'many', expected a whole number from 1 to 120\n"
    )


def application(_environ: object, _start_response: object) -> list[bytes]:
    return []


def test_mistakes_of_the_program() -> None:
    with pytest.raises(ConfigurationError, match=r"^there is no setting 'wrokers'; did you mean 'workers'"):
        logserve.run(application, wrokers=2)
    with pytest.raises(ConfigurationError, match="argument daemon: only the command goes"):
        logserve.run(application, daemon=True)
    with pytest.raises(AttributeError, match="there is no setting 'nothing_like_it'"):
        logserve.BaseApplication().cfg.set("nothing_like_it", 1)


def test_another_thread_than_the_main_one() -> None:
    raised: list[BaseException] = []

    def call() -> None:
        try:
            logserve.run(application)
        except ConfigurationError as error:
            raised.append(error)

    thread = threading.Thread(target=call, name="helper")
    thread.start()
    thread.join(20)
    assert "was called in the thread 'helper', expected the main thread" in str(raised[0])
