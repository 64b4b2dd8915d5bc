"""A configuration as the server uses it: complete data, applied by halves.

The worker's half has the loggers, levels, filters and formatters, with a forwarding handler in each handler's
place; the collector's half has the real handlers. The arbiter applies a third, plain form: it imports nothing
of the user's, and its records travel unformatted.
"""

from __future__ import annotations

import locale
import logging
import logging.config
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from logserve.logs import names, runtime
from logserve.logs.access.record import present
from logserve.logs.config.collect import build_collector_handlers
from logserve.logs.config.defaults import ACCESS_MESSAGE, ACCESS_NAME, LAST_RESORT
from logserve.logs.config.tree import Tree
from logserve.logs.forward import ForwardingHandler, is_stateless, renew_registrations

LINE_CLASSES: Final = frozenset(
    {
        "logging.StreamHandler",
        "logging.FileHandler",
        "logging.handlers.WatchedFileHandler",
        "logging.handlers.RotatingFileHandler",
        "logging.handlers.TimedRotatingFileHandler",
    }
)
"""Exactly the classes that only write a formatted line."""


@dataclass(frozen=True)
class LoggingConfig:
    """A complete configuration, plain data throughout.

    :param data: a whole dictConfig: merged, filled in, validated.
    :param handlers: the handlers that loggers reach, sorted: each is one sink of the collector's.
    :param file: the file it came from, if any.
    :param places: where the file says what, for errors.
    """

    data: dict[str, Any]
    handlers: list[str]
    file: str | None = None
    places: Tree = field(default_factory=lambda: Tree({}), compare=False, repr=False)

    @classmethod
    def of(cls, data: dict[str, Any], file: str | None = None, places: Tree | None = None) -> LoggingConfig:
        """Wrap complete data, such as came over the collector's channel."""
        return cls(data, reached_handlers(data), file, places or Tree({}, file))


def reached_handlers(data: Mapping[str, Any]) -> list[str]:
    """The handlers that records reach from a logger, and the one for loggers that have none."""
    root = data.get("root", {}).get("handlers", [])
    reached = set(root)
    for definition in data.get("loggers", {}).values():
        reached.update(definition.get("handlers", []))
    if not root and LAST_RESORT in data["handlers"]:
        reached.add(LAST_RESORT)
    return sorted(reached)


def is_line_handler(definition: str | type | Mapping[str, Any]) -> bool:
    """Whether a handler (its class, the class's name, or its definition) only writes formatted lines.

    A definition whose encoding cannot be written line by line (UTF-16 with its mark) gets records instead.
    """
    if isinstance(definition, type):
        return (
            f"{definition.__module__}.{definition.__qualname__}".replace("logging.__init__", "logging")
            in LINE_CLASSES
        )
    if isinstance(definition, str):
        return definition in LINE_CLASSES
    named = definition.get("()", definition.get("class"))
    return named in LINE_CLASSES and is_stateless(line_encoding(definition.get("encoding")))


def line_encoding(configured: object) -> str:
    """The encoding of a handler's lines; as in ``open()``, ``locale`` is the locale's. UTF-8 by default."""
    if not isinstance(configured, str) or not configured:
        return "utf-8"
    return locale.getencoding() if configured == "locale" else configured


def configure_worker(config: LoggingConfig, sinks: Mapping[str, int]) -> None:
    """Apply the worker's half in this process: user classes of filters and formatters are imported here.

    A worker that was forked after ``--preload`` has it already, and what the application made of it: then
    only the application's own files are registered for it.

    :param sinks: the sink of each of ``config.handlers``.
    """
    global _applied
    if _applied == (config.data, sinks):
        renew_registrations()
        return
    _applied = (config.data, dict(sinks))
    present(config.data.get(ACCESS_MESSAGE), config.data.get(ACCESS_NAME))
    data = deepcopy(config.data)
    definitions = data["handlers"]
    data["handlers"] = {name: _forwarding(definitions[name], sinks[name]) for name in config.handlers}
    configurator = _apply(data)
    runtime.formatters.clear()
    runtime.formatters.update(configurator.config["formatters"])
    if LAST_RESORT in sinks and LAST_RESORT in config.handlers:
        last = _forwarding_handler(definitions[LAST_RESORT], sinks[LAST_RESORT])
        last.setFormatter(runtime.formatters.get(definitions[LAST_RESORT].get("formatter", "")))
        last.setLevel(logging.WARNING)
        logging.lastResort = last


def configure_arbiter(config: LoggingConfig, sinks: Mapping[str, int]) -> None:
    """Apply levels and handlers only: the arbiter imports nothing of the user's, the collector formats.

    :param sinks: the sink of each of ``config.handlers``.
    """
    global _applied
    _applied = None
    definitions = config.data["handlers"]
    handlers = {
        name: {
            "()": ForwardingHandler,
            "sink": sinks[name],
            "line": False,
            "level": definitions[name].get("level", "NOTSET"),
        }
        for name in config.handlers
    }
    loggers = {name: _without_filters(definition) for name, definition in config.data["loggers"].items()}
    root = _without_filters(config.data.get("root", {}))
    _apply(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": handlers,
            "loggers": loggers,
            "root": root,
        }
    )


def _without_filters(definition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "filters"}


_applied: tuple[dict[str, Any], Mapping[str, int]] | None = None
"""The worker's half that this process has: configuration and sinks."""
_made: list[logging.Handler] = []
"""What the last configuration of this process made; other handlers on the server's loggers are the application's."""
_made_filters: list[Any] = []
_STDERR: Final = logging.lastResort
"""What loggers without handlers use as long as no configuration says anything else."""
_levels: dict[str, int] = {}
"""The loggers that it named, and the level that each has from it."""


def _apply(data: dict[str, Any]) -> logging.config.DictConfigurator:
    """Configure logging and return what did it, which holds the objects that it made.

    What a preloaded application attached to the server's loggers stays, and is registered for this
    configuration's generation too.
    """
    names.install()
    loggers = [logging.getLogger(name) for name in names.SERVER_LOGGERS]
    attached = [[handler for handler in logger.handlers if handler not in _made] for logger in loggers]
    kind = logging.config.dictConfigClass  # perhaps the bridge's, which gives root its handlers back
    if not issubclass(kind, logging.config.DictConfigurator):
        kind = logging.config.DictConfigurator
    _forget_unnamed(data)
    if isinstance(logging.lastResort, ForwardingHandler):
        logging.lastResort = _STDERR  # the last configuration's sink ends with it
    configurator = kind(data)
    with names.handlers_left_open():
        configurator.configure()
    _made[:] = configurator.config["handlers"].values()
    _made_filters[:] = configurator.config.get("filters", {}).values()
    _levels.clear()
    _levels.update({name: logging.getLogger(name).level for name in data.get("loggers", ())})
    _separate(loggers)
    for logger, handlers in zip(loggers, attached, strict=True):
        for handler in handlers:
            logger.addHandler(handler)
    _point_root_here()
    renew_registrations()
    runtime.access_changed()
    return configurator


def _forget_unnamed(data: Mapping[str, Any]) -> None:
    """Let loggers that the last configuration named, and this one does not, be as if it never had.

    dictConfig would leave them their handlers, whose sinks end with the last configuration. What an application has
    set itself stays.
    """
    for name in _levels.keys() - set(data.get("loggers", ())):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler for handler in logger.handlers if handler not in _made]
        logger.filters[:] = [each for each in logger.filters if each not in _made_filters]
        logger.propagate = True
        if logger.level == _levels[name]:
            logger.setLevel(logging.NOTSET)


def _point_root_here() -> None:
    """Let what a preloaded application bridged to root under an earlier configuration reach this one's sinks."""
    current = {handler.name: handler for handler in _made if isinstance(handler, ForwardingHandler)}
    for handler in list(logging.root.handlers):
        if isinstance(handler, ForwardingHandler) and handler.spec is None and handler not in _made:
            if handler.name in current:
                handler.retarget(current[handler.name])
            else:
                logging.root.removeHandler(handler)


def _separate(loggers: list[logging.Logger]) -> None:
    """Give each of the server's loggers handler objects of its own, for the same sinks.

    Applications written for gunicorn set formatter and level of the error log's handlers; that must not
    change the access log's lines.
    """
    seen: set[int] = set()
    for logger in loggers:
        for index, handler in enumerate(logger.handlers):
            if id(handler) in seen and isinstance(handler, ForwardingHandler):
                logger.handlers[index] = twin = handler.twin()
                _made.append(twin)
            seen.add(id(handler))


def _forwarding(definition: dict[str, Any], sink: int) -> dict[str, Any]:
    """What stands in a handler's place in the worker's dictConfig."""
    kept: dict[str, Any] = {
        key: definition[key] for key in ("level", "filters", "formatter") if key in definition
    }
    line = is_line_handler(definition)
    forwarding: dict[str, Any] = {"()": ForwardingHandler, "sink": sink, "line": line, **kept}
    if line:
        forwarding["encoding"] = line_encoding(definition.get("encoding"))
        forwarding["errors"] = definition.get("errors") or "backslashreplace"
        forwarding["terminator"] = definition.get(".", {}).get("terminator", "\n")
    return forwarding


def _forwarding_handler(definition: dict[str, Any], sink: int) -> ForwardingHandler:
    arguments = _forwarding(definition, sink)
    for key in ("()", "level", "filters", "formatter"):
        arguments.pop(key, None)
    return ForwardingHandler(**arguments)


def build_handlers(config: LoggingConfig) -> dict[str, logging.Handler]:
    """The collector's half: the real handler of each of ``config.handlers``, opened as its class does.

    A handler that passes records on (MemoryHandler's `target`, a queue's `handlers`) has those made too, with
    their filters; filters of the handlers themselves have run in the worker.

    :raises ConfigurationError: a handler cannot be made; names it and why.
    """
    return build_collector_handlers(config.data, config.handlers, config.places)
