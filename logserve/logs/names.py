"""The server's three loggers, found under gunicorn's names too, and kept alive.

An application's ``logging.config.dictConfig`` (Django's) or ``fileConfig`` disables every logger that it does
not name, and resets those whose parent it names. The server's are neither: unless the application names one
itself, and then it gets what it asked for.
"""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from logserve.logs import runtime

ERROR: Final = "logserve.error"
ACCESS: Final = "logserve.access"
HTTP: Final = "logserve.http"
SERVER_LOGGERS: Final = (ERROR, ACCESS, HTTP)
ALIASES: Final = {"gunicorn.error": ERROR, "gunicorn.access": ACCESS, "gunicorn.http": HTTP}

_PLAN_INPUTS: Final = frozenset({"handlers", "filters", "level"})


class ServerLogger(logging.Logger):
    """One of the three: it cannot be disabled, and says when what the access plan is made from changes."""

    @property
    def disabled(self) -> bool:
        """Always False."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        """Refused in silence: who asks is a dictConfig that wants to disable loggers it does not know."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _PLAN_INPUTS:
            runtime.access_changed()

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - logging's name
        """Add a handler; the access plan may change with it."""
        super().addHandler(hdlr)
        runtime.access_changed()

    def removeHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - logging's name
        """Remove a handler; the access plan may change with it."""
        super().removeHandler(hdlr)
        runtime.access_changed()

    def addFilter(self, filter: Any) -> None:  # noqa: N802, A002 - logging's names
        """Add a filter; the access plan may change with it."""
        super().addFilter(filter)
        runtime.access_changed()

    def removeFilter(self, filter: Any) -> None:  # noqa: N802, A002 - logging's names
        """Remove a filter; the access plan may change with it."""
        super().removeFilter(filter)
        runtime.access_changed()


def install() -> None:
    """Make the three loggers, protect them, and put them under their aliases; a second time changes nothing."""
    known = logging.root.manager.loggerDict
    for name in SERVER_LOGGERS:
        logger = logging.getLogger(name)
        if not isinstance(logger, ServerLogger):
            logger.__dict__.pop("disabled", None)
            logger.__class__ = ServerLogger
            logger.propagate = False
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)
    for alias, name in ALIASES.items():
        logger = logging.getLogger(name)
        earlier = known.get(alias)
        if isinstance(earlier, logging.Logger) and earlier is not logger:
            _become(earlier, logger)
        known[alias] = logger
    _protect()


def is_installed() -> bool:
    """Whether this process has the server's loggers."""
    return isinstance(logging.root.manager.loggerDict.get(ERROR), ServerLogger)


def _become(earlier: logging.Logger, logger: logging.Logger) -> None:
    """Let a logger object that somebody holds already be the server's: the two share one state."""
    for handler in earlier.handlers:
        logger.addHandler(handler)
    earlier.__class__ = ServerLogger
    earlier.__dict__ = logger.__dict__


def _protect() -> None:
    """Keep the server's loggers out of what a later configuration resets.

    dictConfig and fileConfig begin by closing all handlers, and hand the loggers that they do not name to
    one function. Both steps are private functions; where a Python has none, `ServerLogger.disabled` still
    holds.
    """
    _wrap("_clearExistingHandlers", _with_lists_of_their_own)
    _wrap("_handle_existing_loggers", _without_ours)


_leave_open = False


@contextmanager
def handlers_left_open() -> Iterator[None]:
    """While the server applies its own configuration the handlers of a preloaded application stay open."""
    global _leave_open
    _leave_open = True
    try:
        yield
    finally:
        _leave_open = False


def _wrap(name: str, wrapper: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    original: Callable[..., None] | None = getattr(logging.config, name, None)
    if original is not None and not hasattr(original, "logserve_wraps"):
        wrapped = wrapper(original)
        wrapped.logserve_wraps = original  # type: ignore[attr-defined]
        setattr(logging.config, name, wrapped)


def _with_lists_of_their_own(original: Callable[..., None]) -> Callable[..., None]:
    """``logging.root.handlers = err.handlers`` shares one list; emptying root's must not empty the server's."""

    def clear_existing_handlers() -> None:
        for name in SERVER_LOGGERS:
            if logging.root.handlers is logging.getLogger(name).handlers:
                logging.root.handlers = list(logging.root.handlers)
        if not _leave_open:
            original()

    return clear_existing_handlers


def _without_ours(original: Callable[..., None]) -> Callable[..., None]:
    ours = {*SERVER_LOGGERS, *ALIASES}

    def handle_existing_loggers(
        existing: list[str], child_loggers: list[str], disable_existing: bool
    ) -> None:
        original([name for name in existing if name not in ours], child_loggers, disable_existing)

    return handle_existing_loggers
