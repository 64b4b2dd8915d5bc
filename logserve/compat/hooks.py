"""Hooks: the functions that a configuration file names, and the server's and a worker's side of calling them.

One that raises is reported with its name, and what goes on around it goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from logserve.compat.asked import HOOKS
from logserve.compat.config import Config
from logserve.compat.loading import load_logger_class, overrides
from logserve.compat.logger import Logger
from logserve.compat.objects import ApplicationView, ServerView, WorkerView
from logserve.compat.standin import standing_in
from logserve.compat.statsd import MetricsHandler, StatsdClient, client_for
from logserve.logs.names import ERROR
from logserve.settings import Settings

log = logging.getLogger(ERROR)


class Hooks:
    """The functions that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._functions = {name: getattr(settings, name) for name in HOOKS}

    def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        return self._functions[name] is not None

    def call(self, name: str, *arguments: Any) -> None:
        """Call it, if there is one; what it raises is logged."""
        function = self._functions[name]
        if function is not None:
            try:
                with standing_in():
                    function(*arguments)
            except (Exception, SystemExit) as error:
                report(name, error)

    def of_requests(self, name: str) -> Callable[..., None] | None:
        """A function that calls it, without what only other hooks need; None where there is none."""
        function = self._functions[name]
        if function is None:
            return None

        def call(*arguments: Any) -> None:
            try:
                function(*arguments)
            except (Exception, SystemExit) as error:
                report(name, error)

        return call


def report(name: str, error: BaseException) -> None:
    """Say that a hook raised, with its own part of the traceback."""
    frames = error.__traceback__
    log.error(
        "the hook %s raised %s: %s",
        name,
        type(error).__name__,
        error,
        exc_info=(type(error), error, frames.tb_next if frames is not None else None),
        extra={"hook": name},
    )


def count_messages(statsd: StatsdClient | None) -> None:
    """Have this process's messages counted there, and nowhere else: a worker inherits the arbiter's handlers."""
    for handler in [each for each in log.handlers if isinstance(each, MetricsHandler)]:
        log.removeHandler(handler)
    if statsd is not None:
        log.addHandler(MetricsHandler(statsd))


class WorkerSide:
    """What one worker calls of the user's; made before its fork."""

    def __init__(self, hooks: Hooks, server: ServerView, worker: WorkerView, settings: Settings) -> None:
        self.hooks = hooks
        self.server = server
        self.worker = worker
        self.logger: Logger | None = None
        self.statsd: StatsdClient | None = None
        self._settings = settings
        self._count: Callable[[], int] = lambda: 0
        self._left = False
        self._interrupted = False

    def install_abort(self, dump: Callable[[], None]) -> None:
        """Have ABRT call the hook, if there is one, before it ends the process.

        To be called before faulthandler is enabled: it writes the stacks first, in C, and then gives the signal
        to this handler, which runs as soon as the main thread executes Python.

        :param dump: switches faulthandler's own part off.
        """
        if not self.hooks.has("worker_abort"):
            return

        def handle(_number: int, _frame: object) -> None:
            self.worker.alive, self.worker.aborted = False, True
            self.hooks.call("worker_abort", self.worker)
            dump()
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGABRT)

        signal.signal(signal.SIGABRT, handle)

    def booting(self, count: Callable[[], int]) -> None:
        """In the worker, its logging installed: make its logger, and call ``post_fork``.

        :param count: how many requests it has answered.
        :raises ConfigurationError: the logger class cannot be had.
        """
        worker = self.worker
        worker.pid = os.getpid()
        self._count = count
        with standing_in():
            self.logger = load_logger_class(self._settings.logger_class)(worker.cfg)
        worker.log = self.server.log = self.logger
        if overrides(type(self.logger), "reopen_files"):
            signal.signal(signal.SIGUSR1, lambda _number, _frame: worker.log.reopen_files())
        self.statsd = client_for(worker.cfg)
        count_messages(self.statsd)
        self.hooks.call("post_fork", self.server, worker)

    def loaded(self, application: Any) -> Any:
        """Call ``post_worker_init``; the application, which that may have wrapped (``worker.wsgi``)."""
        worker = self.worker
        worker.app = ApplicationView(worker.cfg, application)
        worker.wsgi = application
        self.hooks.call("post_worker_init", worker)
        worker.booted = True
        return worker.wsgi

    def interrupted(self) -> None:
        """Call ``worker_int``, once: a terminal's Ctrl-C comes from two sides."""
        if not self._interrupted:
            self._interrupted = True
            self.worker.alive = False
            self.hooks.call("worker_int", self.worker)

    def leaving(self) -> None:
        """Call ``worker_exit``, once."""
        if not self._left:
            self._left = True
            self.worker.alive = False
            self.worker.nr = self._count()
            self.hooks.call("worker_exit", self.server, self.worker)


class ServerSide:
    """What the arbiter calls of the user's.

    :param sockets: those that the server listens on.
    """

    def __init__(self, settings: Settings, sockets: list[socket.socket]) -> None:
        self.server = ServerView(Config(settings), Logger(Config(settings)))
        self.server.LISTENERS = sockets
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self.hooks = Hooks(settings)
        self.server.cfg = self.server.log.cfg = Config(settings)
        self.statsd = client_for(self.server.cfg)
        count_messages(self.statsd)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a hook whose first argument is the server."""
        self.hooks.call(name, self.server, *arguments)

    def forking(self, sockets: list[socket.socket]) -> WorkerSide:
        """Call ``pre_fork``; the side of the worker that will be forked."""
        server = self.server
        server.worker_age += 1
        worker = WorkerView(server.worker_age, server.cfg, server.log, sockets)
        self.hooks.call("pre_fork", server, worker)
        return WorkerSide(self.hooks, server, worker, self.settings)

    def forked(self, pid: int, side: WorkerSide) -> None:
        """A worker was forked."""
        side.worker.pid = pid
        self.server.WORKERS[pid] = side.worker
        self._count()

    def ended(self, pid: int) -> None:
        """A worker has ended: call ``child_exit``."""
        worker = self.server.WORKERS.pop(pid, None)
        if worker is not None:
            worker.alive = False
            self.hooks.call("child_exit", self.server, worker)
            self._count()

    def resized(self, new: int, old: int | None) -> None:
        """Another number of workers is wanted: call ``nworkers_changed``."""
        self.server.num_workers = new
        self.hooks.call("nworkers_changed", self.server, new, old)

    def reopened(self) -> None:
        """Log files are reopened: a logger class of the user's is told, too, in each worker."""
        kind = self.settings.logger_class
        if kind is not None and (isinstance(kind, str) or overrides(kind, "reopen_files")):
            for pid in self.server.WORKERS:
                os.kill(pid, signal.SIGUSR1)

    def _count(self) -> None:
        if self.statsd is not None:
            self.statsd.gauge("gunicorn.workers", len(self.server.WORKERS))
