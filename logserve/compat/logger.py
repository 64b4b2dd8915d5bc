"""``glogging.Logger``: the logger class that people's own derive from, and what its module has beside it.

It writes through the server's loggers, whose handlers the collector runs; so :meth:`Logger.setup` opens nothing.
"""

from __future__ import annotations

import datetime
import logging
import re
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from logserve.compat.config import Config
from logserve.compat.views import RequestView, ResponseView
from logserve.logs.access.atoms import Atoms
from logserve.logs.context import current_exchange
from logserve.logs.forward import ForwardingHandler

CONFIG_DEFAULTS: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr",
        },
    },
    "formatters": {
        "generic": {
            "class": "logging.Formatter",
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
        }
    },
}
"""What people's ``logconfig_dict`` may start from. The server's loggers do not propagate, or each line came twice."""

_BARE_QUOTE: Final = re.compile(r'(?<!\\)"')


def loggers() -> list[logging.Logger]:
    """All loggers that there are."""
    return [logging.getLogger(name) for name in logging.root.manager.loggerDict]


class SafeAtoms(dict[str, Any]):
    """Atoms for a %-format: names of headers in any case, ``-`` for what is absent, quotes escaped."""

    def __init__(self, atoms: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in atoms.items():
            self[name] = _BARE_QUOTE.sub(r"\"", value) if isinstance(value, str) else value

    def __getitem__(self, name: str) -> Any:
        return self.get(name.lower() if name.startswith("{") else name, "-")


class Logger:
    """The server's loggers as one object.

    :param cfg: the settings.
    """

    LOG_LEVELS: ClassVar[dict[str, int]] = {
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
    }
    loglevel = logging.INFO
    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class: type = SafeAtoms

    def __init__(self, cfg: Config) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.error_handlers: list[logging.Handler] = []
        self.access_handlers: list[logging.Handler] = []
        self.logfile = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg: Config) -> None:
        """Take the settings, and a subclass's own formats; the handlers are there already."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(str(cfg.loglevel).lower(), logging.INFO)
        if (self.error_fmt, self.datefmt) != (Logger.error_fmt, Logger.datefmt):
            self._set_handler(self.error_log, cfg.errorlog, logging.Formatter(self.error_fmt, self.datefmt))
        if self.access_fmt != Logger.access_fmt:
            self._set_handler(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt))

    # -- the server's messages

    def critical(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at CRITICAL."""
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at ERROR."""
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at WARNING."""
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at INFO."""
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at DEBUG."""
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at ERROR, with the exception that is being handled."""
        kwargs.setdefault("exc_info", True)
        self.error_log.error(msg, *args, **kwargs)

    def log(self, lvl: int | str, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at a level, or at INFO where its name is none."""
        level = self.LOG_LEVELS.get(lvl.lower(), logging.INFO) if isinstance(lvl, str) else lvl
        self.error_log.log(level, msg, *args, **kwargs)

    # -- access records

    @property
    def access_log_enabled(self) -> bool:
        """Whether access records are wanted."""
        return self.cfg.accesslog is not None or bool(self.access_log.handlers)

    def atoms(
        self,
        resp: ResponseView,
        req: RequestView,
        environ: Mapping[str, Any],
        request_time: datetime.timedelta,
    ) -> dict[str, Any]:
        """What an access line can name, of the request under way: redacted and escaped."""
        exchange = current_exchange()
        if exchange is None:
            return {}
        atoms = Atoms(exchange)
        return {
            name.lower() if name.startswith("{") else name: atoms[name] for name in [*atoms, *_of(environ)]
        }

    def access(
        self,
        resp: ResponseView,
        req: RequestView,
        environ: Mapping[str, Any],
        request_time: datetime.timedelta,
    ) -> None:
        """Log one request. Called when its answer is made and about to be sent; again where that goes otherwise."""
        if not self.access_log_enabled:
            return
        try:
            safe_atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
            self.access_log.info(self.cfg.access_log_format, safe_atoms)
        except Exception:
            self.error(traceback.format_exc())

    def now(self) -> str:
        """The time in the common log format."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    # -- files

    def reopen_files(self) -> None:
        """Nothing: the collector has the files, and reopens them itself."""

    def close_on_exec(self) -> None:
        """Nothing: no descriptor of a log is inherited."""

    def _get_gunicorn_handler(self, log: logging.Logger) -> logging.Handler | None:
        return next((handler for handler in log.handlers if isinstance(handler, ForwardingHandler)), None)

    def _set_handler(
        self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None
    ) -> None:
        """Have `log`'s handlers write with `fmt`; which they are the settings have said."""
        for handler in log.handlers:
            if isinstance(handler, ForwardingHandler):
                handler.setFormatter(fmt)

    def _set_syslog_handler(self, log: logging.Logger, cfg: Config, fmt: str, name: str) -> None:
        """Nothing: the settings have said whether syslog gets the records."""


def _of(environ: Mapping[str, Any]) -> list[str]:
    return [f"{{{name}}}e" for name, value in environ.items() if isinstance(value, str)]
