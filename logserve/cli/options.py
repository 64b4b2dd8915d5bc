"""The command line of ``logserve APP_MODULE``, derived from the table of settings.

click takes the words apart; values stay text here, for they are read and checked in one place for all
places that may say them (:mod:`logserve.settings.resolve`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from logserve.cli.help import print_help
from logserve.errors import UsageError
from logserve.settings.declare import Declared, Section
from logserve.settings.gunicorn import BY_FLAG, ROWS, Fate, Row
from logserve.settings.kinds import nearest
from logserve.settings.table import TABLE


def parse_arguments(arguments: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Take a command line apart: the texts said for each setting that it names.

    :raises UsageError: an option that does not exist, one without its value, a second application.
    :raises click.exceptions.Exit: ``--help`` or ``--version`` was answered.
    """
    try:
        context = serve_command().make_context("logserve", list(arguments))
    except click.UsageError as error:
        raise UsageError(_sentence(error)) from None
    words: tuple[str, ...] = context.params["app"]
    if context.params.pop("help"):  # the word beside it may be a group's name
        print_help(next((section for section in Section if section.value in words), None))
        context.exit()
    said: dict[str, list[str]] = {}
    for name, value in context.params.items():
        if value is None or value == ():
            continue
        said[name] = [str(text) for text in value] if isinstance(value, tuple) else [_text(value)]
    if len(words) > 1:
        raise UsageError(f"found {words[1]!r} behind the application {words[0]!r}, expected one application")
    return said


def serve_command() -> click.Command:
    """Return the click command whose options are the settings."""
    options = [_parameter(declared) for declared in TABLE.values() if not declared.setting.file_only]
    options += [
        _without_effect(row) for name, row in ROWS.items() if row.fate is Fate.ACCEPTED and name not in TABLE
    ]
    options.append(
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
    )
    options.append(click.Option(["-h", "--help"], is_flag=True))
    return click.Command("logserve", params=options, add_help_option=False)


def _parameter(declared: Declared) -> click.Parameter:
    setting = declared.setting
    if setting.positional:  # any number, so that a second one gets a sentence of ours
        return click.Argument([declared.name], nargs=-1, type=click.UNPROCESSED)
    flags = [*setting.aliases, declared.flag]
    if setting.short:
        flags.insert(0, setting.short)
    if declared.is_switch:
        flag = f"{declared.flag}/{declared.off_flag}" if declared.off_flag else declared.flag
        return click.Option([flag, declared.name], is_flag=True, default=None)
    if setting.bare:
        return click.Option(
            [*flags, declared.name],
            type=click.UNPROCESSED,
            is_flag=False,
            flag_value=setting.bare,
            default=None,
        )
    return click.Option(
        [*flags, declared.name], type=click.UNPROCESSED, multiple=declared.is_list, default=None
    )


def _without_effect(row: Row) -> click.Parameter:
    """Return an option of gunicorn's that may be given, and for which there is nothing to do."""
    if row.takes_value:
        return click.Option([*row.flags], type=click.UNPROCESSED, expose_value=False)
    return click.Option([*row.flags], is_flag=True, expose_value=False)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        from logserve import __version__

        click.echo(f"logserve {__version__}")
        context.exit()


def _sentence(error: click.UsageError) -> str:
    """Return click's complaint in our words."""
    if isinstance(error, click.NoSuchOption) and error.option_name in BY_FLAG:
        row = ROWS[BY_FLAG[error.option_name]]
        what = "not supported yet" if row.fate is Fate.NOT_YET else "not supported"
        return f"gunicorn's {error.option_name} is {what}" + (f": {row.note.rstrip('.')}" if row.note else "")
    if isinstance(error, click.NoSuchOption):
        hint = nearest(error.option_name, _all_flags())
        return f"no such option {error.option_name}" + (
            f"; did you mean {hint.strip(chr(39))}?" if hint else ""
        )
    if isinstance(error, click.BadOptionUsage) and "requires an argument" in error.message:
        return f"{error.option_name}: found no value, expected {_expected(error.option_name)}"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:]


def _all_flags() -> list[str]:
    flags = ["--help", "--version"]
    for declared in TABLE.values():
        if not declared.setting.positional and not declared.setting.file_only:
            flags += [flag for flag in (declared.flag, declared.off_flag) if flag]
    return flags


def _expected(flag: str) -> str:
    for declared in TABLE.values():
        if flag in (declared.flag, declared.setting.short, *declared.setting.aliases):
            return declared.setting.kind.expected
    return "one"
