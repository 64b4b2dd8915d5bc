"""``--user``, ``--group``, ``--initgroups``, ``--umask``: who the processes are, and whose the files."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.journal import value
from tests.support.server import ROOT, Server

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may become another user; run the tests as root"
)

NOBODY = pwd.getpwnam("nobody")


def python_for_everybody() -> tuple[str, str]:
    """An interpreter that nobody may run, and its module path: root's own may lie in a directory of root's."""
    site = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])
    for python, path in ((sys.executable, str(ROOT)), ("/usr/bin/python3", site)):
        done = subprocess.run(
            [
                python,
                "-c",
                f"import os; os.setresuid(*[{NOBODY.pw_uid}] * 3); import asyncio, msgspec, httptools, yaml",
            ],
            env={"PYTHONPATH": path},
            cwd="/",
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return python, path
    pytest.skip("no Python 3.11 that the user nobody may read; install one outside of root's home")


def as_nobody() -> tuple[str, ...]:
    """The start of a command that runs as nobody, where this is root."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")


def ids(pid: int, which: str) -> set[int]:
    """The real, effective, saved and file system's ids of a process, or its groups."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return {int(word) for word in line.split()[1:]}
    raise AssertionError(which)


def opened_up(server: Server) -> None:
    """Let everybody read the program, and write the server's directories (pytest makes them for one user)."""
    server.command[0], server.environment["PYTHONPATH"] = python_for_everybody()
    for directory in (server.directory, server.temporary):
        directory.chmod(0o777)
        for parent in directory.parents:
            if parent.owner() != "root" or parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(0o755)


@needs_root
@pytest.mark.parametrize("start", [(), ("--preload",)], ids=["plain", "preload"])
def test_workers_and_collector_give_up_root(new_server: StartServer, start: tuple[str, ...]) -> None:
    options = ("--user", "nobody", "--bind", "unix:served.sock", "--umask", "027", *start)
    server = new_server("tests.apps.wsgi_paths", *options)
    opened_up(server)
    server.start()
    (worker,) = server.wait_workers(1)
    for pid in (worker, server.collector()):
        assert ids(pid, "Uid") == {NOBODY.pw_uid}
        assert ids(pid, "Gid") == {NOBODY.pw_gid}
        assert ids(pid, "Groups") == {NOBODY.pw_gid}, "root's are given up"
    assert ids(server.pid, "Uid") == {0}
    assert server.get("/").status == 200
    server.access.wait(lambda record: value(record, "url.path") == "/")
    access = (server.directory / "access.json").stat()
    assert (access.st_uid, access.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert stat.S_IMODE(access.st_mode) == 0o640
    unix = (server.directory / "served.sock").stat()
    assert (unix.st_uid, unix.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert stat.S_IMODE(unix.st_mode) == 0o750
    os.kill(server.collector(), signal.SIGKILL)  # the next one, which is spawned after --preload
    server.error.wait(lambda record: "another goes on" in str(record.get("message")))
    server.get("/")
    server.access.wait(lambda record: value(record, "url.path") == "/", count=2)
    assert ids(server.collector(), "Uid") == {NOBODY.pw_uid}
    server.expect("another goes on")
    server.send(signal.SIGHUP)
    (worker,) = server.wait_workers(1, but=[worker])
    assert ids(worker, "Uid") == {NOBODY.pw_uid}


@needs_root
def test_a_group_of_its_own_and_the_groups_of_the_user(new_server: StartServer) -> None:
    daemon = pwd.getpwnam("daemon")
    group = grp.getgrnam("games")
    server = new_server("tests.apps.report", "--user", "daemon", "--group", "games", "--initgroups")
    opened_up(server)
    server.start()
    (worker,) = server.wait_workers(1)
    assert ids(worker, "Uid") == {daemon.pw_uid}
    assert ids(worker, "Gid") == {group.gr_gid}
    assert ids(worker, "Groups") == set(os.getgrouplist("daemon", group.gr_gid))


@needs_root
def test_a_number_without_an_entry(new_server: StartServer) -> None:
    server = new_server("tests.apps.report", "--user", "54321", "--group", "54321")
    opened_up(server)
    server.start()
    (worker,) = server.wait_workers(1)
    assert ids(worker, "Uid") == ids(worker, "Gid") == {54321}


@needs_root
def test_a_log_file_that_the_user_may_not_write_is_refused(new_server: StartServer) -> None:
    server = new_server("tests.apps.report", "--user", "nobody")
    opened_up(server)
    server.directory.chmod(0o755)
    server.expect("")
    server.spawn()
    assert server.wait_exit() == 1
    assert "'access.json' is not writable" in server.output()


def test_without_umask_a_unix_socket_is_everybodys(start_server: StartServer) -> None:
    """As with gunicorn: a proxy that is another user has to write to it."""
    server = start_server("tests.apps.report", "--bind", "unix:served.sock")
    assert stat.S_IMODE((server.directory / "served.sock").stat().st_mode) == 0o777
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((server.directory / "error.json").stat().st_mode) == 0o666 & ~umask


def run(*words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    python, path = python_for_everybody() if before else (sys.executable, str(ROOT))
    return subprocess.run(
        [*before, python, "-m", "logserve", *words, "tests.apps.report"],
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("--user", "nobdy"),
            (
                "logserve: --user: found 'nobdy', expected the name or the number of a user of this machine; "
                "did you mean 'nobody'?"
            ),
        ),
        (
            ("--group", "no-such-group"),
            "logserve: --group: found 'no-such-group', expected the name or the number of a group of this machine",
        ),
        (
            ("--umask", "089"),
            "logserve: --umask: found '089', expected an octal number from 0 to 0777, such as 027",
        ),
    ],
)
def test_who_does_not_exist_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr) == (2, sentence + "\n")


@needs_root
def test_only_root_becomes_another() -> None:
    done = run("--user", "daemon", before=as_nobody())
    assert done.returncode == 1
    assert done.stderr == (
        f"logserve: --user: found 'daemon' (1), expected the user that starts the server ({NOBODY.pw_uid}): "
        "only root may become another\n"
    )


@needs_root
def test_a_port_below_1024_without_rights() -> None:
    """In a network of its own, where the kernel's limit is the usual one."""
    alone = ("unshare", "--net")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --net is not permitted here")
    done = run("--bind", "0.0.0.0:80", before=(*alone, *as_nobody()))
    assert done.returncode == 1
    assert done.stderr.startswith(
        "logserve: --bind: '0.0.0.0:80': no permission to listen there (ports below 1024"
    )


def test_a_pidfile_in_use(start_server: StartServer) -> None:
    server = start_server("tests.apps.report", "--pid", "server.pid")
    path = server.directory / "server.pid"
    done = run("--bind", "127.0.0.1:0", "--pid", str(path))
    assert done.returncode == 1
    assert done.stderr == (
        f"logserve: --pid: {path} belongs to process {server.pid}, which runs; stop it, or name another file\n"
    )
    assert server.get("/").status == 200
