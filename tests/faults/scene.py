"""Where a run takes place: the server, its disks and pipes, and what a fault needs to find its victim."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.faults.mischief import Mischief
from tests.faults.places import Pipe, SmallDisk, small_group
from tests.support import processes
from tests.support.server import Server
from tests.support.waiting import wait_for

WORKERS: Final = 3
OPTIONS: Final = (
    "--workers", str(WORKERS), "--timeout", "2", "--graceful-timeout", "5", "--header-timeout", "3",
    "--body-timeout", "3", "--send-timeout", "3",
)  # fmt: skip
GRACE: Final = 8.0
"""Seconds in which the workers of an arbiter that was killed end by themselves."""
LOGS: Final = """\
version: 1
formatters:
  ecs: {{(): logserve.ECSFormatter}}
  path: {{(): logserve.AccessFormatter, fmt: "%(U)s %(s)s"}}
  bare: {{format: "%(message)s"}}
handlers:
  access_file: {{class: logging.handlers.TimedRotatingFileHandler, when: S, interval: 1, filename: access.json, formatter: ecs}}
  access_disk: {{class: logging.FileHandler, filename: {disk}/access.txt, formatter: path}}
  error_file: {{class: logging.FileHandler, filename: error.json, formatter: ecs}}
  http_file: {{class: logging.FileHandler, filename: http.json, formatter: ecs}}
  app_file: {{class: logging.handlers.TimedRotatingFileHandler, when: S, interval: 1, filename: app.json, formatter: ecs}}
  app_record: {{class: tests.faults.handler.AppendingHandler, filename: record.txt, formatter: bare}}
  app_pipe: {{class: logging.FileHandler, filename: {pipe}, formatter: bare}}
loggers:
  logserve.access: {{level: INFO, handlers: [access_file, access_disk], propagate: false}}
  logserve.error: {{level: INFO, handlers: [error_file], propagate: false}}
  logserve.http: {{level: INFO, handlers: [http_file], propagate: false}}
root: {{level: INFO, handlers: [app_file, app_record, app_pipe]}}
"""
"""Access and application logs rotate each second; one more access log is on the small disk; the application's
records also go through a handler that is no line handler, and into a pipe."""


class Scene:
    """For the length of a block: made, started, and at the end stopped and put away.

    :param directory: an empty directory for everything.
    :param worker_options: the options that choose the worker type.
    :param chance: whom a fault hits is drawn from here.
    """

    def __init__(
        self, directory: Path, worker_options: Sequence[str], seed: int, chance: random.Random
    ) -> None:
        self.chance = chance
        self.directory = directory
        gates = directory / "gates"
        gates.mkdir()
        self.disk = SmallDisk(directory / "disk")
        self.pipe = Pipe(directory / "pipe", directory / "pipe.txt")
        self.address = ("127.0.0.1", _free_port())
        self.mischief = Mischief(self.address, directory, gates, seed)
        self._stack = ExitStack()
        self.group = small_group(self._stack)
        """A control group with little memory, or None."""
        self.reopened = 0
        self.server = Server(
            directory / "server",
            "tests.apps.ledger",
            ["--bind", f"127.0.0.1:{self.address[1]}", *worker_options, *OPTIONS],
            environment={"LEDGER_BOOK": str(directory / "ledger.txt"), "LEDGER_GATES": str(gates)},
            logs=LOGS.format(disk=self.disk.path, pipe=self.pipe.path),
        )

    def __enter__(self) -> Scene:
        try:
            self.start()
        except BaseException:
            self._put_away()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put_away()

    def _put_away(self) -> None:
        """Leave no process and no mounted disk, whatever has happened."""
        if self.server.was_spawned:
            self.server.kill()
        self.pipe.close()
        self.disk.close()
        self._stack.close()

    # -- the server's life

    def start(self) -> None:
        """Start it, and wait until it accepts."""
        self.server.spawn()
        wait_for(self._accepts, 60, self.server.describe)

    def _accepts(self) -> bool:
        assert self.server.exit_status() is None, self.server.describe()
        try:
            socket.create_connection(self.address, 1).close()
        except OSError:
            return False
        return True

    def start_again(self) -> None:
        """Wait until it and all that was its own are gone, and start it on the same files.

        A worker that is stopped, or in a call that hangs, has nobody left to end it when the arbiter is gone: an
        init system does so after a while, and so does this.
        """
        gone = self.server.pid
        self.server.wait_exit(60)
        until = time.monotonic() + GRACE
        while (left := processes.session_members(gone)) and time.monotonic() < until:
            time.sleep(0.02)
        for pid in left:
            if not processes.ignores(
                pid, signal.SIGTERM
            ):  # the collector ends by itself, when the last worker is gone
                send(pid, signal.SIGKILL)
        wait_for(lambda: not processes.session_members(gone), 60, lambda: f"the end of {gone}'s processes")
        self.start()

    def end(self) -> int:
        """Wait for the clients in the background, stop the server, and return its exit status."""
        self.mischief.close()
        self.server.send(signal.SIGTERM)
        status = self.server.wait_exit(60)
        wait_for(lambda: not processes.session_members(self.server.pid), 60, "the end of its processes")
        return status

    def leftovers(self) -> list[str]:
        """Temporary files and shared memory that should not be left."""
        found = sorted(path.name for path in self.server.temporary.rglob("*"))
        return found + [name for name in os.listdir("/dev/shm") if "logserve" in name]

    # -- victims

    def worker(self) -> int:
        """One of the workers."""
        workers = wait_for(self.server.workers, 60, self.server.describe)
        return self.chance.choice(workers)

    def workers(self) -> list[int]:
        """All of them; at least one."""
        return wait_for(self.server.workers, 60, self.server.describe)

    def collector(self) -> int:
        """The collector."""
        return wait_for(self._collector, 60, self.server.describe)

    def _collector(self) -> int:
        found = [
            pid
            for pid in processes.children(self.server.pid)
            if processes.ignores(pid, signal.SIGTERM) and processes.is_alive(pid)
        ]
        return found[0] if found else 0


def send(pid: int, which: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        pass


def _free_port() -> int:
    """A port below those that the kernel gives to clients, so that it is still free after a restart.

    It does not follow from the seed: two runs side by side must not meet.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
