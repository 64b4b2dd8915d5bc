"""``logserve APP_MODULE``: from the command line to the arbiter, and from an error to a sentence.

Little is imported here before it is needed: the arbiter's memory is what every worker starts from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from logserve.cli.apart import HasCode, apart
from logserve.errors import LogserveError, UsageError
from logserve.settings import Resolved

Answer = TypeVar("Answer")


def main() -> int:
    """Run the command that the process was started with, and return its exit code."""
    arguments = sys.argv[1:]
    if len(arguments) > 1 and arguments[0] == "logs":
        from logserve.cli import logs

        if logs.is_meant(arguments):
            return guarded(lambda: _answered(lambda: logs.run(arguments[1:])))
    if len(arguments) > 1 and arguments[0] == "ctl":
        from logserve.cli import ctl

        if ctl.is_meant(arguments):
            return guarded(lambda: _answered(lambda: ctl.run(arguments[1:])))
    return guarded(lambda: serve(arguments))


def guarded(command: Callable[[], Answer]) -> Answer | int:
    """Run a command; what the user did wrong becomes a sentence on the standard error and an exit code."""
    try:
        answer = command()
        sys.stdout.flush()
    except LogserveError as error:
        for sentence in str(error).splitlines():  # a line for each mistake of a configuration
            print(f"logserve: {sentence}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # logserve --print-config | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130
    return answer


def serve(arguments: Sequence[str]) -> int:
    """Serve, or do the one thing that was asked for instead; return the exit code.

    0: stopped as asked. 1: the configuration is wrong. 2: the command line is wrong. 3: a worker could not
    boot. 4: there is no such application, or it is not callable.
    """
    environment, directory = dict(os.environ), os.getcwd()

    def read() -> Resolved:
        from logserve.cli.reader import settings_reader

        return settings_reader(arguments, environment, directory)()

    settled = apart(lambda: guarded(lambda: _settle_apart(arguments)))
    if settled is None:
        settled = _settle(read)
    if isinstance(settled, int):
        return settled
    from logserve.arbiter import run

    if settled.settings.daemon and not os.environ.get(
        "NOTIFY_SOCKET"
    ):  # systemd's is in the background already
        from logserve.arbiter.daemon import in_background

        return in_background(lambda ready: run(settled, read, ready))
    return run(settled, read)


def _settle_apart(arguments: Sequence[str]) -> Resolved | int:
    from logserve.cli.reader import settings_reader

    def run_no_code() -> AbstractContextManager[None]:
        raise HasCode

    return _settle(settings_reader(arguments, surroundings=run_no_code))


def _answered(command: Callable[[], Answer]) -> Answer | int:
    """What it returns, or 0 where click has answered ``--help`` or ``--version``."""
    from click.exceptions import Exit

    try:
        return command()
    except Exit as done:
        return done.exit_code


def _settle(read: Callable[[], Resolved]) -> Resolved | int:
    """The settings of a server that is to be started, or the exit code of the one thing that was asked for instead."""
    resolved = _answered(read)
    if isinstance(resolved, int):
        return resolved
    settings = resolved.settings
    if settings.print_config:
        from logserve.settings.show import show_settings

        _warn(resolved)
        print(show_settings(resolved), end="")
        if not settings.check_config:
            return 0
    if not settings.app:
        raise UsageError(
            "found no application, expected MODULE:NAME as in 'logserve app:app'; see 'logserve --help'"
        )
    if settings.check_config:
        from logserve.cli.check import check

        if not settings.print_config:
            _warn(resolved)
        return check(resolved)
    return resolved


def _warn(resolved: Resolved) -> None:
    """Say what is odd about the configuration file; a server says it in its log."""
    for warning in resolved.warnings:
        print(f"logserve: warning: {warning}", file=sys.stderr)
