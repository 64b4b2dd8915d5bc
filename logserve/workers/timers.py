"""How long each connection of a worker may take for what it does: at most one deadline each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from logserve.workers.connection import Connection
from logserve.workers.deadlines import Deadlines
from logserve.workers.limits import WorkerLimits

LINGER_SECONDS: Final = 2.0
LAST_CHANCE: Final = 1.0
"""Seconds for which a stopping worker still takes a request on an idle connection: one that is on its way when the
stop comes would be lost. Its answer says ``Connection: close``."""

_monotonic = time.monotonic


class Timers:
    """The kinds of deadlines, one attribute each."""

    def __init__(self, limits: WorkerLimits) -> None:
        self.idle: Deadlines[Connection] = Deadlines(limits.keep_alive)
        self.heads: Deadlines[Connection] = Deadlines(limits.header_timeout)
        self.bodies: Deadlines[Connection] = Deadlines(limits.body_timeout)
        self.sends: Deadlines[Connection] = Deadlines(limits.send_timeout)
        self.lingers: Deadlines[Connection] = Deadlines(LINGER_SECONDS)
        self.last_chances: Deadlines[Connection] = Deadlines(LAST_CHANCE)
        self._resting = self.idle

    @staticmethod
    def start(connection: Connection, deadlines: Deadlines[Connection], since: float = 0.0) -> None:
        """Give a connection this deadline, in place of the one that it had, from `since` or from now."""
        if connection.timer is not None and connection.timer is not deadlines:
            connection.timer.cancel(connection)
        deadlines.start(connection, since or _monotonic())
        connection.timer = deadlines

    def rest(self, connection: Connection) -> None:
        """It is between two requests."""
        resting = self._resting
        if connection.timer is resting:
            resting.start(connection, _monotonic())
        else:
            self.start(connection, resting)

    @staticmethod
    def cancel(connection: Connection) -> None:
        """Nothing is waited for."""
        if connection.timer is not None:
            connection.timer.cancel(connection)
            connection.timer = None

    @staticmethod
    def expired(deadlines: Deadlines[Connection], now: float) -> Iterator[Connection]:
        """Take the connections whose deadline of this kind has passed by `now` (CLOCK_MONOTONIC, seconds)."""
        for connection in deadlines.expired(now):
            connection.timer = None
            yield connection

    def wind_down(self) -> None:
        """From now on a connection that rests has only its last chance."""
        self._resting = self.last_chances
