"""The settings that say something about logging, applied over the configuration: a flag wins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.logs.access.atoms import COMBINED, NAMED_FORMATS, compile_format
from logserve.logs.config.defaults import ACCESS, ACCESS_MESSAGE, ERROR, FORMATTERS, HTTP
from logserve.logs.config.syslog import SyslogOptions, add_syslog
from logserve.logs.config.tree import Tree, nearest

_STREAM_CLASS: Final = "logging.StreamHandler"
_FILE_CLASS: Final = "logging.FileHandler"

_FLAGS: Final = {
    "level": "--log-level",
    "access_logfile": "--access-logfile",
    "error_logfile": "--error-logfile",
    "access_log_format": "--access-log-format",
}


@dataclass(frozen=True)
class LoggingOptions:
    """What the settings say about logging; None means that they say nothing.

    :param level: ``--log-level``: of `logserve.error` and `logserve.http`, in any case.
    :param access_log: False for ``--no-access-log``.
    :param access_logfile: ``--access-logfile``: a path, or ``-`` for stdout.
    :param error_logfile: ``--error-logfile``: a path, or ``-`` for stderr.
    :param access_log_format: ``--access-log-format``: atoms, ``combined``, ``common``, or another formatter's name.
    :param weak: which of these yield to a configuration that defines the same: those of a file, as in gunicorn.
    :param places: for each that was said, what makes an error that names the place.
    :param atoms_of_its_own: whether a logger class makes access lines, which may have atoms of its own.
    :param error_format: format and date format of the server's messages, of such a class.
    :param syslog: the handlers and formatters that ``--log-syslog`` asks for.
    """

    level: str | None = None
    access_log: bool = True
    access_logfile: str | None = None
    error_logfile: str | None = None
    access_log_format: str | None = None
    weak: frozenset[str] = frozenset()
    places: Mapping[str, Callable[[str], ConfigurationError]] = field(default_factory=dict)
    atoms_of_its_own: bool = False
    error_format: tuple[str, str] | None = None
    syslog: SyslogOptions | None = None

    def error(self, option: str, problem: str) -> ConfigurationError:
        """The error for something wrong with an option: it names where that was said."""
        place = self.places.get(option)
        return place(problem) if place is not None else ConfigurationError(problem, key=_FLAGS[option])

    def place(self, option: str) -> Callable[[str], ConfigurationError]:
        """Makes such errors."""
        return lambda problem: self.error(option, problem)


def apply_options(data: dict[str, Any], options: LoggingOptions, overlay: Tree | None = None) -> None:
    """Change merged data in place as the options say.

    :param overlay: the configuration's own part of it; its places get those of the options.
    :raises ConfigurationError: a level that is none, or a format for a handler that others share.
    """
    _Application(data, options, overlay or Tree({})).run()


class _Application:
    """The options being applied to one configuration."""

    def __init__(self, data: dict[str, Any], options: LoggingOptions, overlay: Tree) -> None:
        self.data = data
        self.options = options
        self.overlay = overlay

    def run(self) -> None:
        self.levels()
        self.errors()
        self.access()
        if self.options.syslog is not None:
            add_syslog(self.data, self.options.syslog, access=self.options.access_log)

    def yields(self, option: str, logger: str, key: str) -> bool:
        """Whether the configuration's own definition of a logger goes before an option."""
        loggers = self.overlay.data.get("loggers") or {}
        return option in self.options.weak and key in (loggers.get(logger) or {})

    def levels(self) -> None:
        if self.options.level is None:
            return
        level = level_name(self.options.level, self.options)
        for name in (ERROR, HTTP):
            if not self.yields("level", name, "level"):
                _logger(self.data, name)["level"] = level

    def errors(self) -> None:
        options, data = self.options, self.data
        target, formatter = options.error_logfile, "console"
        if options.error_format is not None:
            target, formatter = target or "-", "error_format"
            data["formatters"][formatter] = {
                "format": options.error_format[0],
                "datefmt": options.error_format[1],
            }
        if target is None or self.yields("error_logfile", ERROR, "handlers"):
            return
        self.make("error_log", _handler(target, "ext://sys.stderr", formatter), "error_logfile")
        for name in (ERROR, HTTP):
            _logger(data, name)["handlers"] = ["error_log"]

    def access(self) -> None:
        options, data = self.options, self.data
        if options.access_log_format is not None:
            data[ACCESS_MESSAGE] = self.message(options.access_log_format)
        defined = self.yields("access_logfile", ACCESS, "handlers")
        if options.access_logfile is not None and not defined:
            formatter = self.formatter() or "combined"
            self.make(
                "access_log",
                _handler(options.access_logfile, "ext://sys.stdout", formatter),
                "access_logfile",
            )
            _logger(data, ACCESS)["handlers"] = ["access_log"]
        elif options.access_log_format is not None and not (
            "access_log_format" in options.weak and "loggers" in self.overlay.data
        ):
            self.set_format()
        if not options.access_log and not self.yields("access_log", ACCESS, "handlers"):
            _logger(data, ACCESS)["handlers"] = []

    def make(self, name: str, handler: dict[str, Any], option: str) -> None:
        self.data["handlers"][name] = handler
        self.overlay.said["handlers", name] = self.options.place(option)

    def message(self, wanted: str) -> str:
        """The message's format, atoms and all."""
        text = NAMED_FORMATS.get(wanted, wanted)
        if wanted in self.data["formatters"] or wanted in FORMATTERS:
            return NAMED_FORMATS.get(wanted, COMBINED)
        if not self.options.atoms_of_its_own:
            try:
                compile_format(text, {})
            except ConfigurationError as error:
                raise self.options.error("access_log_format", error.problem) from error
        return text

    def formatter(self) -> str | None:
        """The name of the formatter that the format asks for, defined where it is not."""
        wanted, formatters = self.options.access_log_format, self.data["formatters"]
        if self.options.atoms_of_its_own:
            formatters["access_message"] = {"format": "%(message)s"}
            return "access_message"
        if wanted is None:
            return None
        if wanted in formatters or wanted in FORMATTERS:
            formatters.setdefault(wanted, FORMATTERS.get(wanted))
            return wanted
        formatters["access_log_format"] = {"()": "logserve.AccessFormatter", "fmt": wanted}
        self.overlay.said["formatters", "access_log_format"] = self.options.place("access_log_format")
        return "access_log_format"

    def set_format(self) -> None:
        """Give the access log's handlers the format; a stream that others use too gets a handler of its own."""
        data, formatter = self.data, self.formatter()
        access = _logger(data, ACCESS)
        others = {
            name
            for logger, definition in [*data["loggers"].items(), ("root", data.get("root", {}))]
            if logger != ACCESS
            for name in definition.get("handlers", [])
        }
        handlers = []
        for name in access.get("handlers", []):
            definition = {**data["handlers"][name], "formatter": formatter}
            if name not in others:
                data["handlers"][name] = definition
            elif definition.get("class") == _STREAM_CLASS:
                name = f"{name}.access"
                data["handlers"][name] = definition
            else:
                raise self.options.error(
                    "access_log_format",
                    f"the handler {name!r} writes other loggers' records too; give {ACCESS} a handler of its own",
                )
            handlers.append(name)
        access["handlers"] = handlers


def check_level(options: LoggingOptions | None) -> None:
    """Whether ``--log-level``, if given, names one; raises ConfigurationError."""
    if options is not None and options.level is not None:
        level_name(options.level, options)


def level_name(text: str, options: LoggingOptions | None = None) -> str:
    """``--log-level``'s value as logging spells it.

    :raises ConfigurationError: there is no such level.
    """
    levels = logging.getLevelNamesMapping()
    name = text.upper()
    if name not in levels:
        known = [level.lower() for level in levels]
        raise (options or LoggingOptions()).error("level", f"{text!r} is no level{nearest(text, known)}")
    return name


def _logger(data: dict[str, Any], name: str) -> dict[str, Any]:
    definition: dict[str, Any] = data["loggers"].setdefault(name, {"level": "INFO", "propagate": False})
    return definition


def _handler(target: str, stream: str, formatter: str) -> dict[str, Any]:
    if target == "-":
        return {"class": _STREAM_CLASS, "stream": stream, "formatter": formatter}
    return {"class": _FILE_CLASS, "filename": target, "encoding": "utf-8", "formatter": formatter}
