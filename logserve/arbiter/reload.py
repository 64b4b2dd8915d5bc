"""SIGHUP: from the file to the handlers that are open, step by step, each of which may refuse.

Read, validated and checked in a child, numbered, opened by the collector. Only then is it the generation
of new workers; nothing that runs has changed before.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable

from logserve.arbiter.collection import Collection
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.log import logger
from logserve.arbiter.preparation import Check
from logserve.arbiter.reread import settings_read_anew
from logserve.arbiter.resources import Resources
from logserve.errors import ConfigurationError, LogserveError


class Reload:
    """At most one at a time is under way.

    :param leave: lets go, in a child, of what is the arbiter's alone.
    :param accepted: called with the generation whose handlers the collector has opened.
    :param decided: called at the end of each: with None where it was accepted, else with what is wrong.
    """

    def __init__(
        self,
        resources: Resources,
        generations: Generations,
        collection: Collection,
        *,
        leave: Callable[[], None],
        accepted: Callable[[Generation], None],
        decided: Callable[[str | None], None],
    ) -> None:
        self._resources = resources
        self._generations = generations
        self._collection = collection
        self._leave = leave
        self._accepted = accepted
        self._decided = decided
        self._resolved = resources.resolved
        self._check: Check | None = None
        self._generation: Generation | None = None
        self._again = False
        self.begun = 0
        """How many have begun, those that were refused at once included."""

    @property
    def under_way(self) -> bool:
        """Whether one has begun and nothing is decided yet."""
        return self._check is not None or self._generation is not None

    @property
    def checker(self) -> int:
        """The process that checks a configuration just now; 0 where none does."""
        return self._check.pid if self._check is not None else 0

    def begin(self) -> None:
        """Read everything anew; while one is under way, once more after it."""
        if self.under_way:
            self._again = True
            return
        self.begun += 1
        logger.info("reloading")
        if self._resources.settings.preload:
            logger.warning("the application is loaded with --preload: only its logging is read anew")
        try:
            self._resolved = settings_read_anew(self._resources)
        except LogserveError as error:
            self._refused(str(error))
            return
        self._check = Check(self._resolved, self._resources.signals, self._resources.identity, self._leave)
        self._resources.selector.register(self._check, selectors.EVENT_READ, self._checked)

    def next_deadline(self) -> float | None:
        """When the check has had its time."""
        return self._check.deadline if self._check is not None else None

    def act_on_time(self, now: float) -> None:
        """Give a check up that hangs."""
        if self._check is not None and now >= self._check.deadline:
            self._checked(0)

    def _checked(self, _events: int) -> None:
        check, self._check = self._check, None
        assert check is not None
        self._resources.selector.unregister(check)
        try:
            self._generation = self._generations.add(check.finish(), self._resolved)
        except ConfigurationError as error:
            self._refused(str(error))
            return
        self._collection.configure(self._generation)

    def decided(self, generation: Generation, problem: str | None) -> None:
        """The collector has opened the generation's handlers, or says why it could not."""
        if generation is not self._generation:
            return
        self._generation = None
        if problem is not None:
            self._collection.retire(generation)
            self._refused(problem)
            return
        self._accepted(generation)
        self._decided(None)
        self._next()

    def _refused(self, problem: str) -> None:
        logger.error("not reloaded, the running configuration stays: %s", problem)
        self._decided(problem)
        self._next()

    def _next(self) -> None:
        if self._again:
            self._again = False
            self.begin()

    def leave_in_child(self) -> None:
        """In a child: close what a check has open."""
        if self._check is not None:
            self._check.leave_in_child()
