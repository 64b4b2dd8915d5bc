"""What is said of workers that ended, each of them a real process that ended that way."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import select
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from logserve.arbiter.faults import MAX_TEXT, shortened, without_server
from logserve.arbiter.in_flight import MAX_FIELDS, MAX_WORDS, Unanswered
from logserve.arbiter.memory import Scope
from logserve.arbiter.oom import Suspicion, Verdict
from logserve.arbiter.policy import WorkerEvent, WorkerLife
from logserve.arbiter.post_mortem import Death, Findings, MemoryUse, examine, exit_name, memory_words
from logserve.arbiter.worker import Worker
from logserve.channel import Channel
from logserve.shm import layout as at
from logserve.shm.layout import Phase
from logserve.shm.segment import Segment
from tests.support import processes
from tests.support.scoreboard import fill_entry
from tests.support.waiting import wait_for

type_start = Callable[[Callable[[], None]], Worker]
ENTRIES = 120
NONE = Unanswered(())


@pytest.fixture
def start() -> Iterator[type_start]:
    """Fork a worker that does one thing; it is reaped by the test or at the end."""
    made: list[Worker] = []

    def fork(run: Callable[[], None]) -> Worker:
        ours, theirs = Channel.pair()
        with tempfile.TemporaryFile() as file:
            faults = os.dup(file.fileno())
        segment = Segment.create(capacity=4096, entries=ENTRIES, slot=3, incarnation=9, boot_id=bytes(12))
        worker = Worker(
            slot=3,
            incarnation=9,
            generation=2,
            lane=0,
            segment=segment,
            channel=ours,
            started=0.0,
            faults=faults,
            stacks=os.memfd_create("stacks"),
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


def wait_in_two_threads() -> None:
    threading.Thread(target=wait_forever, daemon=True).start()
    wait_forever()


def withstand_sigabrt() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGABRT])
    wait_forever()


def crash() -> None:
    ctypes.string_at(0)


def end_at_sigterm() -> None:
    signal.sigwait([signal.SIGTERM])


def ignore_sigterm() -> None:
    while True:
        signal.sigwait([signal.SIGTERM])


def ended(worker: Worker, requests: int = 5, **more: Any) -> tuple[Death, dict[str, object]]:
    """Wait for its end and examine it; `more` is what else was found."""
    status = os.waitpid(worker.pid, 0)[1]
    cause = worker.cause(status)
    worker.event(WorkerEvent.DIED)
    assert worker.life is WorkerLife.DEAD
    unanswered = Unanswered.of(worker.segment, time.monotonic_ns())
    findings = Findings(cause=cause, age=12.345678, requests=requests, unanswered=unanswered, **more)
    return examine(worker, findings), cause


def test_killed_by_a_signal(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    os.kill(worker.pid, signal.SIGKILL)
    death, cause = ended(worker)
    assert cause == {"kind": "signal", "signal": "SIGKILL", "exit": None}
    assert death.level == logging.CRITICAL
    assert death.message.splitlines() == [
        f"worker 3 (pid {worker.pid}) was killed by SIGKILL; it had run for 12.3 s and answered 5 requests",
        "no request was in flight",
        "no stacks: SIGKILL leaves no time to write any",
    ]
    assert death.fields == {
        "worker": 3,
        "worker_pid": worker.pid,
        "generation": 2,
        "age": 12.346,
        "requests": 5,
        "connections_without_a_byte": 0,
        "cause": "signal",
        "signal": "SIGKILL",
        "in_flight": [],
        "in_flight_count": 0,
        "logserve.drawn": {"origin": f"{bytes(12).hex()}-3-9", "access": 0},
    }


def test_everything_that_was_found_is_said(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    now = time.monotonic_ns()
    fill_entry(worker.segment, 0, b"", phase=Phase.HEADER, begin=now - 9_000_000_000)
    fill_entry(worker.segment, 1, b"POST /pay?token=s3cret&a=1 HTTP/1.1", request_id=b"abc", begin=now)
    os.kill(worker.pid, signal.SIGKILL)
    death, _cause = ended(
        worker,
        suspicion=Suspicion(Verdict.LIKELY, 1, Scope.GROUP),
        memory=MemoryUse(
            resident=400 << 20, resident_age=2.5, peak=500 << 20, limit=512 << 20, machine=4 << 30
        ),
    )
    _first, oom, memory, count, suspect, reading, _stacks = death.message.splitlines()
    assert oom == (
        "most likely it was the kernel's OOM killer: it has killed 1 process of this control group "
        "since this worker started"
    )
    assert memory == (
        "memory: 400.0 MiB resident 2.5 s before, 500.0 MiB at most, "
        "97.7% of the control group's limit of 512.0 MiB"
    )
    assert count == "in flight: 2 requests"
    assert suspect.startswith("  POST /pay?token=redacted&a=1 (id abc, phase application, for ")
    assert reading.startswith("  (no head yet) (id 000000000000000000000000-3-9-1, phase header, for 9.")
    fields = death.fields
    first, second = fields["in_flight"]
    assert first.pop("age") < second["age"]
    assert first == {
        "id": "abc",
        "method": "POST",
        "path": "/pay",
        "query": "token=redacted&a=1",
        "client": "192.0.2.7",
        "phase": "application",
    }
    assert fields["oom_killer"] == "likely"
    assert fields["oom_kills"] == 1
    assert fields["memory_resident"] == 400 << 20
    assert fields["memory_peak"] == 500 << 20
    assert fields["memory_limit"] == 512 << 20
    assert "s3cret" not in str(death)


def test_many_in_flight_are_counted_not_all_named(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    for number in range(ENTRIES):
        fill_entry(worker.segment, number, b"GET /%d HTTP/1.1" % number)
    os.kill(worker.pid, signal.SIGKILL)
    death, _cause = ended(worker)
    assert f"in flight: {ENTRIES} requests" in death.message
    assert death.message.count("GET /") == MAX_WORDS
    assert f"and {ENTRIES - MAX_WORDS} more" in death.message
    assert len(death.fields["in_flight"]) == MAX_FIELDS
    assert death.fields["in_flight_count"] == ENTRIES


def test_a_segmentation_fault_says_where(start: type_start) -> None:
    worker = start(crash)
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker, requests=1)
    assert cause["signal"] == "SIGSEGV"
    assert death.level == logging.CRITICAL
    assert "answered 1 request\n" in death.message
    assert "Fatal Python error: Segmentation fault" in death.fields["stacks"]
    assert __file__ in death.fields["stacks"]
    assert death.fields["stacks"] in death.message


def test_a_real_time_signal_has_a_name(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    os.kill(worker.pid, signal.SIGRTMIN + 3)
    death, cause = ended(worker)
    assert cause["signal"] == "SIGRTMIN+3"
    assert "no stacks: nothing was written before SIGRTMIN+3" in death.message


def test_an_exit_that_nobody_asked_for(start: type_start) -> None:
    worker = start(lambda: os._exit(7))
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker)
    assert cause == {"kind": "exit", "signal": None, "exit": 7}
    assert death.level == logging.CRITICAL
    assert "exited with code 7;" in death.message
    assert "stacks" not in death.message
    assert death.fields["exit_code"] == 7


def test_an_exit_in_order_that_nobody_asked_for(start: type_start) -> None:
    worker = start(lambda: os._exit(0))
    worker.event(WorkerEvent.BOOTED)
    death, _cause = ended(worker)
    assert death.level == logging.CRITICAL
    assert "exited with code 0, which nobody had asked for" in death.message


@pytest.mark.parametrize(
    ("code", "name"), [(0, ""), (7, ""), (70, "EX_SOFTWARE"), (137, "what a shell says of SIGKILL")]
)
def test_names_of_exit_codes(code: int, name: str) -> None:
    assert exit_name(code) == name


def test_a_worker_that_has_done_its_share(start: type_start) -> None:
    """``--max-requests``: it ends by itself, with code 0."""
    worker = start(lambda: None)
    worker.event(WorkerEvent.BOOTED)
    death, cause = ended(worker, winding_down=True)
    assert cause == {"kind": "exit", "signal": None, "exit": 0}
    assert death.level == logging.INFO
    assert "\n" not in death.message


def test_one_that_was_told_to_stop(start: type_start) -> None:
    worker = start(end_at_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    assert worker.deadline == 100.0
    death, cause = ended(worker)
    assert cause == {"kind": "shutdown", "signal": None, "exit": 0}
    assert death.level == logging.INFO
    assert "has stopped" in death.message
    assert "in_flight" not in death.fields


def test_one_that_was_told_to_stop_and_left_requests(start: type_start) -> None:
    worker = start(end_at_sigterm)
    worker.event(WorkerEvent.BOOTED)
    fill_entry(worker.segment, 0, b"GET /long HTTP/1.1")
    worker.event(WorkerEvent.STOP, deadline=100.0)
    death, _cause = ended(worker)
    assert death.level == logging.ERROR
    assert "has stopped at the end of the graceful timeout" in death.message
    assert "GET /long" in death.message


def test_one_that_was_told_to_stop_and_did_not(start: type_start) -> None:
    worker = start(ignore_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    worker.event(WorkerEvent.OVERDUE, deadline=102.0)
    assert worker.deadline == 102.0
    death, cause = ended(worker)
    assert cause == {"kind": "shutdown", "signal": "SIGABRT", "exit": None}
    assert death.level == logging.ERROR
    assert "did not end in time when it was told to and was ended by SIGABRT" in death.message
    assert __file__ in death.fields["stacks"]


def test_one_that_died_of_something_else_while_it_stopped(start: type_start) -> None:
    worker = start(ignore_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    os.kill(worker.pid, signal.SIGKILL)
    death, cause = ended(worker)
    assert cause == {"kind": "signal", "signal": "SIGKILL", "exit": None}
    assert death.level == logging.CRITICAL


def test_one_that_hangs(start: type_start) -> None:
    worker = start(wait_in_two_threads)
    worker.event(WorkerEvent.BOOTED)
    wait_for(lambda: processes.threads(worker.pid) == 2)
    worker.event(WorkerEvent.SILENT, deadline=50.0)
    death, cause = ended(worker)
    assert cause == {"kind": "timeout", "signal": "SIGABRT", "exit": None}
    assert death.level == logging.CRITICAL
    assert "did not answer in time (its heartbeat had stopped) and was ended by SIGABRT" in death.message
    assert "Fatal Python error: Aborted" in death.fields["stacks"]
    assert death.fields["stacks"].count("(most recent call first)") == 2
    assert __file__ in death.fields["stacks"]


def test_one_that_is_stopped_still_leaves_its_stacks(start: type_start) -> None:
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    os.kill(worker.pid, signal.SIGSTOP)
    wait_for(lambda: (found := processes.process(worker.pid)) is not None and found.state == "T")
    worker.run_state = "T"
    worker.event(WorkerEvent.SILENT, deadline=50.0)
    death, _cause = ended(worker)
    assert "did not answer in time (it was stopped (SIGSTOP)) and was ended by SIGABRT" in death.message
    assert __file__ in death.fields["stacks"]


def test_one_that_withstands_even_that(start: type_start) -> None:
    worker = start(withstand_sigabrt)
    worker.event(WorkerEvent.BOOTED)
    wait_for(lambda: processes.blocks(worker.pid, signal.SIGABRT))
    worker.event(WorkerEvent.SILENT, deadline=50.0)
    worker.event(WorkerEvent.OVERDUE, deadline=52.0)
    assert worker.deadline is None
    death, cause = ended(worker)
    assert cause == {"kind": "timeout", "signal": "SIGKILL", "exit": None}
    assert "and was ended by SIGKILL" in death.message
    assert "no stacks: it did not react to SIGABRT" in death.message


def test_one_that_had_a_request_past_its_deadline(start: type_start) -> None:
    """Its other requests did not end in time either: each is recorded as what it was."""
    worker = start(ignore_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.timed_out.append(17)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    worker.event(WorkerEvent.OVERDUE, deadline=102.0)
    death, cause = ended(worker)
    assert cause == {"kind": "timeout", "signal": "SIGABRT", "exit": None, "timed_out": [17]}
    assert death.level == logging.ERROR
    assert "(because a request had run past --timeout)" in death.message


def test_one_that_was_killed_while_it_finished_the_others(start: type_start) -> None:
    """The signal, not the deadline, ended the request that had run past it."""
    worker = start(ignore_sigterm)
    worker.event(WorkerEvent.BOOTED)
    worker.timed_out.append(17)
    worker.event(WorkerEvent.STOP, deadline=100.0)
    os.kill(worker.pid, signal.SIGKILL)
    death, cause = ended(worker)
    assert cause == {"kind": "signal", "signal": "SIGKILL", "exit": None}
    assert death.level == logging.CRITICAL


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


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (MemoryUse(), ""),
        (MemoryUse(peak=3 << 29), "memory: 1.50 GiB at most, how much it may is not known"),
        (
            MemoryUse(peak=1 << 30, machine=4 << 30),
            "memory: 1.00 GiB at most, 25.0% of the machine's 4.00 GiB, no limit is known",
        ),
    ],
)
def test_memory_is_said_as_far_as_it_is_known(memory: MemoryUse, words: str) -> None:
    assert memory_words(memory) == words


def test_a_long_report_keeps_the_thread_that_died() -> None:
    """As faulthandler writes it: the newest thread first, the one that crashed anywhere."""
    others = [f"Thread 0x{number:x} (most recent call first):\n" + "  File x\n" * 40 for number in range(200)]
    dying = 'Current thread 0xdead (most recent call first):\n  File "app.py", line 7 in view\n'
    report = "\n".join(
        ["Fatal Python error: Segmentation fault\n", *others, dying, "Extension modules: a, b"]
    )
    text = shortened(report)
    assert len(text) <= MAX_TEXT + 100
    assert text.startswith("Fatal Python error: Segmentation fault\n\nCurrent thread 0xdead")
    kept = text.count("(most recent call first)") - 1
    assert text.endswith(f"[cut: {201 - kept} more parts]")


def test_the_servers_frames_below_the_application_are_counted() -> None:
    from logserve.wsgi import response

    frame = f'  File "{response.__file__}", line 126 in run\n'
    below = '  File "/x/logserve/workers/serve.py", line 115 in call\n' * 3
    report = (
        f'Thread 0x1 (most recent call first):\n  File "app.py", line 1 in view\n{frame}{below}\nExtension'
    )
    assert without_server(report) == (
        'Thread 0x1 (most recent call first):\n  File "app.py", line 1 in view\n'
        f"{frame}  (3 more of the server)\n\nExtension"
    )


def test_an_entry_whose_record_is_out_is_no_request_in_flight(start: type_start) -> None:
    """Killed between publishing the record and clearing the entry: it was answered."""
    worker = start(wait_forever)
    worker.event(WorkerEvent.BOOTED)
    fill_entry(worker.segment, 0, b"GET /answered HTTP/1.1")
    fill_entry(worker.segment, 1, b"GET /sending HTTP/1.1")
    words, first = worker.segment.words, at.HEADER_SIZE // 8
    words[at.W_HEAD] = 64
    words[first + at.E_PREPARED] = 64
    words[first + at.ENTRY_WORDS + at.E_PREPARED] = 128
    os.kill(worker.pid, signal.SIGKILL)
    death, _cause = ended(worker)
    (only,) = death.fields["in_flight"]
    assert (only["path"], only["phase"]) == ("/sending", "sending")
