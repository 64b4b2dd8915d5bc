"""The server and the worker that hooks are given. They may be given attributes of the hooks' own."""

from __future__ import annotations

import os
import socket
from typing import Any

from logserve.compat.config import Config
from logserve.compat.logger import Logger


class WorkerView:
    """A worker, with the attributes of gunicorn's.

    In the arbiter one is made before each fork, which the worker then has a copy of.

    :param age: how many workers were made before it, and itself.
    """

    def __init__(self, age: int, cfg: Config, log: Logger, sockets: list[socket.socket]) -> None:
        self.age = age
        self.pid: int | str = "[booting]"
        self.ppid = os.getpid()
        self.cfg = cfg
        self.log = log
        self.sockets = sockets
        self.timeout = cfg.timeout / 2.0
        self.booted = False
        self.aborted = False
        self.alive = True
        self.app: ApplicationView | None = None
        self.max_requests = cfg.max_requests
        self.nr = 0
        """How many requests it has begun; counted where there are hooks of requests, else known at its end."""
        self.wsgi: Any = None
        """The application, once it is loaded; ``post_worker_init`` may put another in its place."""

    def __str__(self) -> str:
        return f"<Worker {self.pid}>"


class ApplicationView:
    """``worker.app``: the application, and how it was named."""

    def __init__(self, cfg: Config, application: Any) -> None:
        self.cfg = cfg
        self.callable = application
        self.app_uri = cfg.wsgi_app

    def wsgi(self) -> Any:
        """The application."""
        return self.callable


class ServerView:
    """The arbiter, with the attributes of gunicorn's. Each worker has a copy, as it was when the worker was forked."""

    def __init__(self, cfg: Config, log: Logger) -> None:
        self.pid = os.getpid()
        self.cfg = cfg
        self.log = log
        self.LISTENERS: list[socket.socket] = []
        self.WORKERS: dict[int, WorkerView] = {}
        """By process id, those that were forked and have not been reaped."""
        self.num_workers: int = cfg.workers
        self.worker_age = 0
        self.master_pid = 0
        self.master_name = "Master"
        self.reexec_pid = 0

    @property
    def address(self) -> list[Any]:
        """Where it listens, see :attr:`Config.address`."""
        return self.cfg.address

    @property
    def timeout(self) -> int:
        """Seconds after which a worker that does not answer is killed."""
        return int(self.cfg.timeout)

    @property
    def proc_name(self) -> str:
        """The name in process titles."""
        return str(self.cfg.proc_name)

    @property
    def worker_class(self) -> str:
        """The worker class by its name."""
        return self.cfg.worker_class_str
