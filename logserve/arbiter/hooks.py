"""The arbiter's calls of the user's hooks: the places; what is called, and with what, is :mod:`logserve.compat`'s.

Without hooks, logger class and metrics nothing is made or loaded, and each call is a test of None.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from logserve.arbiter.listeners import Listeners
from logserve.compat.asked import wanted
from logserve.settings import Settings

if TYPE_CHECKING:
    from logserve.compat.hooks import ServerSide, WorkerSide


class ArbiterHooks:
    """The hooks of the settings that hold just now."""

    def __init__(self, settings: Settings, listeners: Listeners) -> None:
        self._listeners = listeners
        self._side: ServerSide | None = None
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Call those of other settings from now on."""
        if self._side is not None:
            self._side.use(settings)
        elif wanted(settings):
            from logserve.compat.hooks import ServerSide  # whoever has no hooks does not load all that

            self._side = ServerSide(settings, list(self._listeners.sockets()))

    def starting(self, workers: int) -> None:
        """``nworkers_changed`` and ``on_starting``: the arbiter logs, nothing is forked."""
        if self._side is not None:
            self._side.resized(workers, None)
            self._side.call("on_starting")

    def ready(self) -> None:
        """``when_ready``: sockets listen and the log is written, no worker is forked yet."""
        if self._side is not None:
            self._side.call("when_ready")

    def reloaded(self) -> None:
        """``on_reload``: the new settings hold, and no worker of theirs is forked yet."""
        if self._side is not None:
            self._side.call("on_reload")

    def resized(self, new: int, old: int) -> None:
        """``nworkers_changed``."""
        if self._side is not None:
            self._side.resized(new, old)

    def forking(self, sockets: list[socket.socket]) -> WorkerSide | None:
        """``pre_fork``; what the worker calls itself."""
        return self._side.forking(sockets) if self._side is not None else None

    def forked(self, pid: int, side: WorkerSide | None) -> None:
        """A worker was forked."""
        if self._side is not None and side is not None:
            self._side.forked(pid, side)

    def ended(self, pid: int) -> None:
        """``child_exit``: a worker has ended and is reaped."""
        if self._side is not None:
            self._side.ended(pid)

    def reopened(self) -> None:
        """Log files are reopened."""
        if self._side is not None:
            self._side.reopened()

    def replacing(self) -> None:
        """``pre_exec``: for who is about to execute another program in a child of the arbiter's (USR2)."""
        if self._side is not None:
            self._side.call("pre_exec")

    def exiting(self) -> None:
        """``on_exit``: all workers have ended, the log is still written."""
        if self._side is not None:
            self._side.call("on_exit")
