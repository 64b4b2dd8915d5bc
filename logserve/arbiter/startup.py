"""The start: what is loaded before the first fork, the collector's first answer, the application of ``--preload``."""

from __future__ import annotations

import gc
import importlib
import signal
from collections.abc import Mapping
from typing import Any, Final

from logserve.arbiter.collection import Collection
from logserve.arbiter.course import Course
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.log import logger
from logserve.arbiter.packing import fill_holes
from logserve.arbiter.policy import ServerEvent, ServerState
from logserve.arbiter.resources import Resources
from logserve.arbiter.staff import Staff
from logserve.arbiter.workforce import Workforce, count
from logserve.errors import ConfigurationError, LogserveError
from logserve.logs.config import LoggingConfig
from logserve.logs.config.own import import_own

ADOPTION_TIMEOUT: Final = 10.0
"""Seconds for the collector to open a handler of a preloaded application."""


class Startup:
    """From the first collector to "ready"."""

    def __init__(
        self,
        resources: Resources,
        course: Course,
        generations: Generations,
        collection: Collection,
        staff: Staff,
        workforce: Workforce,
    ) -> None:
        self._resources = resources
        self._course = course
        self._generations = generations
        self._collection = collection
        self._staff = staff
        self._workforce = workforce
        self._deferred = 0

    def decided(self, generation: Generation, problem: str | None) -> None:
        """The first generation's handlers are open, or cannot be opened and why."""
        if problem is None:
            self._logging_ready(generation)
            return
        self._course.fail(ConfigurationError(problem))
        self._course.current = generation
        self._course.event(ServerEvent.LOGGING_FAILED)

    def _logging_ready(self, generation: Generation) -> None:
        """The collector takes records: load the application, if it is to be loaded here; then start workers."""
        course = self._course
        if course.state is not ServerState.STARTING:  # told to stop meanwhile
            course.current = generation
            return
        if self._resources.settings.preload:
            if self._resources.settings.reload:
                logger.warning("--reload does nothing with --preload: the application is loaded only once")
            from logserve.arbiter import preload

            try:
                self._staff.application = preload.load(self._resources, generation, self._register)
            except LogserveError as error:
                logger.critical("the application could not be loaded: %s", error)
                course.fail(error)
                course.current = generation
                course.event(ServerEvent.BOOT_FAILED)
                return
            gc.collect()
            gc.freeze()
        self._resources.hooks.ready()
        self._workforce.use(generation)

    def _register(self, spec: Mapping[str, Any]) -> int:
        adopted = self._generations.registry.adopt(self._course.first.number, dict(spec))
        problem = self._collection.adopt_now(adopted, ADOPTION_TIMEOUT)
        if problem is not None:
            raise ConfigurationError(problem)
        return adopted.sink

    def defer_reload(self) -> None:
        """SIGHUP came before the server runs: it is taken then."""
        self._deferred += 1

    def announce(self) -> None:
        """As many workers as are wanted have booted."""
        wanted = self._course.wanted
        logger.info("ready: %s", count(wanted), extra={"workers": wanted})
        for _ in range(self._deferred):
            self._resources.signals.push(signal.SIGHUP)
        self._deferred = 0


def load_what_is_shared(config: LoggingConfig) -> None:
    """Load before the first fork what the collector and the workers need: they share the memory from then on.

    What is loaded later lies between objects of before, and their pages are shared no longer.
    """
    import_own(config.data)
    importlib.import_module("logserve.workers.process")
    gc.collect()
    fill_holes()
    gc.freeze()
