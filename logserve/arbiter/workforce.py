"""Who works: starting what the policy wants, hearing what workers say, replacing who has died.

A worker that dies is replaced at once where it had worked, after a growing pause where it had not; one that
cannot boot ends the start, or takes a reload back.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from logserve.arbiter import backoff, log, post_mortem
from logserve.arbiter.collection import Collection
from logserve.arbiter.course import Course
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.log import logger
from logserve.arbiter.policy import (
    ServerEvent,
    ServerState,
    WorkerEvent,
    WorkerLife,
    reconcile,
    reload_failed,
)
from logserve.arbiter.post_mortem import Findings
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.arbiter.staff import Staff
from logserve.arbiter.worker import Worker
from logserve.errors import AppError, BootError, ConfigurationError, LogserveError
from logserve.settings.table import MAX_WORKERS
from logserve.shm.layout import R_WANTED


class Workforce:
    """The workers that are wanted, against those that there are."""

    def __init__(
        self,
        resources: Resources,
        course: Course,
        generations: Generations,
        collection: Collection,
        staff: Staff,
    ) -> None:
        self._resources = resources
        self._course = course
        self._generations = generations
        self._collection = collection
        self._staff = staff
        self._failures = 0
        self._pause = 0.0
        self._start_at = 0.0

    # ------------------------------------------------------------------------------------------- wanted

    def reconcile(self) -> None:
        """Start and stop workers as wanted; let go of generations that nobody uses."""
        course = self._course
        current = course.current
        if current is None:
            return
        if course.state in (ServerState.STARTING, ServerState.RUNNING):
            plan = reconcile(self._staff.members(), course.wanted, current.number)
            for incarnation in plan.stop:
                self._staff.stop(self._staff.find(incarnation))
            if time.monotonic() >= self._start_at:
                for lane in plan.start[:1] if self._failures else plan.start:
                    self._start(current, lane)
            lanes = [worker.lane + 1 for worker in self._staff.workers.values()]
            self._resources.listeners.narrow(max([course.wanted, *lanes]))
        elif not self._staff.workers:
            course.event(ServerEvent.WORKERS_GONE)
        used = {ring.generation for ring in self._collection.rings.values()}
        for generation in self._generations.unused(used, current.number):
            self._collection.retire(generation)

    def _start(self, generation: Generation, lane: int) -> None:
        try:
            self._staff.start(generation, lane)
        except OSError as error:  # no process, memory or descriptor to be had: try again later
            logger.error("cannot start a worker: %s", error.strerror)
            self._failures += 1
            self._pause = max(1.0, backoff.delay(self._failures))
        self._start_at = time.monotonic() + self._pause if self._failures else 0.0

    def next_deadline(self) -> float | None:
        """When the next may be started, after a pause."""
        return self._start_at if self._start_at > time.monotonic() else None

    def resize(self, wanted: int) -> None:
        """Have so many from now on, within bounds."""
        course = self._course
        before, course.wanted = course.wanted, min(max(1, wanted), MAX_WORKERS)
        self._resources.roster.set(ARBITER_SLOT, R_WANTED, course.wanted)
        logger.info("%s wanted: %s", count(course.wanted), course.reason, extra={"workers": course.wanted})
        if course.wanted != before:
            self._resources.hooks.resized(course.wanted, before)

    def use(self, generation: Generation) -> None:
        """New workers are of this generation, and have its settings, from now on."""
        course, resources = self._course, self._resources
        course.previous, course.current = course.current, generation
        before, wanted = resources.settings.workers, generation.resolved.settings.workers
        if generation.resolved is not resources.resolved:
            resources.use(generation.resolved)
        if wanted != before:
            course.reason = "the configuration"
            self.resize(wanted)
        self._failures = 0
        self._start_at = 0.0
        if not resources.settings.preload:
            log.use(generation)
        elif course.previous is not None:
            from logserve.arbiter import preload

            preload.configure_logging(generation)

    # -------------------------------------------------------------------------------------------- heard

    def heard(self, worker: Worker, message: dict[str, Any]) -> None:
        """Take a worker's message."""
        match message["op"]:
            case "booted":
                self._booted(worker)
            case "boot_failed":
                worker.boot_error = message["exit"], message["message"]
            case "adopt":
                self._adopt(worker, message)
            case "timed_out":  # the worker itself has said which request, and where it stands
                worker.timed_out.append(message["seq"])
                self._staff.stop(worker)

    def _booted(self, worker: Worker) -> None:
        if not worker.event(WorkerEvent.BOOTED) or not worker.booted:
            return
        logger.info(
            "worker %d booted (pid %d)",
            worker.slot,
            worker.pid,
            extra={"worker": worker.slot, "worker_pid": worker.pid, "generation": worker.generation},
        )
        course = self._course
        generation = self._generations.find(worker.generation)
        if not generation.committed:
            self._collection.commit(generation)
        if generation is course.current and self._staff.running(generation.number) >= course.wanted:
            if course.state is ServerState.RUNNING and not generation.announced:
                logger.info("reloaded: %s", count(course.wanted), extra={"generation": generation.number})
            generation.announced = True
            course.event(ServerEvent.BOOTED)

    def _adopt(self, worker: Worker, message: dict[str, Any]) -> None:
        request = message["request"]

        def answer(problem: str | None) -> None:
            if problem is None:
                worker.channel.send({"op": "adopted", "request": request, "sink": adopted.sink})
            else:
                worker.channel.send({"op": "refused", "request": request, "error": problem})

        try:
            adopted = self._generations.registry.adopt(worker.generation, message["spec"])
        except ConfigurationError as error:
            answer(str(error))
        else:
            self._collection.adopt(adopted, answer)

    # --------------------------------------------------------------------------------------------- died

    def bury(self) -> None:
        """Reap who has ended: say so, and decide what follows."""
        for worker, findings in self._staff.reap():
            self._bury(worker, findings)

    def _bury(self, worker: Worker, findings: Findings) -> None:
        course = self._course
        death = post_mortem.examine(worker, findings)
        current = course.current is not None and worker.generation == course.current.number
        again = worker.boot_error is not None and (course.failure is not None or not current)
        level = logging.DEBUG if again else death.level  # one traceback is enough
        logger.log(level, "%s", death.message, extra=death.fields)
        worker.close()
        self._resources.hooks.ended(worker.pid)
        if current and not worker.recycled:
            worked = findings.requests > 0
            self._failures = backoff.failures_after(
                self._failures, findings.age, in_order=worked and findings.cause["exit"] == 0
            )
            self._pause = backoff.delay(self._failures, worked=worked)
            self._start_at = time.monotonic() + self._pause
            if not worker.booted:
                self._boot_failed(worker, death.message)

    def _boot_failed(self, worker: Worker, message: str) -> None:
        course = self._course
        if course.state is ServerState.STARTING and course.failure is None:
            code = worker.boot_error[0] if worker.boot_error else BootError.exit_code
            course.fail(_boot_error(code, message))
            course.event(ServerEvent.BOOT_FAILED)
            return
        current, previous = course.current, course.previous
        if (
            current is not None
            and previous is not None
            and worker.generation == current.number
            and previous in self._generations.living
            and reload_failed(self._staff.members(), current.number)
        ):
            logger.error(
                "the new workers could not boot: the old ones go on, with the configuration they have"
            )
            self.use(previous)
            course.previous = None

    def act_on_time(self, now: float) -> None:
        """End who is silent or overdue."""
        for worker in self._staff.act_on_time(now):
            name = "SIGKILL" if worker.life is WorkerLife.KILLED else "SIGABRT"
            why = "its heartbeat has stopped" if worker.silent else "it did not end in time"
            logger.warning(
                "%s is sent %s: %s", worker.name, name, why, extra={"worker": worker.slot, "signal": name}
            )


def count(workers: int) -> str:
    """``1 worker``, ``4 workers``."""
    return "1 worker" if workers == 1 else f"{workers} workers"


def _boot_error(code: int, message: str) -> LogserveError:
    return AppError(message) if code == AppError.exit_code else BootError(message)
