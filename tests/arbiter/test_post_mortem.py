"""What is said of workers that ended, each of them a real process that ended that way."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import select
import signal
import tempfile
from collections.abc import Callable, Iterator

import pytest

from logserve.arbiter.policy import WorkerEvent, WorkerLife
from logserve.arbiter.post_mortem import Death, examine
from logserve.arbiter.worker import Worker
from logserve.channel import Channel
from logserve.shm.segment import Segment

type_start = Callable[[Callable[[], None]], Worker]


@pytest.fixture
def start() -> Iterator[type_start]:
    """Fork a worker that does one thing; it is reaped by the test or at the end."""
    made: list[Worker] = []

    def fork(run: Callable[[], None]) -> Worker:
        ours, theirs = Channel.pair()
        with tempfile.TemporaryFile() as file:
            faults = os.dup(file.fileno())
        segment = Segment.create(capacity=4096, entries=1, slot=3, incarnation=9, boot_id=bytes(12))
        worker = Worker(
            slot=3,
            incarnation=9,
            generation=2,
            lane=0,
            segment=segment,
            channel=ours,
            started=0.0,
            faults=faults,
        )
        worker.pid = os.fork()
        if not worker.pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if run in (end_at_sigterm, ignore_sigterm):
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            faulthandler.enable(faults)
            theirs.send({"op": "booted"})
            run()
            os._exit(0)
        theirs.close()
        select.select([ours], [], [])
        assert ours.receive() == ({"op": "booted"}, [])
        made.append(worker)
        return worker

    yield fork
    for worker in made:
        worker.close()
        worker.segment.close()


def wait_forever() -> None:
    select.select([], [], [])


def crash() -> None:
    ctypes.string_at(0)


def end_at_sigterm() -> None:
    signal.sigwait([signal.SIGTERM])


def ignore_sigterm() -> None:
    while True:
        signal.sigwait([signal.SIGTERM])


def ended(worker: Worker, requests: int = 5) -> tuple[Death, dict[str, object]]:
    cause = worker.cause(os.waitpid(worker.pid, 0)[1])
    worker.event(WorkerEvent.DIED)
    assert worker.life is WorkerLife.DEAD
    return examine(worker, cause, age=12.345678, requests=requests), cause


def test_killed_by_a_signal(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    os.kill(worker.pid, signal.SIGKILL)
    death, cause = ended(worker)
    assert cause == {"kind": "signal", "signal": "SIGKILL", "exit": None}
    assert death.level == logging.CRITICAL
    assert death.message == (
        f"worker 3 (pid {worker.pid}) was killed by SIGKILL; it had run for 12.3 s and answered 5 requests"
    )
    assert death.fields == {
        "worker": 3,
        "worker_pid": worker.pid,
        "generation": 2,
        "age": 12.346,
        "requests": 5,
        "cause": "signal",
        "signal": "SIGKILL",
    }


def test_a_segmentation_fault_says_where(start: type_start) -> None:
    worker = start(crash)
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker, requests=1)
    assert cause["signal"] == "SIGSEGV"
    assert death.level == logging.CRITICAL
    assert "answered 1 request\n" in death.message
    assert "Fatal Python error: Segmentation fault" in death.fields["stacks"]
    assert __file__ in death.fields["stacks"]


def test_an_exit_that_nobody_asked_for(start: type_start) -> None:
    worker = start(lambda: os._exit(7))
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker)
    assert cause == {"kind": "exit", "signal": None, "exit": 7}
    assert death.level == logging.CRITICAL
    assert "exited with code 7" in death.message
    assert death.fields["exit_code"] == 7


def test_a_worker_that_has_done_its_share(start: type_start) -> None:
    """``--max-requests``: it ends by itself, with code 0."""
    worker = start(lambda: None)
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker)
    assert cause == {"kind": "exit", "signal": None, "exit": 0}
    assert death.level == logging.INFO


def test_one_that_was_told_to_stop(start: type_start) -> None:
    worker = start(end_at_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    assert worker.deadline == 100.0
    death, cause = ended(worker)
    assert cause == {"kind": "shutdown", "signal": None, "exit": 0}
    assert death.level == logging.INFO
    assert "has stopped" in death.message


def test_one_that_was_told_to_stop_and_did_not(start: type_start) -> None:
    worker = start(ignore_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    worker.event(WorkerEvent.OVERDUE)
    death, cause = ended(worker)
    assert cause == {"kind": "shutdown", "signal": "SIGKILL", "exit": None}
    assert death.level == logging.ERROR
    assert "did not end within the graceful timeout" in death.message


def test_one_that_hangs(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.SILENT, deadline=50.0)
    death, cause = ended(worker)
    assert cause == {"kind": "timeout", "signal": "SIGABRT", "exit": None}
    assert death.level == logging.CRITICAL
    assert "did not answer in time" in death.message
    assert "Fatal Python error: Aborted" in death.fields["stacks"]
    assert __file__ in death.fields["stacks"]


def test_one_that_could_not_boot(start: type_start) -> None:
    worker = start(lambda: os._exit(4))
    worker.boot_error = 4, "no module named 'ap'\n"
    death, _cause = ended(worker, requests=0)
    assert death.level == logging.CRITICAL
    assert death.message == f"worker 3 (pid {worker.pid}) could not boot: no module named 'ap'"


def test_a_traceback_stands_below(start: type_start) -> None:
    worker = start(lambda: os._exit(3))
    worker.boot_error = 3, "Traceback (most recent call last):\nValueError\n"
    death, _cause = ended(worker, requests=0)
    assert death.message.endswith("could not boot:\nTraceback (most recent call last):\nValueError")


def test_one_that_died_while_it_booted(start: type_start) -> None:
    death, _cause = ended(start(lambda: os._exit(1)), requests=0)
    assert "could not boot: it exited with code 1" in death.message


def test_one_that_was_stopped_while_it_booted(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.STOP, deadline=50.0)
    death, cause = ended(worker)
    assert cause == {"kind": "shutdown", "signal": "SIGTERM", "exit": None}
    assert death.level == logging.INFO
