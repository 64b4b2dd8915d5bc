"""The arbiter's loop: the shell around :mod:`logserve.arbiter.policy`, which decides.

One thread, one selector. Each turn: start and stop what the policy wants, sleep until something happens, take
messages, signals, deaths and deadlines in that order.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from logserve.arbiter import backoff, log, post_mortem
from logserve.arbiter.collection import Collection, Ring
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.log import logger
from logserve.arbiter.policy import (
    CollectorLife,
    ServerAction,
    ServerEvent,
    ServerState,
    WorkerEvent,
    WorkerLife,
    reconcile,
    reload_failed,
    server_next,
)
from logserve.arbiter.reload import Reload
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.arbiter.sinks import SinkRegistry
from logserve.arbiter.staff import Staff
from logserve.arbiter.worker import Worker
from logserve.channel import Channel
from logserve.errors import BootError, ConfigurationError, LogserveError
from logserve.logs.config import LoggingConfig
from logserve.logs.config.own import import_own
from logserve.settings.table import MAX_WORKERS
from logserve.shm.layout import R_WANTED

ADOPTION_TIMEOUT: Final = 10.0
"""Seconds for the collector to open a handler of a preloaded application."""

CLOSING_TRIES: Final = 3
"""Collectors that may die while they write the last records, before that is given up."""

HELD_UP: Final = 0.25
"""A turn that begins this many seconds late was held up from outside (SIGSTOP, a suspended machine)."""

SIGNALS: Final[Mapping[signal.Signals, ServerEvent]] = {
    signal.SIGTERM: ServerEvent.TERM,
    signal.SIGINT: ServerEvent.QUIT,
    signal.SIGQUIT: ServerEvent.QUIT,
    signal.SIGHUP: ServerEvent.HUP,
    signal.SIGTTIN: ServerEvent.MORE,
    signal.SIGTTOU: ServerEvent.FEWER,
    signal.SIGUSR1: ServerEvent.REOPEN,
    signal.SIGUSR2: ServerEvent.UPGRADE,
    signal.SIGWINCH: ServerEvent.WINCH,
}
"""What each signal means; SIGCHLD only ends the sleep."""


class Supervisor:
    """One server, from the first collector to the last.

    :param resources: open listeners included.
    :param config: checked.
    """

    def __init__(self, resources: Resources, config: LoggingConfig) -> None:
        self._resources = resources
        self._settings = resources.settings
        self._state = ServerState.STARTING
        self._wanted = self._settings.workers
        self._current: Generation | None = None
        self._previous: Generation | None = None
        self._failures = 0
        self._pause = 0.0
        self._start_at = 0.0
        self._deferred: list[signal.Signals] = []
        self._failure: LogserveError | None = None
        self._reason = ""
        self._generations = Generations(SinkRegistry())
        self._collection = Collection(
            resources, self._generations, leave=self._leave_in_collector, decided=self._decided
        )
        self._staff = Staff(resources, self._collection, leave=self._leave_in_child, heard=self._heard)
        self._reload = Reload(
            resources, self._generations, self._collection, leave=self._leave_in_check, accepted=self._use
        )
        self._first = self._generations.add(config)
        self._actions: dict[ServerAction, Callable[[], None]] = {
            ServerAction.ANNOUNCE: self._announce,
            ServerAction.STOP_WORKERS: self._stop_workers,
            ServerAction.QUIT_WORKERS: self._quit_workers,
            ServerAction.RELOAD: self._reload.begin,
            ServerAction.DEFER: lambda: self._deferred.append(signal.SIGHUP),
            ServerAction.ADD_WORKER: lambda: self._resize(self._wanted + 1),
            ServerAction.REMOVE_WORKER: lambda: self._resize(self._wanted - 1),
            ServerAction.REOPEN_FILES: self._reopen,
            ServerAction.REFUSE_UPGRADE: self._refuse_upgrade,
            ServerAction.STOP_COLLECTOR: self._stop_collector,
            ServerAction.RESTART_COLLECTOR: lambda: None,  # `restart_at` is set; see _act_on_time
        }

    # --------------------------------------------------------------------------------------------- loop

    def run(self) -> int:
        """Serve until told to stop; the exit code.

        :raises LogserveError: the server could not start, and why; everything is stopped again.
        """
        from logserve import __version__

        resources = self._resources
        log.install(resources)
        log.use(self._first)
        logger.info("logserve %s starting", __version__, extra={"version": __version__})
        for name in resources.listeners.names():
            logger.info("listening at %s (pid %d)", name, os.getpid(), extra={"listener": name})
        resources.selector.register(resources.signals, selectors.EVENT_READ, lambda _events: None)
        self._collection.add(Ring(resources.memory, os.getpid(), generation=0))
        _load_what_is_shared(self._first.config)
        self._collection.start()
        while self._state is not ServerState.STOPPED:
            self._reconcile()
            self._wait()
            for number in resources.signals.take():
                self._signal(number)
            self._bury()
            self._act_on_time()
        log.uninstall()
        for ring in self._collection.rings.values():
            ring.close()
        if self._failure is None:
            return 0
        if self._first.accepted and log.reaches_console(self._first.config):
            return self._failure.exit_code  # the log has said it there
        raise self._failure

    def _wait(self) -> None:
        """Sleep until something happens, and hear what the others say."""
        selector = self._resources.selector
        for key in list(selector.get_map().values()):
            if isinstance(key.fileobj, Channel):
                writes = selectors.EVENT_WRITE if key.fileobj.wants_write else 0
                if key.events != selectors.EVENT_READ | writes:
                    selector.modify(key.fileobj, selectors.EVENT_READ | writes, key.data)
        deadline = self._next_deadline()
        for key, happened in selector.select(
            None if deadline is None else max(0.0, deadline - time.monotonic())
        ):
            if happened & selectors.EVENT_WRITE and isinstance(key.fileobj, Channel):
                key.fileobj.flush()
            if happened & selectors.EVENT_READ:
                key.data(happened)
        now = time.monotonic()
        if deadline is not None and now > deadline + HELD_UP:
            self._staff.be_patient(now)

    def _next_deadline(self) -> float | None:
        collection = self._collection
        times = [
            self._staff.next_deadline(),
            self._reload.next_deadline(),
            collection.restart_at,
            collection.deadline,
            self._start_at if self._start_at > time.monotonic() else None,
        ]
        return min((each for each in times if each is not None), default=None)

    def _act_on_time(self) -> None:
        now = time.monotonic()
        for worker in self._staff.act_on_time(now):
            name = "SIGKILL" if worker.life is WorkerLife.KILLED else "SIGABRT"
            why = "its heartbeat has stopped" if worker.silent else "it did not end in time"
            logger.warning(
                "%s is sent %s: %s", worker.name, name, why, extra={"worker": worker.slot, "signal": name}
            )
        self._reload.act_on_time(now)
        collection = self._collection
        if collection.deadline is not None and now >= collection.deadline:
            collection.kill()
        if collection.restart_at is not None and now >= collection.restart_at:
            collection.start()
            if self._state is ServerState.CLOSING:
                collection.stop(self._settings.graceful_timeout)

    def _event(self, event: ServerEvent) -> None:
        self._state, action = server_next(self._state, event)
        if action is not None:
            self._actions[action]()

    def _signal(self, number: signal.Signals) -> None:
        event = SIGNALS.get(number)
        if event is not None:
            self._reason = number.name
            self._event(event)

    # ------------------------------------------------------------------------------------------ workers

    def _reconcile(self) -> None:
        """Start and stop workers as wanted; let go of generations that nobody uses."""
        current = self._current
        if current is None:
            return
        if self._state in (ServerState.STARTING, ServerState.RUNNING):
            plan = reconcile(self._staff.members(), self._wanted, current.number)
            for incarnation in plan.stop:
                self._staff.stop(self._staff.find(incarnation))
            if time.monotonic() >= self._start_at:
                for lane in plan.start[:1] if self._failures else plan.start:
                    self._start_worker(current, lane)
            lanes = [worker.lane + 1 for worker in self._staff.workers.values()]
            self._resources.listeners.narrow(max([self._wanted, *lanes]))
        elif not self._staff.workers:
            self._event(ServerEvent.WORKERS_GONE)
        used = {ring.generation for ring in self._collection.rings.values()}
        for generation in self._generations.unused(used, current.number):
            self._collection.retire(generation)

    def _start_worker(self, generation: Generation, lane: int) -> None:
        try:
            self._staff.start(generation, lane)
        except OSError as error:  # no process, memory or descriptor to be had: try again later
            logger.error("cannot start a worker: %s", error.strerror)
            self._failures += 1
            self._pause = max(1.0, backoff.delay(self._failures))
        self._start_at = time.monotonic() + self._pause if self._failures else 0.0

    def _heard(self, worker: Worker, message: dict[str, Any]) -> None:
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
        generation = self._generations.find(worker.generation)
        if not generation.committed:
            self._collection.commit(generation)
        if generation is self._current and self._staff.running(generation.number) >= self._wanted:
            if self._state is ServerState.RUNNING and not generation.announced:
                logger.info("reloaded: %s", _count(self._wanted), extra={"generation": generation.number})
            generation.announced = True
            self._event(ServerEvent.BOOTED)

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

    def _bury(self) -> None:
        """Reap what has ended: say so, and decide what follows."""
        for worker, findings in self._staff.reap():
            death = post_mortem.examine(worker, findings)
            current = self._current is not None and worker.generation == self._current.number
            again = worker.boot_error is not None and (self._failure is not None or not current)
            level = logging.DEBUG if again else death.level  # one traceback is enough
            logger.log(level, "%s", death.message, extra=death.fields)
            worker.close()
            if current and not worker.recycled:
                worked = findings.requests > 0
                self._failures = backoff.failures_after(
                    self._failures, findings.age, in_order=worked and findings.cause["exit"] == 0
                )
                self._pause = backoff.delay(self._failures, worked=worked)
                self._start_at = time.monotonic() + self._pause
                if not worker.booted:
                    self._boot_failed(worker, death.message)
        if self._collection.pid:
            pid, status = os.waitpid(self._collection.pid, os.WNOHANG)
            if pid:
                self._collector_ended(status)

    def _boot_failed(self, worker: Worker, message: str) -> None:
        if self._state is ServerState.STARTING and self._failure is None:
            code = worker.boot_error[0] if worker.boot_error else BootError.exit_code
            self._fail(_boot_error(code, message))
            self._event(ServerEvent.BOOT_FAILED)
            return
        current, previous = self._current, self._previous
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
            self._use(previous)
            self._previous = None

    # ------------------------------------------------------------------------------------------ actions

    def _announce(self) -> None:
        logger.info("ready: %s", _count(self._wanted), extra={"workers": self._wanted})
        for number in self._deferred:
            self._resources.signals.push(number)
        self._deferred.clear()

    def _stop_workers(self) -> None:
        logger.info("stopping: %s", self._reason, extra={"signal": self._reason})
        self._resources.listeners.refuse()
        self._resources.listeners.close()
        self._staff.stop_all()

    def _quit_workers(self) -> None:
        if self._failure is None:
            logger.info("stopping at once: %s", self._reason, extra={"signal": self._reason})
        self._resources.listeners.close()
        self._staff.quit_all()

    def _resize(self, wanted: int) -> None:
        self._wanted = min(max(1, wanted), MAX_WORKERS)
        self._resources.roster.set(ARBITER_SLOT, R_WANTED, self._wanted)
        logger.info("%s wanted: %s", _count(self._wanted), self._reason, extra={"workers": self._wanted})

    def _reopen(self) -> None:
        self._collection.reopen()
        logger.info("log files are reopened: %s", self._reason, extra={"signal": self._reason})

    def _refuse_upgrade(self) -> None:
        logger.warning("SIGUSR2: replacing the running program is not available in this version")

    # ---------------------------------------------------------------------------------------- collector

    def _decided(self, generation: Generation, problem: str | None) -> None:
        """A generation's handlers are open, or cannot be opened."""
        if self._reload.under_way and not generation.committed and generation is not self._first:
            self._reload.decided(generation, problem)
        elif problem is not None and self._current is None:
            self._fail(ConfigurationError(problem))
            self._current = self._first
            self._event(ServerEvent.LOGGING_FAILED)
        elif problem is not None:
            log.complain(f"a new collector could not open the log's handlers: {problem}")
        elif self._current is None:
            self._logging_ready(generation)

    def _logging_ready(self, generation: Generation) -> None:
        """The collector takes records: load the application, if it is to be loaded here; then start workers."""
        if self._state is not ServerState.STARTING:  # told to stop meanwhile
            self._current = generation
            return
        if self._settings.preload:
            from logserve.arbiter import preload

            try:
                self._staff.application = preload.load(self._resources, generation, self._register)
            except LogserveError as error:
                logger.critical("the application could not be loaded: %s", error)
                self._fail(error)
                self._current = generation
                self._event(ServerEvent.BOOT_FAILED)
                return
            gc.collect()
            gc.freeze()
        self._use(generation)

    def _register(self, spec: Mapping[str, Any]) -> int:
        adopted = self._generations.registry.adopt(self._first.number, dict(spec))
        problem = self._collection.adopt_now(adopted, ADOPTION_TIMEOUT)
        if problem is not None:
            raise ConfigurationError(problem)
        return adopted.sink

    def _use(self, generation: Generation) -> None:
        """New workers are of this generation from now on."""
        self._previous, self._current = self._current, generation
        self._failures = 0
        self._start_at = 0.0
        if not self._settings.preload:
            log.use(generation)
        elif self._previous is not None:
            from logserve.arbiter import preload

            preload.configure_logging(generation)

    def _collector_ended(self, status: int) -> None:
        problem = self._collection.died(status)
        if problem is None:
            self._event(ServerEvent.COLLECTOR_DONE)
            return
        if self._current is None:
            self._fail(BootError(f"the collector, which writes the log, {problem} before it was ready"))
            self._current = self._first
            self._collection.restart_at = None
            self._event(ServerEvent.LOGGING_FAILED)
            return
        if not self._first.accepted:
            self._event(ServerEvent.COLLECTOR_DONE)
            return
        if self._state is ServerState.CLOSING and (
            self._collection.gave_up or self._collection.failures >= CLOSING_TRIES
        ):
            log.complain(f"the collector {problem} while it wrote the last log records; some may be missing")
            self._event(ServerEvent.COLLECTOR_DONE)
            return
        logger.critical("the collector %s; another goes on where it was", problem)
        self._event(ServerEvent.COLLECTOR_DIED)

    def _stop_collector(self) -> None:
        logger.info("stopped")
        collection = self._collection
        if collection.life is CollectorLife.GONE and collection.restart_at is None:
            self._event(ServerEvent.COLLECTOR_DONE)
        elif collection.life is not CollectorLife.GONE:
            if not self._first.accepted:
                collection.kill()  # it has no handler for what it would write
            else:
                collection.stop(self._settings.graceful_timeout)

    def _fail(self, failure: LogserveError) -> None:
        self._failure = self._failure or failure

    # ----------------------------------------------------------------------------------------- children

    def _leave_in_child(self) -> None:
        log.uninstall()
        self._resources.selector.close()
        self._staff.leave_in_child()
        self._collection.leave_in_child()
        self._reload.leave_in_child()

    def _leave_in_check(self) -> None:
        self._leave_in_child()
        self._resources.listeners.close_in_child()

    def _leave_in_collector(self) -> None:
        self._leave_in_child()
        self._resources.listeners.close_in_child()
        self._resources.for_children.close()


def _count(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _boot_error(code: int, message: str) -> LogserveError:
    from logserve.errors import AppError

    return AppError(message) if code == AppError.exit_code else BootError(message)


def _load_what_is_shared(config: LoggingConfig) -> None:
    """Load before the first fork what the collector and the workers need: they share the memory from then on.

    What is loaded later lies between objects of before, and their pages are shared no longer.
    """
    import_own(config.data)
    importlib.import_module("logserve.workers.process")
    gc.collect()
    gc.freeze()
