"""The logging configuration: read, substituted, merged over defaults, validated, and split in two halves.

Nothing here runs a handler. The user's classes are imported by :func:`check` (in a child that ends) and by
the two functions that apply a half, never by :func:`load`.
"""

from logserve.logs.config.build import (
    LoggingConfig,
    build_handlers,
    configure_arbiter,
    configure_worker,
    is_line_handler,
    load,
)
from logserve.logs.config.check import check
from logserve.logs.config.options import LoggingOptions

__all__ = [
    "LoggingConfig",
    "LoggingOptions",
    "build_handlers",
    "check",
    "configure_arbiter",
    "configure_worker",
    "is_line_handler",
    "load",
]
