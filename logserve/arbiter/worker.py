"""One worker process, as the arbiter knows it, and what is said when it has ended."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Any

from logserve.arbiter.policy import WorkerAction, WorkerEvent, WorkerLife, worker_next
from logserve.arbiter.signals import ENDING, name_of
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
    """Descriptor of the file into which its faulthandler writes when it dies."""
    stacks: int
    """Descriptor of the file into which it writes when it is asked."""
    pid: int = 0
    life: WorkerLife = WorkerLife.BOOTING
    deadline: float | None = None
    """When it has to have ended, once it was asked to."""
    booted: bool = False
    silent: bool = False
    """Whether it was aborted because its heartbeat stopped."""
    recycled: bool = False
    """Whether the arbiter asked for its end."""
    hurried: bool = False
    """Whether it was told to end at once, its requests unfinished."""
    overdue: bool = False
    """Whether it was ended because it did not do so in time itself."""
    timed_out: list[int] = field(default_factory=list)
    """The seqs of its requests that it found to run past ``--timeout``; each was said in the log."""
    run_state: str = ""
    """What its process did when its heartbeat was found to have stopped, by proc_pid_stat(5)."""
    resident: int | None = None
    """Bytes that it held in memory when it was last looked at."""
    looked_at: float = 0.0
    """When that was."""
    oom_mark: int = 0
    """Where the kernel's counter of OOM kills stood when it was forked."""
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
            self._note(event)
            os.kill(self.pid, _SIGNALS[action])  # not reaped yet, so the id is still its own
            if action is WorkerAction.ABORT:
                os.kill(
                    self.pid, signal.SIGCONT
                )  # a stopped process takes no signal, and would leave no stacks
        if self.life is WorkerLife.KILLED or self.life is WorkerLife.DEAD:
            self.deadline = None
        if event is WorkerEvent.BOOTED and self.life is WorkerLife.RUNNING:
            self.booted = True
        return self.life is not before

    def _note(self, event: WorkerEvent) -> None:
        match event:
            case WorkerEvent.SILENT:
                self.silent = True
            case WorkerEvent.QUIT:
                self.hurried = True
            case WorkerEvent.OVERDUE if not self.silent:
                self.overdue = True

    def cause(self, status: int) -> dict[str, Any]:
        """Why it ended, for the collector, from its wait status (wait(2)).

        A worker that was told to end and died of something else on the way was not ended by that.
        """
        code = os.waitstatus_to_exitcode(status)
        as_told = self.recycled and (self.overdue or code == 0 or -code in ENDING)
        if self.silent or (as_told and self.timed_out):
            kind = "timeout"
        elif as_told:
            kind = "shutdown"
        else:
            kind = "signal" if code < 0 else "exit"
        cause: dict[str, Any] = {
            "kind": kind,
            "signal": name_of(-code) if code < 0 else None,
            "exit": code if code >= 0 else None,
        }
        if kind == "timeout" and self.timed_out:
            cause["timed_out"] = list(self.timed_out)
        return cause

    def close(self) -> None:
        """Close what this process holds of it, the segment aside."""
        self.channel.close()
        os.close(self.faults)
        os.close(self.stacks)
