"""``--help``: the settings by section, each section a screen, ``--help SECTION`` one of them."""

from __future__ import annotations

import click

from logserve.settings.declare import Declared, Section
from logserve.settings.table import TABLE

MAX_WIDTH = 110

INTRODUCTION = "Serve a WSGI application, and log what became of every request."

EXAMPLES = (
    "logserve app:app",
    "logserve -w 4 --log-config logging.yaml app:app",
    "logserve 'project.web:create_app(\"production\")'",
)


def print_help(section: Section | None = None) -> None:
    """Print the help of every group, or of one."""
    formatter = click.HelpFormatter(width=min(_terminal_width(), MAX_WIDTH))
    if section is None:
        _write_head(formatter)
    for each in Section if section is None else [section]:
        _write_section(each, formatter)
    if section is None:
        _write_foot(formatter)
    click.echo(formatter.getvalue().strip("\n"))


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
        "(or GUNICORN_CMD_ARGS) holds a piece of command line. Both are stronger than the configuration file, and "
        "the command line is stronger than all. --print-config shows what holds, and why."
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
    if setting.positional or setting.file_only:
        return declared.flag
    if declared.off_flag and not setting.one_shot:
        return f"--[no-]{declared.flag.removeprefix('--')}"
    short = f"{setting.short}, " if setting.short else ""
    return f"{short}{declared.flag} {declared.metavar}".rstrip()


def _help(declared: Declared) -> str:
    setting = declared.setting
    if setting.file_only:
        return setting.help
    notes = []
    if setting.zero and declared.default:
        notes.append(f"0: {setting.zero}")
    if not setting.positional and not setting.one_shot and not (declared.is_list and not declared.default):
        default = declared.describe_default()
        fallback = f"${setting.fallback[0]} or " if setting.fallback else ""
        notes.append(f"default: {fallback}{default}")
    return f"{setting.help}  [{'; '.join(notes)}]" if notes else setting.help
