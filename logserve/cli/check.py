"""``--check-config``: load the logging configuration and the application, and say all that is wrong."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from logserve.errors import ConfigurationError, LogserveError
from logserve.settings import Resolved


def check(resolved: Resolved) -> int:
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
            code = _check_here(resolved)
            sys.stdout.flush()
        except BaseException:  # nothing of the parent's may run on in its child
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        print(
            f"logserve: loading {resolved.settings.app!r} ended in {signal.Signals(-code).name}",
            file=sys.stderr,
        )
    elif code == 0:
        print("logserve: the configuration is good")
    return 0 if code == 0 else 1


def _check_here(resolved: Resolved) -> int:
    """Load one thing after the other; a wrong one does not keep the next from being looked at."""
    from logserve.arbiter.preparation import Surroundings

    problems: list[LogserveError] = []
    surroundings = Surroundings()
    try:
        surroundings.check(resolved)
        surroundings.enter(resolved.settings)
    except ConfigurationError as error:
        problems.append(error)  # nothing else would be found where it is
    else:
        for load in (_load_logging, _load_logger_class, _load_application):
            try:
                load(resolved)
            except LogserveError as error:
                problems.append(error)
    for problem in problems:
        for sentence in str(problem).splitlines():
            print(f"logserve: {sentence}", file=sys.stderr)
    return 1 if problems else 0


def _load_logging(resolved: Resolved) -> None:
    from logserve.arbiter.logging_setup import load_logging_of
    from logserve.logs.config import check as check_logging

    check_logging(load_logging_of(resolved))


def _load_logger_class(resolved: Resolved) -> None:
    named = resolved.settings.logger_class
    if isinstance(named, str):  # a class itself was looked at with the logging
        from logserve.compat.loading import load_logger_class
        from logserve.compat.standin import standing_in

        try:
            with standing_in():
                load_logger_class(named)
        except ConfigurationError as error:
            raise resolved.sources["logger_class"].configuration_error(error.problem) from error


def _load_application(resolved: Resolved) -> None:
    from logserve.wsgi.importer import load_app

    load_app(resolved.settings.app)
