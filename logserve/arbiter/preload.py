"""``--preload``: the application, imported in the arbiter, for all workers to share its memory.

The one case in which the arbiter runs code of the user's. Its logging is then a worker's, so that what the
application logs while it is imported arrives, and its handlers are adopted as they are in a worker.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from logserve.arbiter.generations import Generation
from logserve.arbiter.resources import ARBITER_SLOT, Resources
from logserve.errors import AppError, BootError, LogserveError
from logserve.logs import adopt, runtime
from logserve.logs.config import configure_worker
from logserve.logs.origin import Origin
from logserve.wsgi.importer import load_app


def load(
    resources: Resources, generation: Generation, register: Callable[[Mapping[str, Any]], int]
) -> Callable[..., Any]:
    """Import the application here.

    :param register: has a handler of the application's opened by the collector; its number.
    :raises AppError: it cannot be found, or is not callable.
    :raises BootError: it raised; the message is its traceback.
    """
    settings = resources.settings
    runtime.install(
        resources.producer,
        Origin(resources.boot_id, ARBITER_SLOT, 0),
        registrar_function=register,
        socket_for_children=resources.for_children,
    )
    configure_logging(generation)
    if settings.adopt_handlers:
        adopt.enable(settings.app)
    try:
        application = resources.load() if resources.load is not None else load_app(settings.app)
        if settings.adopt_handlers:
            adopt.adopt_attached()
        return application
    except AppError:
        raise
    except LogserveError as error:
        raise BootError(str(error)) from error
    except Exception as error:
        raise BootError(traceback.format_exc()) from error


def configure_logging(generation: Generation) -> None:
    """Make this process's logging a worker's of that generation; workers inherit it."""
    configure_worker(generation.config, generation.sinks)
