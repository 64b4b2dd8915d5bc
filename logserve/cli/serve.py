"""``logserve APP_MODULE``: from the command line to the arbiter, and from an error to a sentence.

Little is imported here before it is needed: the arbiter's memory is what every worker starts from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from logserve.errors import LogserveError, UsageError
from logserve.settings import resolve
from logserve.settings.layers import all_layers


def main() -> int:
    """Run the command that the process was started with, and return its exit code."""
    arguments = sys.argv[1:]
    if len(arguments) > 1 and arguments[0] == "logs":
        from logserve.cli import logs

        if logs.is_meant(arguments):
            return guarded(logs.run, arguments[1:])
    return guarded(serve, arguments)


def guarded(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command; what the user did wrong becomes a sentence on the standard error and an exit code."""
    from click.exceptions import Exit

    try:
        try:
            code = command(arguments)
        except Exit as done:  # --help and --version have answered
            code = done.exit_code
        sys.stdout.flush()
    except LogserveError as error:
        print(f"logserve: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # logserve --print-config | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def serve(arguments: Sequence[str]) -> int:
    """Serve, or do the one thing that was asked for instead; return the exit code.

    0: stopped as asked. 1: the configuration is wrong. 2: the command line is wrong. 3: a worker could not
    boot. 4: there is no such application, or it is not callable.
    """
    from logserve.cli.options import parse_arguments

    resolved = resolve(all_layers(os.environ, arguments, parse_arguments))
    settings = resolved.settings
    if settings.print_config:
        from logserve.settings.show import show_settings

        print(show_settings(resolved), end="")
        if not settings.check_config:
            return 0
    if not settings.app:
        raise UsageError(
            "found no application, expected MODULE:NAME as in 'logserve app:app'; see 'logserve --help'"
        )
    if settings.check_config:
        from logserve.cli.check import check

        return check(settings)
    from logserve.arbiter import run

    return run(settings)
