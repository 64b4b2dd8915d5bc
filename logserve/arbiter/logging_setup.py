"""The logging configuration that the settings ask for, read and validated; nothing of the user's is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from logserve.compat.asked import wanted
from logserve.errors import ConfigurationError
from logserve.logs.config import LoggingConfig, LoggingOptions, load_unchecked
from logserve.logs.config.syslog import SyslogOptions
from logserve.settings import Resolved, Settings
from logserve.settings.endpoints import parse_syslog_address
from logserve.settings.layers import Place, Source
from logserve.settings.resolve import LOG_CONFIGS

_OPTIONS: Final = {
    "level": "log_level",
    "access_log": "access_log",
    "access_logfile": "access_logfile",
    "error_logfile": "error_logfile",
    "access_log_format": "access_log_format",
}


def load_logging(settings: Settings, sources: Mapping[str, Source] | None = None) -> LoggingConfig:
    """Read and validate the logging configuration; a check of it must follow, which tells the mistakes.

    :param sources: where each setting was said.
    :raises ConfigurationError: it cannot be read, or a setting does not fit it.
    """
    sources = sources or {}
    options = _options(settings, sources)
    if settings.logconfig_dict is not None:
        from logserve.logs.config.given import tree_of
        from logserve.settings.lines import lines_inside  # only where there is a Python file

        source = sources.get("logconfig_dict")
        file = str(source.detail) if source is not None else None
        lines = lines_inside(source) if source is not None else {}
        return load_unchecked(None, options, given=tree_of(settings.logconfig_dict, file, lines))
    if settings.log_config_json is not None:
        return load_unchecked(settings.log_config_json, options, suffix=".json")
    return load_unchecked(settings.log_config, options)


def load_logging_of(resolved: Resolved) -> LoggingConfig:
    """The same, of settings that know where they come from."""
    return load_logging(resolved.settings, resolved.sources)


def _options(settings: Settings, sources: Mapping[str, Source]) -> LoggingOptions:
    configured = any(getattr(settings, name) is not None for name in LOG_CONFIGS)
    weak = {
        option
        for option, name in _OPTIONS.items()
        if configured and name in sources and sources[name].place is Place.FILE
    }
    places = {
        option: sources[name].configuration_error
        for option, name in _OPTIONS.items()
        if name in sources and sources[name].place not in (Place.DEFAULT, Place.RULE)
    }
    makes_lines, error_format = _of_logger_class(settings, sources)
    return LoggingOptions(
        level=settings.log_level,
        access_log=settings.access_log,
        access_logfile=settings.access_logfile,
        error_logfile=settings.error_logfile,
        access_log_format=settings.access_log_format,
        weak=frozenset(weak),
        places=places,
        atoms_of_its_own=makes_lines,
        error_format=error_format,
        syslog=_syslog(settings),
    )


def _of_logger_class(
    settings: Settings, sources: Mapping[str, Source]
) -> tuple[bool, tuple[str, str] | None]:
    """Whether the logger class makes access lines, and the format of messages that it has.

    Of a class that is only named nothing is known here: it is imported in the workers.
    """
    kind = settings.logger_class
    if not wanted(settings) or kind is None:
        return False, None
    from logserve.compat.loading import DEFAULTS, OF_REQUESTS, overrides, why_not

    if isinstance(kind, str):
        return kind not in DEFAULTS, None
    problem = why_not(kind)
    if problem:
        source = sources.get("logger_class")
        raise (
            source.configuration_error(problem) if source else ConfigurationError(problem, key="logger_class")
        )
    own_format = overrides(kind, "error_fmt") or overrides(kind, "datefmt")
    return (
        any(overrides(kind, name) for name in OF_REQUESTS),
        (kind.error_fmt, kind.datefmt) if own_format else None,
    )


def _syslog(settings: Settings) -> SyslogOptions | None:
    if not settings.log_syslog:
        return None
    target = parse_syslog_address(settings.log_syslog_to)
    return SyslogOptions(
        address=target.address,
        kind=target.kind,
        facility=settings.log_syslog_facility,
        name=settings.log_syslog_prefix or (settings.name or settings.app).replace(":", "."),
        access=not settings.disable_redirect_access_to_syslog,
    )
