"""The application, and where it is found."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

import msgspec

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Assignment, Directories, Path, Switch, Text


class ApplicationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The application, and where it is found."""

    app: Annotated[
        str,
        Setting(
            section=Section.APPLICATION,
            kind=Text("MODULE, MODULE:NAME or MODULE:FACTORY()"),
            positional=True,
            in_file="wsgi_app",
            help="The WSGI application: a module, and behind a colon the name in it (default: application, "
            "then app), dotted if need be, or a call of a factory with literal arguments.",
        ),
    ] = ""

    config: Annotated[
        str | None,
        Setting(
            section=Section.APPLICATION,
            kind=Path("a path, file:PATH or python:MODULE"),
            short="-c",
            unset="./logserve.conf.py, ./logserve.toml, [tool.logserve] in ./pyproject.toml or ./gunicorn.conf.py, "
            "the first that there is",
            help="Take settings and hooks from this file: Python as gunicorn reads it, or TOML.",
        ),
    ] = None
    chdir: Annotated[
        str,
        Setting(
            section=Section.APPLICATION,
            kind=Path("a directory"),
            help="Change to this directory first. It is where modules are looked for and where all relative "
            "paths start.",
        ),
    ] = "."

    pythonpath: Annotated[
        list[str],
        Setting(
            section=Section.APPLICATION,
            kind=Directories(),
            help="Look for modules here too, before anywhere else. Repeat it, or put commas between several.",
        ),
    ] = []

    env: Annotated[
        list[str],
        Setting(
            section=Section.APPLICATION,
            kind=Assignment(),
            short="-e",
            in_file="raw_env",
            help="Set a variable in the application's environment. Repeat it for several.",
        ),
    ] = []

    preload: Annotated[
        bool,
        Setting(
            section=Section.APPLICATION,
            kind=Switch(),
            in_file="preload_app",
            help="Load the application once, before the workers are forked: they share its memory and start "
            "faster, but HUP does not load it anew.",
        ),
    ] = False
