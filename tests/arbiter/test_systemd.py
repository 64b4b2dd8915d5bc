"""systemd's two small protocols, against real sockets."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from logserve.arbiter.systemd import HandedSocket, Notifier, take_sockets
from logserve.errors import ConfigurationError
from tests.support.notify import Manager


def test_sockets_that_were_meant_for_another_process_are_not_taken() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    assert take_sockets(environment, 2) == []
    assert environment == {"HOME": "/"}, "and nobody below takes them for its own either"


def test_sockets_with_their_names(tmp_path: Path) -> None:
    """Descriptors 3 and 4 are only sure to be sockets in a process of its own."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                fd = os.dup(listener.fileno())
                for number in (3, 4):
                    os.dup2(fd, number, inheritable=True)
                environment = {
                    "LISTEN_PID": str(os.getpid()),
                    "LISTEN_FDS": "2",
                    "LISTEN_FDNAMES": "web",
                }
                taken = take_sockets(environment, os.getpid())
                good = taken == [HandedSocket(3, "web"), HandedSocket(4, "")]
                code = 0 if good and not os.get_inheritable(3) and not environment else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("count", "problem"),
    [("two", "LISTEN_FDS: found 'two', expected a number of descriptors"), ("20000", "is not open")],
)
def test_nonsense_is_a_sentence(count: str, problem: str) -> None:
    pid = os.fork()
    if not pid:
        os.closerange(3, 100)
        code = 1
        try:
            take_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count}, os.getpid())
        except ConfigurationError as error:
            code = 0 if problem in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_told_arrives(tmp_path: Path, abstract: bool) -> None:
    name = f"@logserve-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with Manager(name) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": name}, os.getpid())
        notifier.tell("READY=1", "STATUS=serving")
        before = time.monotonic_ns() // 1000
        notifier.tell_reloading()
        ready, reloading = manager.told()
        assert ready == {"READY": "1", "STATUS": "serving"}
        assert reloading["RELOADING"] == "1"
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        notifier.close()


def test_a_queue_that_is_full_is_not_waited_for_and_loses_nothing(tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.name}, os.getpid())
        for number in range(3000):  # more than net.unix.max_dgram_qlen and any buffer
            notifier.tell(f"STATUS={number}")
        assert notifier.next_deadline() is not None
        while notifier.next_deadline() is not None:
            manager.told()
            notifier.act_on_time(time.monotonic())
        assert [message["STATUS"] for message in manager.told()] == [str(n) for n in range(3000)]
        notifier.close()


def test_a_manager_that_is_gone_is_said_once(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}, os.getpid())
    notifier.tell("READY=1")
    assert "No such file" in notifier.problem
    assert not notifier.active
    notifier.tell("STATUS=x")


def test_an_address_of_another_kind_is_said() -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}, os.getpid())
    assert "'vsock:2:1234', expected a path" in notifier.problem
    assert not notifier.active


@pytest.mark.parametrize(
    ("variables", "every"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_come_at_half_the_time(
    tmp_path: Path, variables: dict[str, str], every: float | None
) -> None:
    with Manager(tmp_path / "notify") as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.name, **variables}, os.getpid())
        now = time.monotonic()
        notifier.act_on_time(now)
        notifier.act_on_time(now + 0.1)
        assert len(manager.told()) == (0 if every is None else 1)
        assert notifier.next_deadline() == (None if every is None else now + every)
        notifier.close()
