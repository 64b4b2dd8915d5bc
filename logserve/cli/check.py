"""``--check-config``: load the logging configuration and the application, and say all that is wrong."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from logserve.errors import ConfigurationError, LogserveError
from logserve.settings import Settings


def check(settings: Settings) -> int:
    """Return 0 where the server could start, and 1 where it could not, each reason said on standard error.

    All is loaded in a child, as a worker is one: what an import does to its process (threads, signals, a
    crash) ends with it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _check_here(settings)
            sys.stdout.flush()
        except BaseException:  # nothing of the parent's may run on in its child
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        print(f"logserve: loading {settings.app!r} ended in {signal.Signals(-code).name}", file=sys.stderr)
    elif code == 0:
        print("logserve: the configuration is good")
    return 0 if code == 0 else 1


def _check_here(settings: Settings) -> int:
    """Load one thing after the other; a wrong one does not keep the next from being looked at."""
    from logserve.arbiter.preparation import enter

    problems: list[LogserveError] = []
    try:
        enter(settings)
    except ConfigurationError as error:
        problems.append(error)  # nothing else would be found where it is
    else:
        for load in (_load_logging, _load_application):
            try:
                load(settings)
            except LogserveError as error:
                problems.append(error)
    for problem in problems:
        print(f"logserve: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _load_logging(settings: Settings) -> None:
    from logserve.arbiter.preparation import load_logging
    from logserve.logs.config import check as check_logging

    check_logging(load_logging(settings))


def _load_application(settings: Settings) -> None:
    from logserve.wsgi.importer import load_app

    load_app(settings.app)
