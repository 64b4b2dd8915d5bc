"""What the outside is told of the server's state: whoever waits for its start, and the service manager.

Looked at once in a turn of the loop, from the state itself: so nothing that leads to a state has to say so.
"""

from __future__ import annotations

from collections.abc import Callable

from logserve.arbiter.course import Course
from logserve.arbiter.generations import Generation
from logserve.arbiter.log import logger
from logserve.arbiter.policy import ServerState
from logserve.arbiter.reload import Reload
from logserve.arbiter.systemd import Notifier
from logserve.arbiter.workforce import count


class Presence:
    """The state as others see it.

    :param ready: called once, when as many workers as are wanted have booted for the first time.
    """

    def __init__(
        self, course: Course, reload: Reload, notifier: Notifier, ready: Callable[[], None] | None
    ) -> None:
        self._course = course
        self._reload = reload
        self._notifier = notifier
        self._ready = ready
        self._begun = 0
        self._before: Generation | None = None
        """What was current when the last reload began: still is, where it was refused or its workers could not boot."""
        self._told = ""

    def update(self, now: float) -> None:
        """Tell what has changed.

        :param now: seconds, CLOCK_MONOTONIC.
        """
        course = self._course
        if course.state is ServerState.RUNNING and self._ready is not None:
            ready, self._ready = self._ready, None
            ready()
        if not self._notifier.active:
            return
        if course.state is ServerState.RUNNING:
            self._tell_running()
        elif course.state in (ServerState.STOPPING, ServerState.QUITTING):
            self._tell("STOPPING=1", f"STATUS=stopping: {course.failure or course.reason}".splitlines()[0])
        self._notifier.act_on_time(now)
        if self._notifier.problem:
            logger.warning("%s", self._notifier.problem)
            self._notifier.problem = ""

    def _tell_running(self) -> None:
        """READY, or RELOADING from a reload's begin until its workers have booted or it was refused.

        One that was refused at once is told, too: a manager that has sent SIGHUP waits for both messages.
        """
        reload, current = self._reload, self._course.current
        if reload.begun != self._begun:
            self._begun, self._before = reload.begun, current
            self._told = ""
            self._notifier.tell_reloading()
        if reload.under_way or current is None or not current.announced:
            return
        refused = "; the last reload was refused, see the log" if current is self._before else ""
        self._tell("READY=1", f"STATUS=serving, {count(self._course.wanted)}{refused}")

    def _tell(self, *lines: str) -> None:
        if self._told != "\n".join(lines):
            self._told = "\n".join(lines)
            self._notifier.tell(*lines)

    def next_deadline(self) -> float | None:
        """When there is something to tell although nothing happens."""
        return self._notifier.next_deadline() if self._notifier.active else None
