"""The stacks of living workers: a signal, a file that the worker fills, and a look now and then, until a deadline.

How a worker writes them, and why there are two signals, is said in :mod:`logserve.workers.faults`. Whether the
second one's report is whole cannot be seen from its text. A thread that is inside a handler has the signal blocked
(sigaction(2)); so the report is whole once something is there and no thread blocks the signal that did not before.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from logserve.arbiter import memory
from logserve.arbiter.faults import MAX_FILE, shortened, without_server
from logserve.arbiter.policy import WorkerLife
from logserve.arbiter.worker import Worker
from logserve.workers.faults import ALL_STACKS, IN_C, WHOLE

SOON: Final = 2.0
"""Seconds after which a worker's main thread is taken to run no Python."""
TIMEOUT: Final = 4.0
"""Seconds for a worker to write its stacks."""
LOOK_EVERY: Final = 0.01
"""Seconds between two looks while one is awaited."""
MAX_TEXT: Final = 256 << 10
"""Characters of one worker's report."""

IN_C_WORDS: Final = "Some thread is inside a call in C, and the main thread has run no Python meanwhile."
_TAKES_NONE: Final = {"T": "is stopped (SIGSTOP)", "t": "is stopped by a debugger"}
_STATES: Final = {**_TAKES_NONE, "D": "is in an uninterruptible wait"}
_HANDLER: Final = re.compile(
    r'^  File "[^"]*/logserve/workers/faults\.py", line \d+ in _write_all\n', re.MULTILINE
)


class StacksOf:
    """The stacks of one worker, which are awaited. It is sent no signal where its process takes none."""

    def __init__(self, worker: Worker, now: float) -> None:
        self._worker = worker
        self._deadline = now + TIMEOUT
        self._soon = now + SOON
        self._before: frozenset[int] | None = None
        """The threads that blocked the second signal before it was sent; None before that."""
        self.text = ""
        self.problem = ""
        state = memory.run_state(worker.pid)
        if state in _TAKES_NONE:
            self.problem = f"{worker.name} {_TAKES_NONE[state]}: it takes no signal and can write no stacks"
            return
        os.ftruncate(worker.stacks, 0)
        os.kill(worker.pid, ALL_STACKS)  # not reaped yet, so the id is still its own

    @property
    def decided(self) -> bool:
        """Whether it is known how it went: there are stacks, or a problem."""
        return bool(self.text or self.problem)

    def look(self, now: float) -> bool:
        """Look whether it is decided by now."""
        if not self.decided:
            self._look(now)
        return self.decided

    def _look(self, now: float) -> None:
        worker = self._worker
        state = "" if worker.life is WorkerLife.DEAD else memory.run_state(worker.pid)
        if state in ("Z", ""):  # its descriptors may be closed
            self.problem = f"{worker.name} has ended before it wrote its stacks"
            return
        report = os.pread(worker.stacks, MAX_FILE, 0)
        if report.endswith(WHOLE):
            self._take(report.removesuffix(WHOLE))
        elif self._before is not None and report and _blocking(worker.pid) <= self._before:
            self._take(f"{IN_C_WORDS}\n".encode() + report)
        elif now >= self._deadline:
            what = f": its process {_STATES[state]}" if state in _STATES else ""
            self.problem = f"{worker.name} did not write its stacks within {TIMEOUT:g} s{what}"
        elif self._before is None and now >= self._soon and state not in _TAKES_NONE and _catches(worker.pid):
            self._before = _blocking(worker.pid)
            os.kill(worker.pid, IN_C)

    def _take(self, report: bytes) -> None:
        text = _HANDLER.sub("", report.decode(errors="replace").strip("\0\n"))
        self.text = shortened(without_server(text).strip("\n"), MAX_TEXT)
        os.ftruncate(self._worker.stacks, 0)

    def fields(self) -> dict[str, Any]:
        """For the answer."""
        about = {"slot": self._worker.slot, "pid": self._worker.pid}
        return {**about, "error": self.problem} if self.problem else {**about, "stacks": self.text}


class StacksRequests:
    """All that are awaited."""

    def __init__(self) -> None:
        self._awaited: list[tuple[list[StacksOf], Callable[[dict[str, Any]], None]]] = []
        self._under_way: dict[Worker, StacksOf] = {}

    def begin(self, workers: Iterable[Worker], answer: Callable[[dict[str, Any]], None]) -> None:
        """Ask these workers; `answer` gets the fields of all, once each is decided."""
        now = time.monotonic()
        asked = []
        for worker in workers:
            if worker not in self._under_way:  # else whoever asked before and this one share what it writes
                self._under_way[worker] = StacksOf(worker, now)
            asked.append(self._under_way[worker])
        self._awaited.append((asked, answer))

    def next_deadline(self) -> float | None:
        """When to look again."""
        return time.monotonic() + LOOK_EVERY if self._awaited else None

    def act_on_time(self, now: float) -> None:
        """Look at what is awaited, and answer what is decided."""
        for worker, each in list(self._under_way.items()):
            if each.look(now):
                del self._under_way[worker]
        for item in list(self._awaited):
            asked, answer = item
            if all(each.decided for each in asked):
                self._awaited.remove(item)
                answer({"workers": [each.fields() for each in asked]})


def _blocking(pid: int) -> frozenset[int]:
    """The threads of a process that block the second signal."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return frozenset()  # the process has ended
    return frozenset(int(task) for task in tasks if _has(f"/proc/{pid}/task/{task}", "SigBlk"))


def _catches(pid: int) -> bool:
    """Whether a process handles the second signal."""
    return _has(f"/proc/{pid}", "SigCgt")


def _has(directory: str, name: str) -> bool:
    """Whether the second signal is in that mask of proc_pid_status(5); not where the thread has ended."""
    try:
        lines = Path(directory, "status").read_text().splitlines()
    except OSError:
        return False
    mask = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), "0")
    return bool(int(mask, 16) >> (IN_C - 1) & 1)
