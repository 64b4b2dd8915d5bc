"""The collector's process, which may be replaced: its start, its channel, its end, and when the next one is due."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from logserve.arbiter import backoff
from logserve.arbiter.forking import fork
from logserve.arbiter.policy import CollectorEvent, CollectorLife, collector_next
from logserve.arbiter.resources import Resources
from logserve.arbiter.spawn import execute
from logserve.arbiter.titles import set_title
from logserve.channel import Channel
from logserve.collector.process import CollectorStart
from logserve.collector.process import run as run_collector

CLOSING_TIME: Final = 2.0
"""Seconds beyond its timeout that a collector has to end: its own account of what it could not write comes first."""


class CollectorProcess:
    """The one that lives just now, if any. Times are seconds, CLOCK_MONOTONIC.

    :param resources: what it inherits.
    :param leave: lets go, in the child, of what is the arbiter's alone.
    :param hear: called with each of its messages.
    """

    def __init__(
        self, resources: Resources, *, leave: Callable[[], None], hear: Callable[[dict[str, Any]], None]
    ) -> None:
        self._resources = resources
        self._leave = leave
        self._hear = hear
        self._started = 0.0
        self.channel: Channel | None = None
        self.pid = 0
        self.life = CollectorLife.GONE
        self.failures = 0
        self.restart_at: float | None = None
        self.deadline: float | None = None
        """When it has to have ended, once it was told to stop."""
        self.kills = 0
        """How many did not end in time, and were killed."""

    def start(self, *, spawned: bool) -> None:
        """Have one.

        :param spawned: it is a program of its own, and so holds nothing of what this process has loaded.
        """
        resources = self._resources
        channel, theirs = Channel.pair()
        start = CollectorStart(
            channel=theirs,
            wakeup=resources.wakeup,
            intents=resources.intents,
            backlogs=resources.backlogs,
            ring=resources.received,
            child_socket=resources.from_children,
            title=resources.settings.name or resources.settings.app,
            orphan_grace=resources.settings.graceful_timeout,
            boot_id=resources.boot_id,
        )

        def run() -> int:
            channel.close()
            self._leave()
            if resources.identity is not None:
                resources.identity.take_on()
            if spawned:
                execute(resources, theirs)
            set_title("collector", start.title)
            return run_collector(start)

        self.pid = fork(resources.signals, run, ignore_signals=True)
        theirs.close()
        self.channel = channel
        self.restart_at = None
        self._started = time.monotonic()
        self.life = collector_next(self.life, CollectorEvent.FORKED)
        resources.selector.register(channel, selectors.EVENT_READ, self.receive)

    def send(self, message: dict[str, Any], fds: tuple[int, ...] | list[int] = ()) -> None:
        """Tell it; to nobody where there is none, for the next one is told everything."""
        if self.channel is not None:
            self.channel.send(message, fds)

    def receive(self, _events: int = selectors.EVENT_READ) -> None:
        """Hear what it has said."""
        while self.channel is not None:
            try:
                received = self.channel.receive()
            except BlockingIOError:
                return
            if received is None:
                self._hang_up()  # SIGCHLD tells the rest
                return
            message, fds = received
            for fd in fds:
                os.close(fd)
            if message["op"] == "ready":
                self.life = collector_next(self.life, CollectorEvent.READY)
            else:
                self._hear(message)

    def stop(self, timeout: float) -> None:
        """Let it write everything, and end; all producers are gone."""
        self.life = collector_next(self.life, CollectorEvent.STOP)
        self.deadline = time.monotonic() + timeout + CLOSING_TIME
        self.send({"op": "stop", "timeout": timeout})

    def kill(self) -> None:
        """End it: it did not do so in time."""
        self.deadline = None
        self.kills += 1
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the id is still its own

    def died(self, status: int) -> str | None:
        """Take note that it was reaped; why it ended, None where it was told to and said that all is written."""
        stopped = self.life is CollectorLife.STOPPING and status == 0
        worked = self.life is CollectorLife.READY
        self.life = collector_next(self.life, CollectorEvent.DIED)
        self.pid = 0
        self.deadline = None
        self._hang_up()
        if stopped:
            return None
        now = time.monotonic()
        self.failures = backoff.failures_after(self.failures, now - self._started, in_order=False)
        self.restart_at = now + backoff.delay(self.failures, worked=worked)  # the rings fill meanwhile
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    def _hang_up(self) -> None:
        if self.channel is not None:
            self._resources.selector.unregister(self.channel)
            self.channel.close()
            self.channel = None

    def leave_in_child(self) -> None:
        """In a child: the channel is the arbiter's."""
        if self.channel is not None:
            self.channel.close()
