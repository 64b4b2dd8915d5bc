"""The workers as a group: forking, watching, ending and burying them. Who is wanted is decided elsewhere."""

from __future__ import annotations

import fcntl
import os
import selectors
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from logserve.arbiter import memory
from logserve.arbiter.collection import Collection
from logserve.arbiter.forking import fork
from logserve.arbiter.generations import Generation
from logserve.arbiter.in_flight import Unanswered
from logserve.arbiter.memory import Memory
from logserve.arbiter.oom import OomWatch
from logserve.arbiter.policy import ACTIVE, Member, WorkerEvent, WorkerLife
from logserve.arbiter.post_mortem import Findings, MemoryUse
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.arbiter.rings import Ring
from logserve.arbiter.titles import set_title
from logserve.arbiter.worker import Worker
from logserve.channel import Channel
from logserve.settings import Settings
from logserve.shm import layout as at
from logserve.shm.captured import make_captured_memory
from logserve.shm.segment import Segment
from logserve.workers.start import WorkerStart

ABORT_GRACE: Final = 2.0
"""Seconds between SIGABRT and SIGKILL: time for faulthandler to write the stacks."""

LOOK_EVERY: Final = 3.0
"""Seconds between two looks at the workers' memory, at least; nobody is woken for one."""

LOOK_AHEAD_ENTRIES: Final = 256
"""Scoreboard entries beside those of the connections, for requests that came in one piece with another."""

QUICK_GRACE: Final = 3.0
"""Seconds that a worker has to end after SIGQUIT, at most."""


class Staff:
    """All workers that were forked and are not reaped yet, by process id.

    :param leave: lets go, in a child, of what is the arbiter's alone.
    :param heard: called with each message of a worker.
    """

    def __init__(
        self,
        resources: Resources,
        collection: Collection,
        *,
        leave: Callable[[], None],
        heard: Callable[[Worker, dict[str, Any]], None],
    ) -> None:
        self._resources = resources
        self._collection = collection
        self._leave = leave
        self._heard = heard
        self._incarnation = 0
        self._memory = Memory.here()
        self._oom = OomWatch(self._memory)
        self._look_at = 0.0
        self._patience_until = 0.0
        self.application: Callable[..., Any] | None = None
        """What ``--preload`` loaded."""
        self.workers: dict[int, Worker] = {}

    @property
    def _settings(self) -> Settings:
        return self._resources.settings

    def members(self) -> list[Member]:
        """The workers as the policy sees them."""
        return [Member(w.incarnation, w.generation, w.lane, w.life) for w in self.workers.values()]

    def running(self, generation: int) -> int:
        """How many of a generation have booted and serve."""
        return sum(w.life is WorkerLife.RUNNING and w.generation == generation for w in self.workers.values())

    def find(self, incarnation: int) -> Worker:
        """The worker of that incarnation."""
        return next(w for w in self.workers.values() if w.incarnation == incarnation)

    # ------------------------------------------------------------------------------------------ forking

    def start(self, generation: Generation, lane: int) -> Worker:
        """Fork one worker, for the listeners of `lane`."""
        resources = self._resources
        worker, theirs = self._prepare(generation, lane)
        pipes = (os.pipe(), os.pipe()) if self._settings.capture_output else None
        side = resources.hooks.forking(resources.listeners.lane(worker.lane))
        start = WorkerStart(
            settings=self._settings,
            listeners=resources.listeners.lane(worker.lane),
            segment=worker.segment,
            roster=resources.roster,
            slot=worker.slot,
            incarnation=worker.incarnation,
            boot_id=resources.boot_id,
            channel=theirs,
            wakeup=resources.wakeup,
            pokes=list(resources.pokes),
            config=generation.config,
            sinks=generation.sinks,
            application=self.application,
            load=resources.load,
            child_socket=resources.for_children,
            faults_fd=worker.faults,
            stacks_fd=worker.stacks,
            shared_listeners=not resources.listeners.reuse_port,
            side=side,
        )

        def run() -> int:
            worker.channel.close()
            if pipes is not None:
                start.stdio = _redirect_output(pipes)
            self._leave()
            resources.listeners.close_in_child(keep=worker.lane)
            resources.from_children.close()
            set_title("worker", self._settings.name or self._settings.app)
            if resources.identity is not None:
                resources.identity.take_on()
            # The arbiter loads this itself once the collector is forked, which has no use for it.
            from logserve.workers import process

            return process.run(start)

        try:
            worker.pid = fork(resources.signals, run)
        except OSError:
            worker.close()
            worker.segment.close()
            for fd in [fd for pipe in pipes or () for fd in pipe]:
                os.close(fd)
            raise
        finally:
            theirs.close()
        resources.roster.set(worker.slot, at.R_PID, worker.pid)
        self.workers[worker.pid] = worker
        resources.hooks.forked(worker.pid, side)
        resources.selector.register(worker.channel, selectors.EVENT_READ, self._reader(worker))
        ring = Ring(worker.segment, worker.pid, generation.number)
        if pipes is not None:
            for _reader, writer in pipes:
                os.close(writer)
            ring.pipes = pipes[0][0], pipes[1][0], make_captured_memory()
        self._collection.add(ring)
        return worker

    def _prepare(self, generation: Generation, lane: int) -> tuple[Worker, Channel]:
        resources, settings = self._resources, self._settings
        slot = _lowest_free(worker.slot for worker in self.workers.values())
        resources.poke(slot + 1)
        self._incarnation += 1
        segment = Segment.create(
            capacity=settings.log_ring_size,
            entries=settings.worker_connections + LOOK_AHEAD_ENTRIES,
            slot=slot,
            incarnation=self._incarnation,
            boot_id=resources.boot_id,
        )
        now = time.monotonic()
        resources.roster.clear(slot)
        resources.roster.set(slot, at.R_STATE, at.WorkerState.BOOTING)
        resources.roster.set(slot, at.R_HEARTBEAT, int(now * 1e9))
        ours, theirs = Channel.pair()
        worker = Worker(
            slot=slot,
            incarnation=self._incarnation,
            generation=generation.number,
            lane=lane,
            segment=segment,
            channel=ours,
            started=now,
            faults=_anonymous_file("faults"),
            stacks=_anonymous_file("stacks"),
            oom_mark=self._oom.mark(),
        )
        return worker, theirs

    def leave_in_child(self) -> None:
        """In a child: close what was inherited of the other workers."""
        for worker in self.workers.values():
            worker.close()

    # ----------------------------------------------------------------------------------------- watching

    def _reader(self, worker: Worker) -> Callable[[int], None]:
        def readable(_events: int) -> None:
            while worker.channel.fileno() in self._resources.selector.get_map():
                try:
                    received = worker.channel.receive()
                except BlockingIOError:
                    return
                if received is None:
                    self._resources.selector.unregister(worker.channel)  # SIGCHLD tells the rest
                    return
                message, fds = received
                for fd in fds:
                    os.close(fd)
                self._heard(worker, message)

        return readable

    def be_patient(self, now: float) -> None:
        """The arbiter itself was held up (SIGSTOP, a suspended machine): heartbeats are old through no fault."""
        self._patience_until = now + min(self._settings.timeout, 10.0)

    def next_deadline(self) -> float | None:
        """When :meth:`act_on_time` has something to do, at the earliest."""
        times = [worker.deadline for worker in self.workers.values() if worker.deadline is not None]
        if self._settings.timeout:
            times += [self._silent_at(w) for w in self.workers.values() if w.life in ACTIVE]
        return min(times, default=None)

    def _silent_at(self, worker: Worker) -> float:
        beat = self._resources.roster.get(worker.slot, at.R_HEARTBEAT) / 1e9
        return max(beat + self._settings.timeout, self._patience_until)

    def act_on_time(self, now: float) -> list[Worker]:
        """Abort the silent and the overdue, kill who withstands that; those that were sent a signal."""
        acted = []
        for worker in self.workers.values():
            if worker.deadline is not None and now >= worker.deadline:
                worker.deadline = None
                if worker.event(WorkerEvent.OVERDUE, now + ABORT_GRACE):
                    acted.append(worker)
            elif self._settings.timeout and worker.life in ACTIVE and now >= self._silent_at(worker):
                worker.run_state = memory.run_state(worker.pid)
                _look_at_memory(worker, now)
                worker.event(WorkerEvent.SILENT, now + ABORT_GRACE)
                acted.append(worker)
        if now >= self._look_at and self.workers:
            self._look_at = now + LOOK_EVERY
            for worker in self.workers.values():
                _look_at_memory(worker, now)
        return acted

    # ------------------------------------------------------------------------------------------- ending

    def stop(self, worker: Worker) -> None:
        """Let one finish its requests and end; one that is reaped, and whose last messages are heard, has ended."""
        if worker.pid in self.workers:
            worker.event(WorkerEvent.STOP, time.monotonic() + self._settings.graceful_timeout)

    def stop_all(self) -> None:
        """Let all finish."""
        for worker in self.workers.values():
            self.stop(worker)

    def quit(self, worker: Worker) -> None:
        """End one at once, its requests unfinished."""
        if worker.pid in self.workers:
            deadline = time.monotonic() + min(QUICK_GRACE, self._settings.graceful_timeout)
            worker.event(WorkerEvent.QUIT, deadline)

    def quit_all(self) -> None:
        """End all at once."""
        for worker in self.workers.values():
            self.quit(worker)

    def reap(self) -> Iterable[tuple[Worker, Findings]]:
        """The workers that have ended, and what was found; their last messages are heard first."""
        for worker in list(self.workers.values()):
            pid, status, usage = os.wait4(worker.pid, os.WNOHANG)
            if pid:
                yield worker, self._bury(worker, status, memory.peak(usage))

    def _bury(self, worker: Worker, status: int, peak: int | None) -> Findings:
        del self.workers[worker.pid]  # the id is no longer its own: nobody may signal it
        self._reader(worker)(selectors.EVENT_READ)
        if worker.channel.fileno() in self._resources.selector.get_map():
            self._resources.selector.unregister(worker.channel)
        findings = self._findings(worker, status, peak)
        worker.event(WorkerEvent.DIED)
        self._resources.roster.clear(worker.slot)
        self._collection.finish(self._collection.rings[worker.slot, worker.incarnation], findings.cause)
        return findings

    def _findings(self, worker: Worker, status: int, peak: int | None) -> Findings:
        """What there is to know, before the collector clears the scoreboard and the next worker takes the row."""
        roster, now, cause = self._resources.roster, time.monotonic(), worker.cause(status)
        killed = cause["signal"] == "SIGKILL" and worker.life is not WorkerLife.KILLED
        return Findings(
            cause=cause,
            age=now - worker.started,
            requests=roster.get(worker.slot, at.R_REQUESTS),
            empty_connections=roster.get(worker.slot, at.R_EMPTY),
            unanswered=Unanswered.of(worker.segment, int(now * 1e9)),
            winding_down=roster.get(worker.slot, at.R_STATE) == at.WorkerState.STOPPING,
            core_dumped=os.WCOREDUMP(status),
            memory=MemoryUse(
                resident=worker.resident,
                resident_age=now - worker.looked_at,
                peak=max(peak or 0, worker.resident or 0) or None,  # each is a little behind the other
                limit=self._memory.limit(),
                machine=self._memory.of_machine(),
            ),
            suspicion=self._oom.examine(worker.oom_mark) if killed else None,
        )


def _look_at_memory(worker: Worker, now: float) -> None:
    resident = memory.resident(worker.pid)
    if resident is not None:  # one that has just died holds nothing any more
        worker.resident, worker.looked_at = resident, now


def _lowest_free(taken: Iterable[int]) -> int:
    used = {*taken, ARBITER_SLOT}
    return next(number for number in range(ARBITER_SLOT + 1) if number not in used)


def _anonymous_file(what: str) -> int:
    """A file without a name, to whose end a dying process can still write, and which the arbiter reads and empties."""
    if hasattr(os, "memfd_create"):  # no disk that may be full or read-only
        fd = os.memfd_create(f"logserve-{what}", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile(prefix=f"logserve-{what}-") as file:
            fd = os.dup(file.fileno())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd


def _redirect_output(pipes: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
    """In a worker: make 1 and 2 the pipes' writing ends; duplicates of what they were."""
    real = os.dup(1), os.dup(2)
    for fd, (reader, writer) in zip((1, 2), pipes, strict=True):
        os.close(reader)
        os.dup2(writer, fd)
        os.close(writer)
    return real
