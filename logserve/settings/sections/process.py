"""The server's processes as the system sees them."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import FileMode, Path, Switch, Text
from logserve.settings.sections.metrics import MetricsSettings


class ProcessSettings(MetricsSettings, frozen=True, kw_only=True):
    """The server's processes as the system sees them."""

    pid: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Path(),
            short="-p",
            unset="no file",
            in_file="pidfile",
            help="Write the arbiter's process id to this file.",
        ),
    ] = None

    control_socket: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Path(),
            unset="beside the pidfile, its suffix replaced by .ctl; none without a pidfile",
            help="The unix socket at which the server hears 'logserve ctl'.",
        ),
    ] = None

    control_socket_mode: Annotated[
        int,
        Setting(
            section=Section.PROCESS,
            kind=FileMode(),
            help="The permissions of that socket. Whatever they are, only the server's user and root are answered.",
        ),
    ] = 0o600

    no_control_socket: Annotated[
        bool,
        Setting(
            section=Section.PROCESS,
            kind=Switch(),
            in_file="control_socket_disable",
            help="Have no such socket.",
        ),
    ] = False

    name: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Text("a name"),
            short="-n",
            unset="the application's",
            in_file="proc_name",
            help="The name in process titles (with setproctitle installed) and, as service.name, in the logs.",
        ),
    ] = None
