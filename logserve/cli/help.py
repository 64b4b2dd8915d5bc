"""``--help``: the settings by section, each section a screen, ``--help SECTION`` one of them."""

from __future__ import annotations

import click

from logserve.settings.declare import Declared, Section
from logserve.settings.kinds import nearest
from logserve.settings.table import TABLE

EVERYTHING = "all"
MAX_WIDTH = 110

INTRODUCTION = "Serve a WSGI application, and log what became of every request."

EXAMPLES = (
    "logserve app:app",
    "logserve -w 4 --log-config logging.yaml app:app",
    "logserve 'project.web:create_app(\"production\")'",
)


class HelpOption(click.Option):
    """``-h``, ``--help`` and, if one wants, the section to show."""

    def __init__(self) -> None:
        super().__init__(
            ["-h", "--help"],
            type=click.UNPROCESSED,
            is_flag=False,
            flag_value=EVERYTHING,
            default=None,
            is_eager=True,
            expose_value=False,
            callback=_print_help,
        )


class ServeCommand(click.Command):
    """The command whose help is written from the table of settings."""

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of every section."""
        _write_head(formatter)
        for section in Section:
            _write_section(section, formatter)
        _write_foot(formatter)


def _print_help(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    names = [section.value for section in Section]
    formatter = click.HelpFormatter(width=min(context.terminal_width or _terminal_width(), MAX_WIDTH))
    if value in names:
        _write_section(Section(value), formatter)
    elif value == EVERYTHING:
        context.command.format_help(context, formatter)
    else:
        hint = nearest(value, names)
        expected = f"a group ({', '.join(names)}) or nothing"
        message = f"--help: found {value!r}, expected {expected}" + (
            f"; did you mean {hint}?" if hint else ""
        )
        raise click.UsageError(message, context)
    click.echo(formatter.getvalue().strip("\n"))
    context.exit()


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((MAX_WIDTH, 24)).columns - 1


def _write_head(formatter: click.HelpFormatter) -> None:
    formatter.write_usage("logserve", "[OPTIONS] APP_MODULE")
    formatter.write("\n")
    formatter.write_text(INTRODUCTION)
    formatter.write("\n")
    for example in EXAMPLES:
        formatter.write(f"  {example}\n")


def _write_foot(formatter: click.HelpFormatter) -> None:
    formatter.write("\n")
    formatter.write_text(
        "Each option is also an environment variable: --log-level is LOGSERVE_LOG_LEVEL. LOGSERVE_CMD_ARGS "
        "holds a piece of command line. The command line is stronger than both. --print-config shows what "
        "holds, and why."
    )


def _write_section(section: Section, formatter: click.HelpFormatter) -> None:
    rows = [(_flags(item), _help(item)) for item in TABLE.values() if item.setting.section is section]
    if section is Section.INSPECTION:
        rows.append(("--version", "Print the version and exit."))
        rows.append(("-h, --help [GROUP]", "Print this, or one group of it, and exit."))
    with formatter.section(section.heading):
        formatter.write_dl(rows, col_max=28)


def _flags(declared: Declared) -> str:
    setting = declared.setting
    if setting.positional:
        return declared.flag
    if declared.is_switch and not setting.one_shot:
        return f"--[no-]{declared.flag.removeprefix('--')}"
    short = f"{setting.short}, " if setting.short else ""
    return f"{short}{declared.flag} {declared.metavar}".rstrip()


def _help(declared: Declared) -> str:
    setting = declared.setting
    notes = []
    if setting.zero and declared.default:
        notes.append(f"0: {setting.zero}")
    if not setting.positional and not setting.one_shot and not (declared.is_list and not declared.default):
        default = declared.describe_default()
        fallback = f"${setting.fallback[0]} or " if setting.fallback else ""
        notes.append(f"default: {fallback}{default}")
    return f"{setting.help}  [{'; '.join(notes)}]" if notes else setting.help
