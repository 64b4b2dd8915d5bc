"""The arbiter's own voice: records of ``logserve.error``, by its own ring, formatted by the collector.

The arbiter runs no code of the user's. So where a formatter or filter is the user's its handlers only forward: each
record travels whole, and the handler's filters and formatter see it in the collector.
"""

from __future__ import annotations

import logging
import sys

from logserve.arbiter.generations import Generation
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.logs import runtime
from logserve.logs.config import LoggingConfig
from logserve.logs.config.build import configure_arbiter, configure_worker
from logserve.logs.config.own import is_own
from logserve.logs.names import ERROR
from logserve.logs.origin import Origin

logger = logging.getLogger(ERROR)


def install(resources: Resources) -> None:
    """Number and emit this process's records through the arbiter's ring."""
    runtime.install(resources.producer, Origin(resources.boot_id, ARBITER_SLOT, 0))


def uninstall() -> None:
    """Let go of the ring, in a child, and at the end."""
    runtime.uninstall()


def use(generation: Generation) -> None:
    """Log as this configuration says from now on.

    Where nothing in it is the user's, it is applied as workers apply it: they inherit it finished, and share it.
    """
    if is_own(generation.config.data):
        configure_worker(generation.config, generation.sinks)
    else:
        configure_arbiter(generation.config, generation.sinks)


def reaches_console(config: LoggingConfig) -> bool:
    """Whether what is logged at ERROR can be read on the console, so that it need not be said there again."""
    own = config.data["loggers"][ERROR]
    names = [*own.get("handlers", ())]
    if own.get("propagate", True):
        names += config.data.get("root", {}).get("handlers", ())
    return any(config.data["handlers"][name].get("class") == "logging.StreamHandler" for name in names)


def complain(sentence: str) -> None:
    """Say something on stderr, where the log cannot be relied on."""
    print(f"logserve: {sentence}", file=sys.stderr, flush=True)
