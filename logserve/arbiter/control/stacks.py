"""The stacks of living workers: a signal, a file that faulthandler fills, and a look now and then, until a deadline.

Whether a report is whole cannot be seen from its text. A thread that is inside the handler has the signal blocked
(sigaction(2)); so the report is whole once something is there and no thread blocks the signal that did not before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from logserve.arbiter import memory
from logserve.arbiter.faults import MAX_FILE, shortened, without_server
from logserve.arbiter.policy import WorkerLife
from logserve.arbiter.worker import Worker
from logserve.workers.faults import ON_REQUEST

TIMEOUT: Final = 3.0
"""Seconds for a worker to write its stacks."""
LOOK_EVERY: Final = 0.01
"""Seconds between two looks while one is awaited."""
MAX_TEXT: Final = 256 << 10
"""Characters of one worker's report."""

_TAKES_NONE: Final = {"T": "is stopped (SIGSTOP)", "t": "is stopped by a debugger"}
_STATES: Final = {**_TAKES_NONE, "D": "is in an uninterruptible wait"}


class StacksOf:
    """The stacks of one worker, which are awaited. It is sent no signal where its process takes none."""

    def __init__(self, worker: Worker, now: float) -> None:
        self._worker = worker
        self._deadline = now + TIMEOUT
        self._before = _blocking(worker.pid)
        self.text = ""
        self.problem = ""
        state = memory.run_state(worker.pid)
        if state in _TAKES_NONE:
            self.problem = f"{worker.name} {_TAKES_NONE[state]}: it takes no signal and can write no stacks"
            return
        os.ftruncate(worker.stacks, 0)
        os.kill(worker.pid, ON_REQUEST)  # not reaped yet, so the id is still its own

    @property
    def decided(self) -> bool:
        """Whether it is known how it went: there are stacks, or a problem."""
        return bool(self.text or self.problem)

    def look(self, now: float) -> bool:
        """Look whether it is decided by now."""
        if self.decided:
            return True
        worker = self._worker
        state = "" if worker.life is WorkerLife.DEAD else memory.run_state(worker.pid)
        if state in ("Z", ""):  # its descriptors may be closed
            self.problem = f"{worker.name} has ended before it wrote its stacks"
        elif (
            os.fstat(worker.stacks).st_size
            and state not in _TAKES_NONE
            and _blocking(worker.pid) <= self._before
        ):
            report = os.pread(worker.stacks, MAX_FILE, 0).decode(errors="replace")
            self.text = shortened(without_server(report.strip("\0\n")).strip("\n"), MAX_TEXT)
            os.ftruncate(worker.stacks, 0)
        elif now >= self._deadline:
            what = f": its process {_STATES[state]}" if state in _STATES else ""
            self.problem = f"{worker.name} did not write its stacks within {TIMEOUT:g} s{what}"
        return self.decided

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
    """The threads of a process that block the signal (SigBlk of proc_pid_status(5))."""
    bit, found = 1 << (ON_REQUEST - 1), []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return frozenset()  # the process has ended
    for task in tasks:
        try:
            status = Path(f"/proc/{pid}/task/{task}/status").read_text()
        except OSError:
            continue  # the thread has ended
        mask = next((line for line in status.splitlines() if line.startswith("SigBlk:")), "SigBlk: 0")
        if int(mask.split()[1], 16) & bit:
            found.append(int(task))
    return frozenset(found)
