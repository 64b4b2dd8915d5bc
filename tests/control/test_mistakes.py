"""No server, another's, a stale socket, a place where none can be: a sentence and an exit code for each."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.control.client import Done, asked, ctl, told
from tests.support.server import ROOT, Server
from tests.support.waiting import wait_for

APP = "tests.apps.control_paths"
OTHER = 65534
"""The user id of somebody else."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """With one worker and a control socket beside its pidfile."""
    server = start_server(APP, "--pid", "app.pid")
    server.wait_workers(1)
    return server


def refused(done: Done, status: int, *words: str) -> None:
    """It ended with this code and one sentence with these words, and nothing else."""
    assert done.returncode == status, done
    assert len(done.stderr.splitlines()) == 1, done
    assert done.stderr.startswith("logserve: ")
    for word in words:
        assert word in done.stderr, done


# -- the client's


def test_without_a_server(tmp_path: Path) -> None:
    done = ctl("status", "--pid", "app.pid", cwd=tmp_path)
    refused(done, 3, "no server: there is no socket app.ctl", "--control-socket")
    assert done.stdout == ""


def test_errors_as_json(tmp_path: Path) -> None:
    done = ctl("status", "--json", "-s", "none.ctl", cwd=tmp_path)
    refused(done, 3)
    assert json.loads(done.stdout)["error"]["code"] == "no_server"


def test_a_stale_socket(start_server: StartServer) -> None:
    """A server that was killed has left it; the next one replaces it."""
    server = start_server(APP, "--pid", "app.pid")
    server.expect(".")
    os.killpg(server.pid, signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL
    done = ctl("status", "--pid", "app.pid", cwd=server.directory)
    refused(done, 3, "nobody listens at app.ctl", "killed")
    server.spawn()
    wait_for(lambda: ctl("status", "--pid", "app.pid", cwd=server.directory).returncode == 0, 20)


def test_what_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "app.ctl").write_text("text")
    refused(ctl("status", "--pid", "app.pid", cwd=tmp_path), 3, "app.ctl is no socket")


def test_where_the_server_is_was_not_said(tmp_path: Path) -> None:
    refused(ctl("status", cwd=tmp_path), 2, "names neither a pidfile nor a control socket", "--pid PATH")
    environment = {"LOGSERVE_NO_CONTROL_SOCKET": "1"}
    refused(ctl("status", cwd=tmp_path, environment=environment), 2, "has no control socket")


def test_the_configuration_says_where_the_server_is(new_server: StartServer) -> None:
    server = new_server(APP)
    (server.directory / "gunicorn.conf.py").write_text("pidfile = 'app.pid'\ncontrol_socket = 'steer.sock'\n")
    server.leaves.add("gunicorn.conf.py")
    server.start()
    done = ctl("status", "--json", cwd=server.directory)
    assert json.loads(done.stdout)["server"]["pid"] == server.pid
    elsewhere = ctl(
        "status", "--json", "-c", str(server.directory / "gunicorn.conf.py"), cwd=server.temporary
    )
    refused(elsewhere, 3, "there is no socket")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["frobnicate"], "no such command 'frobnicate'"),
        (["workers", "add", "none"], "'none' is not a valid integer"),
        (["workers", "add", "0"], "0 is not in the range"),
        (["workers", "grow"], "'grow' is not one of"),
        (["kill"], "missing argument"),
        (["--json", "status"], "no such option"),
    ],
)
def test_the_command_line(tmp_path: Path, words: list[str], part: str) -> None:
    refused(ctl(*words, cwd=tmp_path), 2, part, "--help")


def test_help(tmp_path: Path) -> None:
    for words in (["--help"], ["status", "--help"]):
        done = ctl(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "status" in done.stdout


def test_an_application_in_a_module_named_ctl(new_server: StartServer) -> None:
    server = new_server("ctl", "--workers", "1")
    server.command = [*server.command[:3], "ctl", *[word for word in server.command[3:] if word != "ctl"]]
    server.leaves |= {"ctl.py", "__pycache__"}
    (server.directory / "ctl.py").write_text("from tests.apps.control_paths import application as app\n")
    server.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    assert server.start().get("/pid").status == 200


# -- the server's


def test_a_worker_of_another_server(server: Server) -> None:
    (pid,) = server.workers()
    for other in (1, os.getpid(), server.pid, server.collector()):
        said = told(server, "kill", str(other), status=1)
        assert said == (f"logserve: found process id {other}, expected a worker's of this server: {pid}\n")
        assert "expected a worker's of this server" in told(server, "stacks", str(other), status=1)
    assert server.workers() == [pid]


def test_more_workers_than_may_be_or_fewer(server: Server) -> None:
    said = told(server, "workers", "remove", status=1)
    assert "found 1 workers and a wish for 1 fewer, expected 1 to 120 to be left" in said
    assert "120" in told(server, "workers", "add", "120", status=1)
    assert asked(server, "status")["server"]["workers_wanted"] == 1


def test_a_stopped_server(server: Server) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        done = ctl("status", "--pid", "app.pid", "--timeout", "0.5", cwd=server.directory)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    refused(done, 6, "did not answer within 0.5 s", "stopped")


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Somebody who says this to the first client, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def run() -> None:
            with listener.accept()[0] as client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"version": 9, "logserve": "7.0", "ok": True, "result": {}}, 5, ["logserve 7.0", "version 9"]),
        (
            {"version": 2, "ok": False, "error": {"code": "version", "message": "?"}},
            5,
            ["an unknown version", "version 2", "version 1"],
        ),
        ({"hello": "world"}, 5, ["does not answer as a logserve"]),
        ({"version": 1, "ok": False, "error": {"code": "new", "message": "a reason"}}, 1, ["a reason"]),
    ],
)
def test_a_server_of_another_version(
    tmp_path: Path, answer: dict[str, object], status: int, words: list[str]
) -> None:
    with answering(tmp_path / "app.ctl", json.dumps(answer).encode() + b"\n"):
        refused(ctl("status", "--pid", "app.pid", cwd=tmp_path), status, *words)


def test_a_server_that_ends_before_it_answers(tmp_path: Path) -> None:
    with answering(tmp_path / "app.ctl", b""):
        refused(ctl("status", "--pid", "app.pid", cwd=tmp_path), 6, "hung up before it had answered")


# -- who may


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that everybody can reach, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@needs_root
def test_somebody_else_is_not_answered(new_server: StartServer, open_directory: Path) -> None:
    """Neither by the file's permissions nor, where these let everybody in, by the server."""
    path = open_directory / "app.ctl"
    server = new_server(APP, "--control-socket", str(path)).start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # The interpreter's own directory may be closed to others: the child asks by hand.
    assert _as_other(path) == "PermissionError"
    path.chmod(0o666)
    said = json.loads(_as_other(path))
    assert (said["ok"], said["error"]["code"]) == (False, "not_allowed")
    assert said["error"]["message"] == f"found user id {OTHER}, expected 0, which is the server's, or root's"
    done = ctl("status", "--json", "-s", str(path), cwd=server.directory)
    assert json.loads(done.stdout)["server"]["pid"] == server.pid


def _as_other(path: Path) -> str:
    """What a child without rights hears when it asks to shut the server down, or the error that it gets."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        heard = b"?"
        try:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(str(path))
                with suppress(BrokenPipeError):  # it may have been refused by now
                    client.sendall(b'{"version": 1, "command": "shutdown"}\n')
                heard = client.recv(65536)
        except OSError as error:
            heard = type(error).__name__.encode()
        finally:
            os.write(writer, heard)
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        heard = pipe.read()
    os.waitpid(pid, 0)
    return heard.decode()


# -- the socket's place


def test_the_mode_that_was_asked_for(start_server: StartServer) -> None:
    server = start_server(APP, "--control-socket", "steer", "--control-socket-mode", "640")
    assert stat.S_IMODE((server.directory / "steer").stat().st_mode) == 0o640


def test_off(start_server: StartServer) -> None:
    server = start_server(APP, "--pid", "app.pid", "--no-control-socket")
    assert not (server.directory / "app.ctl").exists()


def test_none_without_a_pidfile(start_server: StartServer) -> None:
    server = start_server(APP)
    assert [path for path in server.directory.iterdir() if path.is_socket()] == []


def start_refused(server: Server, *words: str) -> None:
    """It does not start, and says why."""
    server.expect(".")
    assert server.spawn().wait_exit() == 1, server.describe()
    for word in words:
        assert word in server.output(), server.describe()


def test_a_path_that_is_too_long(new_server: StartServer) -> None:
    path = "d/" * 60 + "app.ctl"
    server = new_server(APP, "--control-socket", path)
    start_refused(server, f"--control-socket: found a path of {len(path)} bytes", "at most 107")
    refused(ctl("status", "-s", path, cwd=server.directory), 3, "at most 107")


def test_one_that_was_not_asked_for_keeps_no_server_from_starting(new_server: StartServer) -> None:
    server = new_server(APP)
    name = "p" * 110
    server.command += ["--pid", f"{name}.pid"]
    server.start()
    server.error.wait_message("'logserve ctl' will not find this server: found a path of 114 bytes")
    assert server.get("/pid").status == 200


def test_a_directory_that_is_not_there(new_server: StartServer) -> None:
    server = new_server(APP, "--control-socket", "nowhere/app.ctl")
    start_refused(server, "--control-socket: the directory ", "nowhere", "No such file or directory")


def test_a_directory_that_everybody_may_write(new_server: StartServer) -> None:
    server = new_server(APP, "--control-socket", "open/app.ctl")
    server.leaves.add("open")
    (server.directory / "open").mkdir()
    (server.directory / "open").chmod(0o777)
    start_refused(server, "may be written by everybody (mode 777)")


def test_something_else_is_in_its_place(new_server: StartServer) -> None:
    server = new_server(APP, "--control-socket", "app.ctl")
    server.leaves.add("app.ctl")
    (server.directory / "app.ctl").write_text("precious")
    start_refused(server, "--control-socket: app.ctl exists and is no socket")
    assert (server.directory / "app.ctl").read_text() == "precious"


def test_another_server_listens_there(new_server: StartServer, server: Server) -> None:
    second = new_server(APP, "--control-socket", str(server.directory / "app.ctl"))
    start_refused(second, "another server listens at ", "stop it, or name another path")
    assert asked(server, "status")["server"]["pid"] == server.pid


def test_a_socket_that_was_replaced_is_not_removed(server: Server) -> None:
    path = server.directory / "app.ctl"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as mine:
        mine.bind(str(path))
        assert server.stop() == 0
        assert path.is_socket()
    path.unlink()


def test_the_bad_mode_is_named(new_server: StartServer) -> None:
    server = new_server(APP, "--control-socket-mode", "rw-------")
    server.expect(".")
    assert server.spawn().wait_exit() == 2
    assert "--control-socket-mode: found 'rw-------', expected permissions in octal" in server.output()


def test_the_clients_directory_does_not_matter(server: Server) -> None:
    done = ctl("status", "--json", "-s", str(server.directory / "app.ctl"), cwd=ROOT)
    assert json.loads(done.stdout)["server"]["pid"] == server.pid
