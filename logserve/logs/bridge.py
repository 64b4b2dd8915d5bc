"""One line in the application that sends its own logs the server's way, in the server and outside it."""

from __future__ import annotations

import datetime
import logging
import logging.config
import os
import sys
from collections.abc import MutableMapping
from importlib import import_module
from logging.handlers import TimedRotatingFileHandler
from typing import Any, Final, NamedTuple

from logserve.errors import ConfigurationError
from logserve.logs import names, runtime
from logserve.logs.config.options import level_name
from logserve.logs.config.spec import Spec, described_apart, timed_spec
from logserve.logs.config.tree import nearest
from logserve.logs.forward import ForwardingHandler

_ATTACHED: Final = "_logserve_attached"
"""Attribute of a handler that a call attached: the description of its file."""
_REROUTED: Final = "_logserve_rerouted"
"""Attribute of a handler that root has in a logger's handler's place: (that handler, formatter, level)."""

_root_handlers: list[logging.Handler] = []
"""What root was given; given again after a later dictConfig of the application's took it away."""


def bridge_root_logger(
    logger: str = names.ERROR,
    *,
    filename: str | os.PathLike[str] | None = None,
    when: str = "midnight",
    interval: int = 1,
    backup_count: int = 0,
    suffix: str | None = None,
    utc: bool = False,
    at_time: datetime.time | None = None,
    encoding: str = "utf-8",
    formatter: str | logging.Formatter | None = None,
    level: int | str | None = None,
    replace: bool = True,
) -> list[logging.Handler]:
    """Give the root logger the handlers of one of the server's loggers, and return them.

    Inside the server they forward to the collector, which opens each file once for all workers. Outside (a
    test, another server) they are real handlers in this process. A second call with the same arguments
    changes nothing. The server's loggers do not propagate, so no record comes out twice.

    :param logger: ``logserve.error``, ``logserve.access``, ``logserve.http``, or gunicorn's name of one.
    :param filename: first attach a TimedRotatingFileHandler for this file to that logger. `when`, `interval`,
        `backup_count`, `suffix`, `utc`, `at_time` and `encoding` are its arguments.
    :param formatter: of the attached handler; without `filename`, of what root sends (the server's own records
        keep theirs). A name of the configuration's, ``ecs``, ``json``, ``console``, ``combined``, ``common``,
        a ``%`` format, or a formatter.
    :param level: of the attached handler; without `filename`, of what root sends.
    :param replace: whether root's present handlers go; False adds to them.
    :raises ConfigurationError: an unknown logger, formatter or level, or a file that is defined differently
        elsewhere.
    """
    names.install()
    source = _server_logger(logger)
    source.propagate = False
    chosen = _formatter(formatter)
    number = _level(level)
    if filename is not None:
        spec = timed_spec(
            os.fspath(filename), when=when, interval=interval, backup_count=backup_count, suffix=suffix, utc=utc,
            at_time=at_time, encoding=encoding,
        )  # fmt: skip
        _attach(source, _Wanted(spec, formatter, number), chosen)
        handlers = list(source.handlers)
    else:
        _ensure_handler(source)
        handlers = [_rerouted(handler, chosen, number) for handler in source.handlers]
    _give_to_root(handlers, _root_level(source, number), replace=replace)
    return handlers


def _server_logger(name: str) -> logging.Logger:
    known = (*names.SERVER_LOGGERS, *names.ALIASES)
    if name not in known:
        raise ConfigurationError(f"{name!r} is none of the server's loggers{nearest(name, known)}")
    return logging.getLogger(name)


def _level(level: int | str | None) -> int | None:
    if level is None or isinstance(level, int):
        return level
    return logging.getLevelNamesMapping()[level_name(level)]


def _formatter(wanted: str | logging.Formatter | None) -> logging.Formatter | None:
    if wanted is None or isinstance(wanted, logging.Formatter):
        return wanted
    if wanted in runtime.formatters:
        return runtime.formatters[wanted]
    if "%(" in wanted:
        return _made.setdefault(wanted, logging.Formatter(wanted))
    if wanted not in _NAMED:
        known = [*runtime.formatters, *_NAMED]
        raise ConfigurationError(f"there is no formatter {wanted!r}{nearest(wanted, known)}")
    return _make(wanted)


_NAMED: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "ecs": ("ecs", "ECSFormatter", ()),
    "json": ("json", "JSONFormatter", ()),
    "console": ("console", "ConsoleFormatter", ()),
    "combined": ("access", "AccessFormatter", ("combined",)),
    "common": ("access", "AccessFormatter", ("common",)),
}
_made: dict[str, logging.Formatter] = {}


def _make(name: str) -> logging.Formatter:
    """One of logserve's formatters, made once: a second call then finds what the first attached."""
    if name not in _made:
        # Imported only where it is wanted: structlog and python-json-logger are not small.
        module, kind, arguments = _NAMED[name]
        _made[name] = getattr(import_module(f"logserve.logs.formatters.{module}"), kind)(*arguments)
    return _made[name]


class _Wanted(NamedTuple):
    """What a call asked for its file."""

    spec: Spec
    formatter: str | logging.Formatter | None
    level: int | None


def _attach(source: logging.Logger, wanted: _Wanted, formatter: logging.Formatter | None) -> None:
    """Have `source` write the file, once."""
    for handler in source.handlers:
        attached: _Wanted | None = getattr(handler, _ATTACHED, None)
        if attached == wanted:
            return
        if attached is not None and attached.spec["filename"] == wanted.spec["filename"]:
            raise ConfigurationError(_bridged_twice(attached, wanted))
    handler = _new_handler(wanted.spec)
    if formatter is None:
        formatter = next((one.formatter for one in source.handlers if one.formatter), None) or _make(
            "console"
        )
    handler.setFormatter(formatter)
    if wanted.level is not None:
        handler.setLevel(wanted.level)
    setattr(handler, _ATTACHED, wanted)
    source.addHandler(handler)


def _bridged_twice(one: _Wanted, other: _Wanted) -> str:
    apart = described_apart(one.spec, other.spec) or (_lines_apart(one, other), _lines_apart(other, one))
    return (
        f"{one.spec['filename']} is bridged twice, differently: first with {apart[0]}, then with {apart[1]}; "
        "one file has one definition"
    )


def _lines_apart(one: _Wanted, other: _Wanted) -> str:
    """What differs in the lines that are asked for."""
    names = [name for name in ("formatter", "level") if getattr(one, name) != getattr(other, name)]
    return ", ".join(f"{name}={getattr(one, name)!r}" for name in names)


def _new_handler(spec: Spec) -> logging.Handler:
    if runtime.registrar is not None:
        return ForwardingHandler(runtime.registrar(spec), line=True, encoding=spec["encoding"], spec=spec)
    attributes = spec["attributes"]
    at_time = attributes["atTime"] and datetime.time.fromisoformat(attributes["atTime"])
    handler = TimedRotatingFileHandler(
        spec["filename"], attributes["when"], 1, attributes["backupCount"], spec["encoding"], delay=True,
        utc=attributes["utc"], atTime=at_time,
    )  # fmt: skip
    handler.interval = attributes["interval"]
    handler.suffix = attributes["suffix"]
    return handler


def _ensure_handler(source: logging.Logger) -> None:
    """Outside the server nobody configured the logger: readable lines on stderr."""
    if source.handlers or runtime.in_server():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_make("console"))
    source.addHandler(handler)


class Rerouted(logging.Handler):
    """Sends root's records through another handler, with a formatter and level of their own.

    :param inner: whose destination it is.
    """

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__()
        self.inner = inner

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """The inner handler's lock is the one that counts."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit, without a lock of its own."""
        verdict: Any = self.filter(record)
        if verdict:
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return bool(verdict)

    def emit(self, record: logging.LogRecord) -> None:
        """Emit through the inner handler, which formats as this one says while it holds its lock."""
        if record.levelno < self.inner.level or not self.inner.filter(record):
            return
        self.inner.acquire()
        own = self.inner.formatter
        try:
            self.inner.formatter = self.formatter or own
            self.inner.emit(record)
        finally:
            self.inner.formatter = own
            self.inner.release()


def _rerouted(
    handler: logging.Handler, formatter: logging.Formatter | None, level: int | None
) -> logging.Handler:
    """`handler` itself, or, where root's records are to differ from the logger's own, one for root alone."""
    if formatter is None and level is None:
        return handler
    for present in logging.root.handlers:
        if getattr(present, _REROUTED, None) == (handler, formatter, level):
            return present
    other: logging.Handler
    if isinstance(handler, ForwardingHandler):
        other = handler.twin()
        other.setLevel(max(handler.level, level or logging.NOTSET))
    else:
        other = Rerouted(handler)
        other.setLevel(level or logging.NOTSET)
    other.setFormatter(formatter or handler.formatter)
    setattr(other, _REROUTED, (handler, formatter, level))
    return other


def _root_level(source: logging.Logger, level: int | None) -> int:
    """Root lets through what the source would, and what a handler of the call wants beyond that."""
    own = source.getEffectiveLevel()
    return own if level is None else min(own, level) if level else own


def _give_to_root(handlers: list[logging.Handler], level: int, *, replace: bool) -> None:
    root = logging.root
    if replace:
        root.handlers = list(
            handlers
        )  # a list of root's own: adding to it must not add to the server's logger
        root.setLevel(level)
        _root_handlers[:] = handlers
    else:
        root.handlers = [*root.handlers, *(one for one in handlers if one not in root.handlers)]
        root.setLevel(min(root.level, level) if root.level else level)
        _root_handlers.extend(one for one in handlers if one not in _root_handlers)
    _keep(replace=replace, level=root.level)


def _keep(*, replace: bool, level: int) -> None:
    """Bridge again after a ``dictConfig`` of the application's (Django's set-up) that gave root other handlers.

    ``logging.config.dictConfigClass`` is the documented place to change what dictConfig does.
    """
    base = getattr(logging.config.dictConfigClass, "logserve_base", logging.config.dictConfigClass)

    class BridgingConfigurator(base):  # type: ignore[misc, valid-type]
        """The standard configurator, and the bridge behind it."""

        logserve_base = base

        def configure(self) -> None:
            """Configure, then give root the server's handlers back."""
            before = logging.root.handlers
            super().configure()
            if logging.root.handlers is before and set(_root_handlers) <= set(before):
                return
            present = [] if replace else [one for one in logging.root.handlers if one not in _root_handlers]
            logging.root.handlers = [*present, *_root_handlers]
            logging.root.setLevel(min(logging.root.level or level, level))

    logging.config.dictConfigClass = BridgingConfigurator


def unbridge() -> None:
    """Forget what was bridged; root keeps its handlers. In tests."""
    _root_handlers.clear()
    base = getattr(logging.config.dictConfigClass, "logserve_base", None)
    if base is not None:
        logging.config.dictConfigClass = base


def bridge_structlog(logger: str = names.ERROR) -> list[logging.Handler]:
    """Send structlog's events through the standard loggers, and those the server's way; return root's handlers.

    An event's fields arrive as typed `extra` fields, with the request's ids; a field that has the name of a
    LogRecord's attribute (``name``, ``args``) gets an underscore behind it.

    :param logger: as for :func:`bridge_root_logger`.
    :raises ConfigurationError: as there.
    """
    import structlog  # only who uses structlog needs it loaded

    handlers = bridge_root_logger(logger)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _as_log_call,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return handlers


_CALL_ARGUMENTS: Final = ("exc_info", "stack_info", "stacklevel")
_TAKEN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def _as_log_call(logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """structlog's last processor: an event as the arguments of ``Logger.log``."""
    message = event.pop("event", "")
    call: dict[str, Any] = {name: event.pop(name) for name in _CALL_ARGUMENTS if name in event}
    extra = {f"{name}_" if name in _TAKEN else name: value for name, value in event.items()}
    return {"msg": message, "extra": extra, **call}
