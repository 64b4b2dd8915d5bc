"""A pre-fork WSGI server that knows what it did; what an application and a logging configuration use of it.

Everything is imported when it is first used: an application that wants one formatter does not load the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from logserve.embed import BaseApplication, run
    from logserve.logs.bridge import bridge_root_logger, bridge_structlog
    from logserve.logs.context import current_request
    from logserve.logs.formatters.access import AccessFormatter
    from logserve.logs.formatters.console import ConsoleFormatter
    from logserve.logs.formatters.ecs import ECSFormatter
    from logserve.logs.formatters.json import JSONFormatter
    from logserve.logs.levels import BelowLevel
    from logserve.workers.own import Worker

__version__ = "0.1.0"

__all__ = [
    "AccessFormatter",
    "BaseApplication",
    "BelowLevel",
    "ConsoleFormatter",
    "ECSFormatter",
    "JSONFormatter",
    "Worker",
    "__version__",
    "bridge_root_logger",
    "bridge_structlog",
    "current_request",
    "run",
]

_WHERE: Final = {
    "bridge_root_logger": "logserve.logs.bridge",
    "bridge_structlog": "logserve.logs.bridge",
    "current_request": "logserve.logs.context",
    "run": "logserve.embed",
    "BaseApplication": "logserve.embed",
    "Worker": "logserve.workers.own",
    "BelowLevel": "logserve.logs.levels",
    "AccessFormatter": "logserve.logs.formatters.access",
    "ConsoleFormatter": "logserve.logs.formatters.console",
    "ECSFormatter": "logserve.logs.formatters.ecs",
    "JSONFormatter": "logserve.logs.formatters.json",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'logserve' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
