"""File handlers that the application makes itself, handed to the collector at their first record.

Made for a single process, such a handler would be opened by every worker, and each would rotate the file
under the others. Whoever made it, and when, does not matter: the standard library's ``emit`` is where it is
caught, before anything is written. From then on the very same object forwards, with the formatter, level and
filters that it has at each record.
"""

from __future__ import annotations

import logging
import logging.handlers
import threading
from collections.abc import Callable
from typing import Final

from logserve.errors import ConfigurationError
from logserve.logs import names, runtime
from logserve.logs.config.spec import FILE_CLASSES, NotPossible, spec_of
from logserve.logs.forward import OUTLET, ForwardingHandler, is_stateless

_PATCHED: Final = (
    logging.FileHandler,
    logging.handlers.BaseRotatingHandler,
    logging.handlers.WatchedFileHandler,
)
"""The classes that define ``emit`` for the four."""

_Emit = Callable[[logging.FileHandler, logging.LogRecord], None]

_originals: dict[type, _Emit] = {}
_application = ""
_lock = threading.RLock()


def enable(app: str) -> None:
    """Adopt file handlers in this process from now on; a second time only changes the application.

    :param app: ``module:name`` of the application, whose module the collector must never import.
    """
    global _application
    _application = app.partition(":")[0].strip()
    for cls in _PATCHED:
        if cls not in _originals:
            _originals[cls] = cls.emit
            cls.emit = _adopting(_originals[cls])  # type: ignore[method-assign, assignment]


def disable() -> None:
    """Leave handlers alone from now on, but for those that have been adopted; in tests."""
    for cls, original in _originals.items():
        cls.emit = original  # type: ignore[attr-defined]
    _originals.clear()


def is_enabled() -> bool:
    """Whether this process adopts handlers."""
    return bool(_originals)


def _adopting(original: _Emit) -> _Emit:
    def emit(self: logging.FileHandler, record: logging.LogRecord) -> None:
        outlet = outlet_for(self)
        if outlet is None:
            original(self, record)
        else:
            outlet.send(record, self.formatter, self.terminator)

    return emit


def outlet_for(handler: logging.Handler) -> ForwardingHandler | None:
    """What `handler` forwards through from now on, adopting it if need be; None where it stays as it is."""
    try:
        known: ForwardingHandler | None = handler.__dict__[OUTLET]
    except KeyError:
        pass
    else:
        return known
    if not is_enabled() or not runtime.in_server() or not isinstance(handler, logging.FileHandler):
        return None  # also in a forked child of a worker, whose handlers are its own affair
    with _lock:
        if OUTLET not in handler.__dict__:
            _adopt(handler)
    outlet: ForwardingHandler | None = handler.__dict__[OUTLET]
    return outlet


def adopt_attached() -> None:
    """Adopt now what loggers have already: once the application is loaded, so that no request has to wait for it.

    It also closes the descriptor in workers that happen to log nothing. What a MemoryHandler passes its records
    on to counts, too.
    """
    known = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    for logger in (logging.root, *known):
        for handler in logger.handlers:
            for each in (handler, getattr(handler, "target", None)):
                if isinstance(each, logging.FileHandler) and type(each) in FILE_CLASSES:
                    outlet_for(each)


def _adopt(handler: logging.FileHandler) -> None:
    handler.__dict__[OUTLET] = None  # before anything is logged about it, perhaps to itself
    try:
        spec = spec_of(handler, _builds_application)
        if not is_stateless(spec["encoding"]):
            raise NotPossible(
                f"lines cannot be written one by one in {spec['encoding']}",
                "use an encoding without a mark at the beginning, such as utf-8",
            )
        assert runtime.registrar is not None
        sink = runtime.registrar(spec)
    except NotPossible as reason:
        _warn(handler, str(reason), reason.advice)
        return
    except ConfigurationError as error:
        _warn(handler, str(error), "define the file once, or alike in both places")
        return
    except OSError as error:  # nobody answered in time
        _warn(handler, str(error), "restart the server")
        return
    outlet = ForwardingHandler(
        sink, line=True, encoding=spec["encoding"], errors=handler.errors or "backslashreplace", spec=spec
    )
    _close_descriptor(handler)
    handler.__dict__[OUTLET] = outlet
    if isinstance(handler, logging.handlers.BaseRotatingHandler):
        handler.__dict__["doRollover"] = _leave_rollover  # the collector decides, and it has the file
    runtime.access_changed()


def _builds_application(module: str) -> bool:
    return module == "__main__" or module == _application or module.startswith(f"{_application}.")


def _close_descriptor(handler: logging.FileHandler) -> None:
    stream, handler.stream = handler.stream, None
    if stream is not None:
        stream.close()


def _leave_rollover() -> None:
    """Stands for ``doRollover`` of an adopted handler."""


def _warn(handler: logging.FileHandler, reason: str, advice: str) -> None:
    """Once for all workers: the first that meets the handler says it."""
    if not runtime.first_of_all_workers(handler.baseFilename):
        return
    kind = type(handler).__name__
    logging.getLogger(names.ERROR).warning(
        "The %s for %s stays in the workers: %s. Each worker writes the file by itself, and where it rotates "
        "lines are lost; %s.",
        kind,
        handler.baseFilename,
        reason.removeprefix(f"{handler.baseFilename} ").rstrip("."),
        advice,
    )
