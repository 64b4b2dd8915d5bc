"""The logging configuration: read, substituted, merged over defaults, validated, and split in two halves.

Nothing here runs a handler. The user's classes are imported by :func:`check` (in a child that ends) and by
the two functions that apply a half, never by :func:`load`. What only reading and checking need is imported with the
first use of one of those: a server's processes do without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from logserve.logs.config.build import (
    LoggingConfig,
    build_handlers,
    configure_arbiter,
    configure_worker,
    is_line_handler,
)

if TYPE_CHECKING:
    from logserve.logs.config.checking import check
    from logserve.logs.config.loading import load, load_unchecked
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
    "load_unchecked",
]

_WHERE: Final = {
    "LoggingOptions": "options",
    "check": "checking",
    "load": "loading",
    "load_unchecked": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return value
