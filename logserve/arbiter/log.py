"""The arbiter's own voice: records of ``logserve.error``, by its own ring, formatted by the collector.

The arbiter runs no code of the user's. So its handlers only forward: each record travels whole, and the
handler's filters and formatter see it in the collector.
"""

from __future__ import annotations

import logging
import sys

from logserve.arbiter.generations import Generation
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.logs import runtime
from logserve.logs.config import LoggingConfig
from logserve.logs.forward import ForwardingHandler
from logserve.logs.names import ERROR
from logserve.logs.origin import Origin

logger = logging.getLogger(ERROR)
_own: list[logging.Handler] = []
"""The handlers that :func:`use` has set last."""


def install(resources: Resources) -> None:
    """Number and emit this process's records through the arbiter's ring."""
    runtime.install(resources.producer, Origin(resources.boot_id, ARBITER_SLOT, 0))


def uninstall() -> None:
    """Let go of the ring and the handlers, in a child, and at the end."""
    runtime.uninstall()
    if logger.handlers and all(handler in _own for handler in logger.handlers):
        logger.handlers.clear()  # those of a preloaded application are its workers'


def use(generation: Generation) -> None:
    """Log as this configuration says from now on."""
    config = generation.config
    _own[:] = [_forwarding(config, name, generation.sinks[name]) for name in reached(config)]
    logger.handlers[:] = _own
    logger.propagate = False  # what root would do is among the handlers
    logger.setLevel(
        config.data["loggers"][ERROR].get("level") or config.data.get("root", {}).get("level") or logging.INFO
    )


def _forwarding(config: LoggingConfig, name: str, sink: int) -> ForwardingHandler:
    handler = ForwardingHandler(sink, line=False)
    handler.set_name(name)
    handler.setLevel(config.data["handlers"][name].get("level", logging.NOTSET))
    return handler


def reached(config: LoggingConfig) -> list[str]:
    """The handlers that a record of ``logserve.error`` reaches, root's included where it propagates."""
    own = config.data["loggers"][ERROR]
    names = list(own.get("handlers", ()))
    if own.get("propagate", True):
        names += config.data.get("root", {}).get("handlers", ())
    return list(dict.fromkeys(names))


def reaches_console(config: LoggingConfig) -> bool:
    """Whether what is logged at ERROR can be read on the console, so that it need not be said there again."""
    definitions = [config.data["handlers"][name] for name in reached(config)]
    return any(definition.get("class") == "logging.StreamHandler" for definition in definitions)


def complain(sentence: str) -> None:
    """Say something on stderr, where the log cannot be relied on."""
    print(f"logserve: {sentence}", file=sys.stderr, flush=True)
