"""Commands of two words, ``logserve logs audit``: when one is meant, and how it is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from logserve.errors import UsageError

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""Settings of click's for each of them."""


def run_group(group: click.Group, arguments: Sequence[str]) -> int:
    """Run the command that the words behind the group's name say, and return the exit code.

    :raises UsageError: no such command or option, or one that is used wrongly.
    :raises click.exceptions.Exit: ``--help`` was answered.
    """
    path = f"logserve {group.name}"
    try:
        with group.make_context(path, list(arguments)) as context:
            code: int = group.invoke(context)
            return code
    except click.UsageError as error:
        message = error.format_message().rstrip(".")
        command = error.ctx.command_path if error.ctx else path
        raise UsageError(f"{message[:1].lower()}{message[1:]}; see '{command} --help'") from None
