"""The end, in its order: workers, then the collector, once everything is written; and what the server ends with."""

from __future__ import annotations

from typing import Final

from logserve.arbiter import log
from logserve.arbiter.collection import Collection
from logserve.arbiter.collector_process import CLOSING_TIME
from logserve.arbiter.course import Course
from logserve.arbiter.log import logger
from logserve.arbiter.policy import CollectorLife, ServerEvent, ServerState
from logserve.arbiter.resources import Resources
from logserve.arbiter.staff import Staff
from logserve.errors import BootError

CLOSING_TRIES: Final = 3
"""Collectors that may die while they write the last records, before that is given up."""
CLOSING_KILLS: Final = 2
"""Those that may have to be killed because they do not end: one that was stopped or stuck leaves all to the next."""


class Shutdown:
    """Ends the server's parts when the policy says so."""

    def __init__(self, resources: Resources, course: Course, collection: Collection, staff: Staff) -> None:
        self._resources = resources
        self._course = course
        self._collection = collection
        self._staff = staff

    def stop_workers(self) -> None:
        """Accept nothing more, and let workers finish their requests."""
        reason = self._course.reason
        logger.info("stopping: %s", reason, extra=self._course.blame)
        self._resources.listeners.refuse()
        self._resources.listeners.close()
        self._staff.stop_all()

    def quit_workers(self) -> None:
        """End workers at once."""
        reason = self._course.reason
        if self._course.failure is None:
            logger.info("stopping at once: %s", reason, extra=self._course.blame)
        self._resources.listeners.close()
        self._staff.quit_all()

    def stop_collector(self) -> None:
        """No worker is left: let the collector write what it has."""
        self._resources.hooks.exiting()
        logger.info("stopped")
        process = self._collection.process
        if process.life is CollectorLife.GONE and process.restart_at is None:
            self._course.event(ServerEvent.COLLECTOR_DONE)
        elif process.life is not CollectorLife.GONE:
            if not self._course.first.accepted:
                process.kill()  # it has no handler for what it would write
            else:
                self._collection.stop(self._resources.settings.graceful_timeout)

    def stop_next_collector(self) -> None:
        """The last one has died in the end: another one writes on, for a short time where the last took all of it."""
        killed = self._collection.process.kills
        self._collection.stop(CLOSING_TIME if killed else self._resources.settings.graceful_timeout)

    def collector_ended(self, problem: str | None) -> None:
        """The collector has ended, as it was told to (None) or unasked; whether there is to be another."""
        course, process = self._course, self._collection.process
        if problem is None:
            course.event(ServerEvent.COLLECTOR_DONE)
            return
        if course.current is None:
            course.fail(BootError(f"the collector, which writes the log, {problem} before it was ready"))
            course.current = course.first
            process.restart_at = None
            course.event(ServerEvent.LOGGING_FAILED)
            return
        if not course.first.accepted:
            course.event(ServerEvent.COLLECTOR_DONE)
            return
        if course.state is ServerState.CLOSING and (
            process.kills >= CLOSING_KILLS or process.failures >= CLOSING_TRIES
        ):
            left = self._collection.left()
            log.complain(
                f"the collector {problem} while it wrote the last log records; {left:,} were not written"
            )
            process.restart_at = None
            course.event(ServerEvent.COLLECTOR_DONE)
            return
        logger.critical("the collector %s; another goes on where it was", problem)
        course.event(ServerEvent.COLLECTOR_DIED)

    def outcome(self) -> int:
        """The exit code, once all has ended.

        :raises LogserveError: the server could not start, and its log did not say why where the user looks.
        """
        course = self._course
        if course.failure is None:
            return 0
        has_console = not self._resources.settings.daemon
        if has_console and course.first.accepted and log.reaches_console(course.first.config):
            return course.failure.exit_code  # the log has said it there
        raise course.failure
