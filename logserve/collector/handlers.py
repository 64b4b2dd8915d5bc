"""The real handlers: made from a configuration's handlers, or from what an application's own file handler was."""

from __future__ import annotations

import datetime
import importlib
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Final, cast

from logserve.collector.rotation import LINE_CLASSES, harden
from logserve.errors import ConfigurationError
from logserve.logs.config import LoggingConfig, build_handlers, is_line_handler
from logserve.logs.config.build import line_encoding

_SPEC_CLASSES: Final = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in LINE_CLASSES}
_SPEC_FIELDS: Final = ("filename", "mode", "encoding", "delay", "errors")
_FILE_NAME: Final = "filename"


def from_configuration(
    data: dict[str, Any], names: Iterable[str], opened_before: Callable[[str], bool]
) -> dict[str, logging.Handler]:
    """Make the handlers called `names`; a line handler's file is not opened yet.

    :param data: a complete dictConfig.
    :param opened_before: whether an earlier collector has opened this handler's file.
    :raises ConfigurationError: a handler cannot be made.
    """
    names = list(names)
    data = deepcopy(data)
    wanted: dict[str, bool] = {}
    for name in names:
        definition = data["handlers"][name]
        if is_line_handler(definition) and _FILE_NAME in definition:
            wanted[name] = bool(definition.get("delay", False))
            definition["delay"] = True  # opened by us: by bytes, appending, and emptied only once
    handlers = build_handlers(LoggingConfig(data, names))
    for name, handler in handlers.items():
        forget(handler)
        if name in wanted or is_line_handler(data["handlers"][name]):
            harden(handler, opened_before=opened_before(name))
        if name in wanted:
            handler.encoding = line_encoding(data["handlers"][name].get("encoding"))  # type: ignore[attr-defined]
            handler.delay = wanted[name]  # type: ignore[attr-defined]
    return handlers


def forget(handler: logging.Handler) -> None:
    """Have the logging module not close this handler when a later configuration is applied in this process.

    ``dictConfig`` closes every handler in ``logging._handlerList``, also those of other configurations.
    """
    references = logging._handlerList  # type: ignore[attr-defined]
    references[:] = [reference for reference in references if reference() is not handler]


def from_spec(spec: Mapping[str, Any], *, opened_before: bool) -> logging.FileHandler:
    """Make the handler that an application had made in a worker.

    :raises ConfigurationError: an unknown class, or a namer or rotator that cannot be imported.
    """
    cls: Any = _SPEC_CLASSES.get(spec["class"].replace("logging.__init__.", "logging."))
    if cls is None or not issubclass(cls, logging.FileHandler):
        raise ConfigurationError(f"{spec['class']!r} is no file handler that can be adopted")
    given = {key: spec[key] for key in _SPEC_FIELDS if spec.get(key) is not None}
    attributes = dict(spec.get("attributes", {}))
    if cls.__name__ == "TimedRotatingFileHandler":
        given.pop("mode", None)
        given["when"] = attributes.pop("when", "H")
        interval = attributes.pop("interval", None)
        at_time = attributes.pop("atTime", None)
        given["atTime"] = datetime.time.fromisoformat(at_time) if isinstance(at_time, str) else at_time
        given["utc"] = attributes.get("utc", False)
    elif cls.__name__ == "RotatingFileHandler":
        given["maxBytes"] = attributes.pop("maxBytes", 0)
        given["backupCount"] = attributes.pop("backupCount", 0)
    delay = bool(given.get("delay", False))
    handler: Any = cls(**{**given, "delay": True})
    forget(handler)
    harden(handler, opened_before=opened_before)
    handler.delay = delay
    if cls.__name__ == "TimedRotatingFileHandler":
        _set_interval(handler, interval)
    _set_attributes(handler, attributes)
    for name in ("namer", "rotator"):
        if spec.get(name):
            setattr(handler, name, import_reference(spec[name]))
    return cast("logging.FileHandler", handler)


def _set_interval(handler: Any, interval: object) -> None:
    """The attribute is in seconds, the argument in units of `when`."""
    if isinstance(interval, int) and interval > 0 and interval != handler.interval:
        handler.interval = interval
        path = handler.baseFilename
        since = os.stat(path).st_mtime if os.path.exists(path) else time.time()
        handler.rolloverAt = handler.computeRollover(int(since))


def _set_attributes(handler: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name == "rolloverAt":
            continue  # follows from the file and the clock
        if name == "extMatch" and isinstance(value, str):
            value = re.compile(value, re.ASCII)
        setattr(handler, name, value)


def import_reference(reference: str) -> Any:
    """Import ``module:qualname``; raises ConfigurationError."""
    module, _, qualname = reference.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{reference!r} cannot be imported: {error}") from error
    return found
