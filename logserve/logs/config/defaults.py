"""What is configured when nothing is: everything, access lines included, readable on the console (stderr).

One stream, so that what belongs together stands together and in order, and stderr, where gunicorn writes too,
so that stdout stays the application's. Root is left to the application: ``logging.basicConfig()`` works as
anywhere; what no handler takes (WARNING and above) goes to the console too.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from logserve.logs.names import ACCESS, ALIASES, ERROR, HTTP

__all__ = ["ACCESS", "ALIASES", "ERROR", "FORMATTERS", "HTTP", "LAST_RESORT", "defaults"]

LAST_RESORT: Final = "console"
"""The handler for records of loggers that have none; see ``logging.lastResort``."""

ACCESS_MESSAGE: Final = "x-access-message"
"""The key that holds the format of an access record's message, for formatters that are not logserve's."""
ACCESS_NAME: Final = "x-access-name"
"""The key that holds the access logger's name, where the configuration has another for it."""

FORMATTERS: Final[dict[str, dict[str, Any]]] = {
    "console": {"()": "logserve.ConsoleFormatter"},
    "json": {"()": "logserve.JSONFormatter"},
    "ecs": {"()": "logserve.ECSFormatter"},
    "combined": {"()": "logserve.AccessFormatter", "fmt": "combined"},
    "common": {"()": "logserve.AccessFormatter", "fmt": "common"},
}
"""Formatters that every configuration may name without defining them."""

_DEFAULTS: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": FORMATTERS,
    "filters": {},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "console"},
    },
    "loggers": {
        ERROR: {"level": "INFO", "handlers": ["console"], "propagate": False},
        ACCESS: {"level": "INFO", "handlers": ["console"], "propagate": False},
        HTTP: {"level": "INFO", "handlers": ["console"], "propagate": False},
    },
}


def defaults() -> dict[str, Any]:
    """A copy of the defaults, to merge a configuration over."""
    return deepcopy(_DEFAULTS)
