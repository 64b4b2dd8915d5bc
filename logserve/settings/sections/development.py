"""What helps while an application is being written."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

import msgspec

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Choice, Path, Switch
from logserve.settings.sections.process import ProcessSettings


class DevelopmentSettings(ProcessSettings, frozen=True, kw_only=True):
    """What helps while an application is being written."""

    reload: Annotated[
        bool,
        Setting(
            section=Section.DEVELOPMENT,
            kind=Switch(),
            help="Replace the workers when a file of the application changes. An application that cannot be loaded is "
            "answered with its traceback, until it can. For development.",
        ),
    ] = False

    reload_engine: Annotated[
        str,
        Setting(
            section=Section.DEVELOPMENT,
            kind=Choice("auto", "inotify", "poll"),
            help="How changes are found: inotify needs the package watchfiles (pip install 'logserve[reload]'), poll "
            "looks at each file every second, auto takes inotify where the package is.",
        ),
    ] = "auto"

    reload_extra_file: Annotated[
        list[str],
        Setting(
            section=Section.DEVELOPMENT,
            kind=Path("a path, or a pattern such as templates/**/*.html"),
            in_file="reload_extra_files",
            unset="none",
            help="With --reload, look at these files, too: a path, a directory with all that is in it, or a pattern. "
            "Repeat it for several.",
        ),
    ] = msgspec.field(default_factory=list)
