"""One worker process, as the arbiter knows it, and what is said when it has ended."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Any

from logserve.arbiter.policy import WorkerAction, WorkerEvent, WorkerLife, worker_next
from logserve.channel import Channel
from logserve.shm.segment import Segment

_SIGNALS = {
    WorkerAction.TERM: signal.SIGTERM,
    WorkerAction.QUIT: signal.SIGQUIT,
    WorkerAction.ABORT: signal.SIGABRT,
    WorkerAction.KILL: signal.SIGKILL,
}


@dataclass(slots=True, eq=False)
class Worker:
    """A worker that was forked and is not reaped yet. Times are seconds, CLOCK_MONOTONIC."""

    slot: int
    incarnation: int
    generation: int
    lane: int
    segment: Segment
    channel: Channel
    started: float
    faults: int
    """Descriptor of the file into which its faulthandler writes."""
    pid: int = 0
    life: WorkerLife = WorkerLife.BOOTING
    deadline: float | None = None
    """When it has to have ended, once it was asked to."""
    booted: bool = False
    silent: bool = False
    """Whether it was aborted because its heartbeat stopped."""
    recycled: bool = False
    """Whether the arbiter asked for its end."""
    boot_error: tuple[int, str] | None = field(default=None)
    """Why it could not boot: the exit code and what it said."""

    @property
    def name(self) -> str:
        """How logs call it."""
        return f"worker {self.slot} (pid {self.pid})"

    def event(self, event: WorkerEvent, deadline: float | None = None) -> bool:
        """Change its life, and send it the signal that follows; whether anything changed.

        :param deadline: when it has to have ended, if it is told to.
        """
        before = self.life
        self.life, action = worker_next(before, event)
        if action is not None:
            self.deadline = deadline
            self.recycled = True
            os.kill(self.pid, _SIGNALS[action])  # not reaped yet, so the id is still its own
        elif self.life is WorkerLife.KILLED or self.life is WorkerLife.DEAD:
            self.deadline = None
        if event is WorkerEvent.SILENT and self.life is WorkerLife.ABORTED:
            self.silent = True
        if event is WorkerEvent.BOOTED and self.life is WorkerLife.RUNNING:
            self.booted = True
        return self.life is not before

    def cause(self, status: int) -> dict[str, Any]:
        """Why it ended, for the collector, from its wait status (wait(2))."""
        code = os.waitstatus_to_exitcode(status)
        if self.silent:
            kind = "timeout"
        elif self.recycled:
            kind = "shutdown"
        else:
            kind = "signal" if code < 0 else "exit"
        return {
            "kind": kind,
            "signal": signal.Signals(-code).name if code < 0 else None,
            "exit": code if code >= 0 else None,
        }

    def close(self) -> None:
        """Close what this process holds of it, the segment aside."""
        self.channel.close()
        os.close(self.faults)
