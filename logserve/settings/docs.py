"""``docs/settings.md``, written from the table: ``python -m logserve.settings.docs > docs/settings.md``."""

from __future__ import annotations

from logserve.settings.declare import Declared, Section
from logserve.settings.layers import COMMAND_ARGUMENTS, GUNICORN_ARGUMENTS
from logserve.settings.table import TABLE

HEAD = f"""\
# Settings

<!-- Written by `make docs` from logserve/settings/sections; a test checks that it is current. -->

A setting can be said in several places. From the weakest to the strongest:

1. its default, or what `WEB_CONCURRENCY` and `PORT` put in its place,
2. the configuration file, see below,
3. its environment variable, `LOGSERVE_` and its name (an empty one says nothing),
4. `{COMMAND_ARGUMENTS}`, a piece of command line in the environment, split as a shell does; where it is not set,
   `{GUNICORN_ARGUMENTS}`,
5. the command line.

`logserve --print-config app:app` shows each value and where it came from; `--check-config` also loads the
logging configuration and the application. A value that cannot be is refused before anything starts, with what was
found, what was expected and where: exit code 2 for the command line, 1 for any other place.

A setting that takes several values is repeated on the command line (`-b :8000 -b unix:app.sock`); in its
variable spaces stand between them, with quotes as in a shell. A stronger place replaces the whole list.
Durations are in seconds. Sizes are in bytes, or with `K`, `M` or `G` (powers of 1024). A switch is on with
`--name` and off with `--no-name`, in a variable with `1`, `true`, `yes`, `on` and `0`, `false`, `no`, `off`.
Relative paths start at `--chdir`.

## The configuration file

`-c PATH` (or `file:PATH`, `python:MODULE`) names it. Without that, the first of these in the directory where the
command is started is read: `logserve.conf.py`, `logserve.toml`, `pyproject.toml` if it has a table `[tool.logserve]`,
`gunicorn.conf.py`.

A Python file is run, and its names are taken: gunicorn's, and logserve's where gunicorn has none. At HUP it is run
again; if that fails the server goes on as it was, and says where the file is wrong. It runs in the arbiter, so it
should import little. [Migrating from gunicorn](migrating-from-gunicorn.md) has a table of gunicorn's names.

    bind = ["127.0.0.1:8000", "unix:app.sock"]
    workers = 4
    wsgi_app = "app:app"

    def post_fork(server, worker):
        worker.log.info("worker %d starts", worker.pid)

A TOML file has the same names, or those of the flags; hooks are dotted names in it:

    [tool.logserve]
    workers = 4
    keep-alive = 2.5
    post_fork = "project.hooks.post_fork"

A name that is no setting is warned about, in a Python file only where the file itself does not use it. A value that
cannot be is refused with file, line and what was expected.
"""


def render() -> str:
    """Return the whole page, in Markdown."""
    parts = [HEAD]
    for section in Section:
        parts.append(f"\n## {section.heading}\n")
        parts += [_entry(item) for item in TABLE.values() if item.setting.section is section]
    return "".join(parts)


def _entry(declared: Declared) -> str:
    setting = declared.setting
    facts = [("Value", setting.kind.expected if not declared.is_switch else "on or off")]
    if declared.is_list:
        facts[0] = ("Values", f"{setting.kind.expected}; several")
    facts.append(("Default", declared.describe_default()))
    if setting.fallback:
        variable, template = setting.fallback
        facts.append(("Instead", f"`{template.format('$' + variable)}` where `{variable}` is set"))
    if setting.zero and declared.default:
        facts.append(("0", setting.zero))
    if not setting.file_only:
        facts.append(("Variable", f"`{declared.variable}`"))
    if declared.name != "config" and not setting.one_shot:
        facts.append(("In a file", f"`{declared.name_in_file}`"))
    lines = "".join(f"- {name}: {fact}\n" for name, fact in facts)
    return f"\n### {_spellings(declared)}\n\n{setting.help}\n\n{lines}"


def _spellings(declared: Declared) -> str:
    flags = [
        declared.flag,
        declared.off_flag,
        declared.setting.short,
        *declared.setting.aliases,
    ]
    return ", ".join(f"`{flag}`" for flag in flags if flag)


if __name__ == "__main__":
    print(render(), end="")
