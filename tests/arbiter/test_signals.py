"""Signals are queued, in order, and end a sleep; a child has none of the arbiter's handlers."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from logserve.arbiter.forking import CRASHED, fork
from logserve.arbiter.signals import HANDLED, SignalQueue
from tests.support.processes import ignores
from tests.support.waiting import wait_for


@pytest.fixture
def signals() -> Iterator[SignalQueue]:
    queue = SignalQueue()
    yield queue
    queue.close()


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_signals_are_taken_in_order_and_once(signals: SignalQueue) -> None:
    for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert select.select([signals], [], [], 10)[0]
    assert signals.take() == [signal.SIGHUP, signal.SIGTTIN, signal.SIGUSR1]
    assert signals.take() == []
    assert not select.select([signals], [], [], 0)[0]


def test_a_signal_that_is_pushed_back_is_taken_later(signals: SignalQueue) -> None:
    signals.push(signal.SIGHUP)
    assert select.select([signals], [], [], 0)[0]
    assert signals.take() == [signal.SIGHUP]


def test_a_pause_ends_with_a_signal_that_ends_the_server(signals: SignalQueue) -> None:
    assert not signals.pause(0.0)
    begin = time.monotonic()
    pid = fork(signals, end_the_parent)
    assert signals.pause(60)
    assert time.monotonic() - begin < 30
    assert signals.pause(60), "it stays queued"
    assert {signal.SIGHUP, signal.SIGTERM} <= set(signals.take())
    os.waitpid(pid, 0)


def test_each_of_a_burst_counts(signals: SignalQueue) -> None:
    """``kill -TTIN`` twice adds two workers, however busy the arbiter is."""
    pid = fork(signals, ask_for_three_workers)
    os.waitpid(pid, 0)
    signal.raise_signal(signal.SIGTTIN)
    assert signals.take().count(signal.SIGTTIN) > 1


def test_the_handlers_before_are_back_after_close() -> None:
    before = {number: signal.getsignal(number) for number in HANDLED}
    queue = SignalQueue()
    assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    queue.close()
    assert {number: signal.getsignal(number) for number in HANDLED} == before


def end_the_parent() -> int:
    for number in (signal.SIGHUP, signal.SIGTERM):
        os.kill(os.getppid(), number)
    return 0


def ask_for_three_workers() -> int:
    for _ in range(3):
        os.kill(os.getppid(), signal.SIGTTIN)
    return 0


def wait_to_be_killed() -> int:
    select.select([], [], [])
    return 0


def test_a_signal_to_a_fresh_child_does_to_it_what_it_does(signals: SignalQueue) -> None:
    """Sent at once, before the child has done anything: it is neither lost nor the arbiter's."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        pid = fork(signals, wait_to_be_killed)
        os.kill(pid, number)
        assert exit_code(pid) == -number
    assert set(signals.take()) <= {signal.SIGCHLD}


def test_a_child_may_ignore_what_its_group_gets(signals: SignalQueue) -> None:
    group = [number for number in HANDLED if number != signal.SIGCHLD]
    pid = fork(signals, wait_to_be_killed, ignore_signals=True)
    for number in group:
        os.kill(pid, number)
    wait_for(lambda: all(ignores(pid, number) for number in group))
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("ending", "code"), [("return", 4), ("exit", 3), ("raise", CRASHED), ("interrupt", CRASHED)]
)
def test_the_exit_code_of_a_child(
    signals: SignalQueue, capfd: pytest.CaptureFixture[str], ending: str, code: int
) -> None:
    def run() -> int:
        if ending == "exit":
            raise SystemExit(3)
        if ending == "raise":
            raise ValueError("said on stderr")
        if ending == "interrupt":
            raise KeyboardInterrupt
        return 4

    assert exit_code(fork(signals, run)) == code
    assert ("said on stderr" in capfd.readouterr().err) == (ending == "raise")
