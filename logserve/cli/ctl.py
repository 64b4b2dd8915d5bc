"""``logserve ctl ..``: ask a running server, and steer it, over its control socket."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final

import click
import msgspec

from logserve.cli.ctl_client import ControlError, ask
from logserve.cli.ctl_text import TEXTS
from logserve.cli.group import CONTEXT, run_group
from logserve.errors import UsageError
from logserve.settings.control import beside, control_path

WORD: Final = "ctl"
TIMEOUT: Final = 15.0
"""Seconds for an answer, where ``--timeout`` does not say."""
RELOAD_TIMEOUT: Final = 90.0
"""The same for ``reload``, whose answer may take as long as the modules of a logging configuration need to import."""

Command = Callable[..., int]


def is_meant(arguments: Sequence[str]) -> bool:
    """Whether a command line is one of these commands, and not an application in a module named ``ctl``.

    An application has at most options behind it; so the name of a command, or a wish for help, makes it one.
    """
    return (
        len(arguments) > 1
        and arguments[0] == WORD
        and (
            arguments[1] in ("-h", "--help")
            or not arguments[1].startswith("-")
            or any(word in ctl.commands for word in arguments[1:])
        )
    )


def run(arguments: Sequence[str]) -> int:
    """Run the command that the words behind ``ctl`` name, and return the exit code.

    :raises UsageError: no such command or option.
    :raises ControlError: there is no such server, or it refuses.
    :raises click.exceptions.Exit: ``--help`` was answered.
    """
    return run_group(ctl, arguments)


@click.group(name=WORD, context_settings=CONTEXT)
def ctl() -> None:
    """Ask a running server, and steer it.

    The server is found by its control socket: --control-socket names it, or --pid its pidfile beside it; else they
    are taken from the configuration, read as 'logserve' itself reads it in this directory.

    Exits with 0 where it was done, 1 where the server refused, 2 where the command line is wrong, 3 where there is
    no server, 4 where it does not answer this user, 5 where it is one of another version, 6 where it did not
    answer in time.
    """


def _addressed(command: Command) -> Command:
    """Give a command the options that all of them have, and hand it an :class:`_Asker` for them."""

    @click.option("--control-socket", "-s", metavar="PATH", help="The server's control socket.")
    @click.option("--pid", "-p", metavar="PATH", help="The server's pidfile: the socket is beside it.")
    @click.option("--config", "-c", metavar="PATH", help="The server's configuration file.")
    @click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
                  help=f"For the answer; {TIMEOUT:g} without it, {RELOAD_TIMEOUT:g} for a reload.")  # fmt: skip
    @click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, errors included.")
    @wraps(command)
    def addressed(
        control_socket: str | None, pid: str | None, config: str | None, timeout: float | None, as_json: bool,
        **more: Any,
    ) -> int:  # fmt: skip
        def send(name: str, **arguments: Any) -> int:
            limit = timeout or (RELOAD_TIMEOUT if name == "reload" else TIMEOUT)
            try:
                result = ask(find(control_socket, pid, config), name, arguments, limit)
            except ControlError as error:
                if as_json:
                    _print_json({"error": {"code": error.code, "message": str(error)}})
                raise
            if as_json:
                _print_json(result)
            else:
                click.echo(TEXTS[name](result))
            failed = (
                any("error" in worker for worker in result.get("workers", ())) if name == "stacks" else False
            )
            return 1 if failed else 0

        return command(send, **more)

    return addressed


def _print_json(value: Mapping[str, Any]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def find(control_socket: str | None, pid: str | None, config: str | None) -> str:
    """The path of the control socket that these options mean.

    :raises UsageError: there is none.
    :raises LogserveError: the configuration is wrong.
    """
    if control_socket is not None:
        return control_socket
    if pid is not None:
        return beside(pid)
    from logserve.cli.reader import (
        settings_reader,
    )  # runs a configuration file in Python: only where it has to

    settings = settings_reader(["--config", config] if config is not None else [])().settings
    path = control_path(settings)
    if path is None:
        why = (
            "has no control socket"
            if settings.no_control_socket
            else "names neither a pidfile nor a control socket"
        )
        raise UsageError(
            f"found no server: the configuration that is read here {why}, expected --control-socket PATH or --pid PATH"
        )
    return os.path.join(settings.chdir, path)


@ctl.command(context_settings=CONTEXT)
@_addressed
def status(send: Command) -> int:
    """Show the workers, and the requests in flight."""
    return send("status")


@ctl.command(context_settings=CONTEXT)
@_addressed
def config(send: Command) -> int:
    """Show each setting that holds, and where it came from."""
    return send("config")


@ctl.command(context_settings=CONTEXT)
@click.argument("change", type=click.Choice(["add", "remove"]))
@click.argument("count", metavar="[N]", type=click.IntRange(min=1), default=1)
@_addressed
def workers(send: Command, change: str, count: int) -> int:
    """Have N workers more or fewer (SIGTTIN, SIGTTOU)."""
    return send("workers", change=count if change == "add" else -count)


@ctl.command(context_settings=CONTEXT)
@click.argument("worker", metavar="PID", type=click.IntRange(min=1))
@click.option("--quick", is_flag=True, help="At once, its requests unfinished.")
@_addressed
def kill(send: Command, worker: int, quick: bool) -> int:
    """End a worker, its requests finished; another takes its place."""
    return send("kill", pid=worker, quick=quick)


@ctl.command(context_settings=CONTEXT)
@_addressed
def reload(send: Command) -> int:
    """Read the configuration anew, and replace the workers (SIGHUP)."""
    return send("reload")


@ctl.command(context_settings=CONTEXT)
@_addressed
def reopen(send: Command) -> int:
    """Reopen the log files (SIGUSR1)."""
    return send("reopen")


@ctl.command(context_settings=CONTEXT)
@click.argument("worker", metavar="[PID]", type=click.IntRange(min=1), required=False)
@_addressed
def stacks(send: Command, worker: int | None) -> int:
    """Show where each thread of a worker, or of all of them, stands."""
    return send("stacks", pid=worker or 0)


@ctl.command(context_settings=CONTEXT)
@click.option("--quick", is_flag=True, help="At once, requests unfinished (SIGQUIT).")
@_addressed
def shutdown(send: Command, quick: bool) -> int:
    """End the server, its requests finished (SIGTERM)."""
    return send("shutdown", quick=quick)
