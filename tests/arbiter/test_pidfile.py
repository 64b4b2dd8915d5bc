"""The pid file: whole or not there, and never a live process's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logserve.arbiter.pidfile import PidFile
from logserve.errors import ConfigurationError


def dead_process() -> int:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_written_and_removed(tmp_path: Path) -> None:
    file = PidFile(str(tmp_path / "server.pid"))
    file.acquire()
    assert file.path.read_text() == f"{os.getpid()}\n"
    file.release()
    assert list(tmp_path.iterdir()) == []


def test_a_live_process_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    path.write_text(f"{os.getppid()}\n")
    file = PidFile(str(path))
    with pytest.raises(ConfigurationError, match=rf"^--pid: .*server.pid belongs to process {os.getppid()}"):
        file.acquire()
    file.release()
    assert path.read_text() == f"{os.getppid()}\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("left", ["dead", "garbage", "", "-1", "99999999999999999999"])
def test_what_a_crash_left_is_replaced(tmp_path: Path, left: str) -> None:
    path = tmp_path / "server.pid"
    path.write_text(str(dead_process()) if left == "dead" else left)
    file = PidFile(str(path))
    if left.startswith("9"):
        path.write_text("4194305\n")  # above the kernel's largest process id
    file.acquire()
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_directory_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot write .*/none/server.pid: No such file"):
        PidFile(str(tmp_path / "none" / "server.pid")).acquire()


def test_it_stays_the_same_file_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = PidFile("server.pid")
    file.acquire()
    monkeypatch.chdir("/")
    file.release()
    assert list(tmp_path.iterdir()) == []
