"""The arbiter's loop: the shell around :mod:`logserve.arbiter.policy`, which decides.

One thread, one selector. Each turn: start and stop what the policy wants, sleep until something happens, take
messages, signals, the requests of ``logserve ctl``, deaths and deadlines in that order. What a turn leads to stands in modules of its own:
the start in :mod:`~logserve.arbiter.startup`, workers in :mod:`~logserve.arbiter.workforce`, SIGHUP in
:mod:`~logserve.arbiter.reload`, the end in :mod:`~logserve.arbiter.shutdown`.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, Final

from logserve.arbiter import log
from logserve.arbiter.collection import Collection
from logserve.arbiter.control.control import Control
from logserve.arbiter.course import Course
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.log import logger
from logserve.arbiter.orphans import orphans_reaper
from logserve.arbiter.policy import ServerAction, ServerEvent, ServerState
from logserve.arbiter.presence import Presence
from logserve.arbiter.reload import Reload
from logserve.arbiter.resources import Resources
from logserve.arbiter.rings import Ring
from logserve.arbiter.shutdown import Shutdown
from logserve.arbiter.sinks import SinkRegistry
from logserve.arbiter.staff import Staff
from logserve.arbiter.startup import Startup, load_what_is_shared
from logserve.arbiter.worker import Worker
from logserve.arbiter.workforce import Workforce
from logserve.channel import Channel
from logserve.logs.config import LoggingConfig

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
        generations = Generations(SinkRegistry())
        first = generations.add(config, resources.resolved)
        self._course = course = Course(first, resources.settings.workers)
        self._collection = collection = Collection(
            resources, generations, leave=self._leave_in_collector, decided=self._decided
        )
        self._staff = staff = Staff(resources, collection, leave=self._leave_in_child, heard=self._heard)
        self._workforce = workforce = Workforce(resources, course, generations, collection, staff)
        self._reload = Reload(
            resources,
            generations,
            collection,
            leave=self._leave_in_check,
            accepted=self._reloaded,
            decided=self._reload_decided,
        )
        self._control = Control(resources, course, staff, collection, self._reload)
        self._startup = Startup(resources, course, generations, collection, staff, workforce)
        self._shutdown = Shutdown(resources, course, collection, staff)
        self._asked_to_reload = -1
        """How many reloads had begun when one was asked for."""
        self._presence = Presence(course, self._reload, resources.notifier, resources.ready)
        self._reap_orphans = orphans_reaper(
            lambda: {*staff.workers, collection.process.pid, self._reload.checker}
        )
        course.act_by(self._actions())

    def _actions(self) -> Mapping[ServerAction, Callable[[], None]]:
        course, workforce, shutdown = self._course, self._workforce, self._shutdown
        return {
            ServerAction.ANNOUNCE: self._startup.announce,
            ServerAction.STOP_WORKERS: shutdown.stop_workers,
            ServerAction.QUIT_WORKERS: shutdown.quit_workers,
            ServerAction.RELOAD: self._reload.begin,
            ServerAction.DEFER: self._startup.defer_reload,
            ServerAction.ADD_WORKER: lambda: workforce.resize(course.wanted + course.step),
            ServerAction.REMOVE_WORKER: lambda: workforce.resize(course.wanted - course.step),
            ServerAction.REOPEN_FILES: self._reopen,
            ServerAction.REFUSE_UPGRADE: self._refuse_upgrade,
            ServerAction.STOP_COLLECTOR: shutdown.stop_collector,
            ServerAction.RESTART_COLLECTOR: lambda: None,  # `restart_at` is set; see _act_on_time
        }

    # --------------------------------------------------------------------------------------------- loop

    def run(self) -> int:
        """Serve until told to stop; the exit code.

        :raises LogserveError: the server could not start, and why; everything is stopped again.
        """
        self._begin()
        while self._course.state is not ServerState.STOPPED:
            self._workforce.reconcile()
            self._wait()
            for number in self._resources.signals.take():
                self._signal(number)
            self._control.act()
            self._bury()
            self._act_on_time()
            self._presence.update(time.monotonic())
        self._control.close()
        log.uninstall()
        for ring in self._collection.rings.values():
            ring.close()
        return self._shutdown.outcome()

    def _begin(self) -> None:
        """Say what starts, and start the collector; the rest follows from its answer."""
        from logserve import __version__

        resources, first = self._resources, self._course.first
        log.install(resources)
        log.use(first)
        logger.info("logserve %s starting", __version__, extra={"version": __version__})
        for name, handed in zip_longest(resources.listeners.names(), resources.handed):
            origin = f", handed over by systemd as {handed.name!r}" if handed is not None else ""
            logger.info("listening at %s (pid %d)%s", name, os.getpid(), origin, extra={"listener": name})
        for warning in resources.resolved.warnings:
            logger.warning("%s", warning)
        self._control.begin()
        resources.hooks.starting(self._course.wanted)
        resources.selector.register(resources.signals, selectors.EVENT_READ, lambda _events: None)
        self._collection.add(Ring(resources.memory, os.getpid(), generation=0))
        load_what_is_shared(first.config)
        self._collection.start(spawned=resources.load is not None)  # such a program holds the application

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
            if happened & selectors.EVENT_READ or not isinstance(key.fileobj, Channel):
                key.data(happened)
        now = time.monotonic()
        if deadline is not None and now > deadline + HELD_UP:
            self._staff.be_patient(now)

    def _next_deadline(self) -> float | None:
        times = [
            self._staff.next_deadline(),
            self._workforce.next_deadline(),
            self._reload.next_deadline(),
            self._control.next_deadline(),
            self._collection.process.restart_at,
            self._collection.process.deadline,
            self._presence.next_deadline(),
        ]
        return min((each for each in times if each is not None), default=None)

    def _act_on_time(self) -> None:
        now = time.monotonic()
        self._workforce.act_on_time(now)
        self._reload.act_on_time(now)
        self._control.act_on_time(now)
        process = self._collection.process
        if process.deadline is not None and now >= process.deadline:
            process.kill()
        if process.restart_at is not None and now >= process.restart_at:
            self._collection.start(
                spawned=self._staff.application is not None or self._resources.load is not None
            )
            if self._course.state is ServerState.CLOSING:
                self._shutdown.stop_next_collector()

    def _signal(self, number: signal.Signals) -> None:
        event = SIGNALS.get(number)
        if event is not None:
            self._course.reason, self._course.step = number.name, 1
            self._course.event(event)

    def _bury(self) -> None:
        self._workforce.bury()
        pid = self._collection.process.pid
        if pid:
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                self._shutdown.collector_ended(self._collection.process.died(status))
        self._reap_orphans()

    # ---------------------------------------------------------------------------------------- decisions

    def _heard(self, worker: Worker, message: dict[str, Any]) -> None:
        if message["op"] == "changed":
            self._file_changed(worker, message["path"])
        else:
            self._workforce.heard(worker, message)

    def _file_changed(self, worker: Worker, path: str) -> None:
        """``--reload``: a file of the application has changed; each of its workers says so, one is heard."""
        current, reload = self._course.current, self._reload
        if current is None or worker.generation != current.number or reload.under_way:
            return
        if self._asked_to_reload != reload.begun:
            self._asked_to_reload = reload.begun
            logger.info("%s has changed", path, extra={"file": path})
            self._resources.signals.push(signal.SIGHUP)

    def _decided(self, generation: Generation, problem: str | None) -> None:
        """A generation's handlers are open, or cannot be opened."""
        course = self._course
        if self._reload.under_way and not generation.committed and generation is not course.first:
            self._reload.decided(generation, problem)
        elif course.current is None:
            self._startup.decided(generation, problem)
        elif problem is not None:
            log.complain(f"a new collector could not open the log's handlers: {problem}")

    def _reloaded(self, generation: Generation) -> None:
        """A reload's configuration holds."""
        self._workforce.use(generation)
        self._resources.hooks.reloaded()

    def _reload_decided(self, problem: str | None) -> None:
        self._control.reload_decided(problem)

    def _reopen(self) -> None:
        self._collection.reopen()
        self._resources.hooks.reopened()
        reason = self._course.reason
        logger.info("log files are reopened: %s", reason, extra=self._course.blame)

    def _refuse_upgrade(self) -> None:
        logger.warning("SIGUSR2: replacing the running program is not available in this version")

    # ----------------------------------------------------------------------------------------- children

    def _leave_in_child(self) -> None:
        log.uninstall()
        self._resources.selector.close()
        self._staff.leave_in_child()
        self._collection.leave_in_child()
        self._reload.leave_in_child()
        self._control.leave_in_child()

    def _leave_in_check(self) -> None:
        self._leave_in_child()
        self._resources.listeners.close_in_child()

    def _leave_in_collector(self) -> None:
        self._leave_in_child()
        self._resources.listeners.close_in_child()
        self._resources.for_children.close()
