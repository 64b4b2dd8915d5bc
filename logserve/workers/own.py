"""A worker class of one's own: what ``--worker-class module:Class`` names.

The loop, the protocol and the ledger stay the server's; a class adds what has to happen in each worker process, and may
put something between the server and the application.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from typing import Any, ClassVar

from logserve.errors import AppError, BootError
from logserve.settings import Settings


class Worker:
    """The base of worker classes. One is made in each worker process; its methods are called there, in this order.

    What a method raises is a worker that could not boot, as if the application had raised it at import;
    :meth:`leaving` aside, whose exceptions are logged.

    :param settings: what holds for this worker.
    :param slot: the worker's number, from 0; that of one which has ended is given to the next.
    """

    based_on: ClassVar[str] = "sync"
    """The worker type that does the serving: any that ``--worker-class`` knows by a name of its own."""

    def __init__(self, settings: Settings, slot: int) -> None:
        self.settings = settings
        self.slot = slot

    def starting(self) -> None:
        """Called before the application is loaded; the log can be written."""

    def loaded(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is to be called for each request: the application, or what wraps it."""
        return application

    def leaving(self) -> None:
        """Called at the end, when every request is answered; not in a worker that is killed."""


def make_own_worker(settings: Settings, slot: int) -> Worker:
    """Make the worker that ``module:Class`` names; the plain one where the worker class is a known word.

    :raises AppError: there is no such class, or it is none of worker classes.
    :raises BootError: importing or making it raised; the message is its traceback.
    """
    text = settings.worker_class
    module_name, colon, name = text.partition(":")
    if not colon:
        return Worker(settings, slot)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise AppError(f"--worker-class {text}: there is no module {error.name!r}") from None
        raise BootError(f"--worker-class {text}: importing it failed\n{traceback.format_exc()}") from error
    except Exception as error:
        raise BootError(f"--worker-class {text}: importing it failed\n{traceback.format_exc()}") from error
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Worker)):
        raise AppError(
            f"--worker-class {text}: found {_described(found)}, expected a class derived from logserve.Worker"
        )
    if ":" in found.based_on:
        raise AppError(
            f"--worker-class {text}: its based_on is {found.based_on!r}, expected a word such as 'sync'"
        )
    try:
        return found(settings, slot)
    except Exception as error:
        raise BootError(f"--worker-class {text}: making it failed\n{traceback.format_exc()}") from error


def _described(found: object) -> str:
    if found is None:
        return "nothing of that name"
    return f"the class {found.__qualname__}" if isinstance(found, type) else f"a {type(found).__name__}"
