"""The settings that say something about logging, applied over the configuration: a flag wins."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

from logserve.errors import ConfigurationError
from logserve.logs.config.defaults import ACCESS, ERROR, FORMATTERS, HTTP
from logserve.logs.config.tree import nearest

_STREAM_CLASS: Final = "logging.StreamHandler"
_FILE_CLASS: Final = "logging.FileHandler"


class LoggingSettings(Protocol):
    """The slice of the settings that is used here."""

    @property
    def log_level(self) -> str | None: ...  # noqa: D102 - each is explained by LoggingOptions
    @property
    def access_log(self) -> bool: ...  # noqa: D102
    @property
    def access_logfile(self) -> str | None: ...  # noqa: D102
    @property
    def error_logfile(self) -> str | None: ...  # noqa: D102
    @property
    def access_log_format(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class LoggingOptions:
    """What the command line says about logging; None means that it says nothing.

    :param level: ``--log-level``: of `logserve.error` and `logserve.http`, in any case.
    :param access_log: False for ``--no-access-log``.
    :param access_logfile: ``--access-logfile``: a path, or ``-`` for stdout.
    :param error_logfile: ``--error-logfile``: a path, or ``-`` for stderr.
    :param access_log_format: ``--access-log-format``: atoms, ``combined``, ``common``, or another formatter's name.
    """

    level: str | None = None
    access_log: bool = True
    access_logfile: str | None = None
    error_logfile: str | None = None
    access_log_format: str | None = None

    @classmethod
    def from_settings(cls, settings: LoggingSettings) -> LoggingOptions:
        """Take what the settings say about logging."""
        return cls(
            level=settings.log_level,
            access_log=settings.access_log,
            access_logfile=settings.access_logfile,
            error_logfile=settings.error_logfile,
            access_log_format=settings.access_log_format,
        )


def apply_options(data: dict[str, Any], options: LoggingOptions) -> None:
    """Change merged data in place as the options say.

    :raises ConfigurationError: a level that is none, or a format for a handler that others share.
    """
    if options.level is not None:
        level = level_name(options.level)
        for name in (ERROR, HTTP):
            _logger(data, name)["level"] = level
    if options.error_logfile is not None:
        data["handlers"]["error_log"] = _handler(options.error_logfile, "ext://sys.stderr", "console")
        for name in (ERROR, HTTP):
            _logger(data, name)["handlers"] = ["error_log"]
    if options.access_logfile is not None:
        formatter = _access_formatter(data, options) or "combined"
        data["handlers"]["access_log"] = _handler(options.access_logfile, "ext://sys.stdout", formatter)
        _logger(data, ACCESS)["handlers"] = ["access_log"]
    elif options.access_log_format is not None:
        _set_access_format(data, options)
    if not options.access_log:
        _logger(data, ACCESS)["handlers"] = []


def level_name(text: str) -> str:
    """``--log-level``'s value as logging spells it.

    :raises ConfigurationError: there is no such level.
    """
    levels = logging.getLevelNamesMapping()
    name = text.upper()
    if name not in levels:
        known = [level.lower() for level in levels]
        raise ConfigurationError(f"{text!r} is no level{nearest(text, known)}", key="--log-level")
    return name


def _logger(data: dict[str, Any], name: str) -> dict[str, Any]:
    definition: dict[str, Any] = data["loggers"].setdefault(name, {"level": "INFO", "propagate": False})
    return definition


def _handler(target: str, stream: str, formatter: str) -> dict[str, Any]:
    if target == "-":
        return {"class": _STREAM_CLASS, "stream": stream, "formatter": formatter}
    return {"class": _FILE_CLASS, "filename": target, "encoding": "utf-8", "formatter": formatter}


def _access_formatter(data: dict[str, Any], options: LoggingOptions) -> str | None:
    """The name of the formatter that the format asks for, defined where it is not."""
    wanted = options.access_log_format
    if wanted is None:
        return None
    if wanted in data["formatters"] or wanted in FORMATTERS:
        data["formatters"].setdefault(wanted, FORMATTERS.get(wanted))
        return wanted
    data["formatters"]["access_log_format"] = {"()": "logserve.AccessFormatter", "fmt": wanted}
    return "access_log_format"


def _set_access_format(data: dict[str, Any], options: LoggingOptions) -> None:
    """Give the access log's handlers the format; a stream that others use too is written by a handler of its own."""
    formatter = _access_formatter(data, options)
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
            problem = (
                f"the handler {name!r} writes other loggers' records too; give {ACCESS} a handler of its own"
            )
            raise ConfigurationError(problem, key="--access-log-format")
        handlers.append(name)
    access["handlers"] = handlers
