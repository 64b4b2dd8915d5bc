"""The server's processes as the system sees them."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.accounts import FileMask, Group, User
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

    daemon: Annotated[
        bool,
        Setting(
            section=Section.PROCESS,
            kind=Switch(),
            short="-D",
            help="Go on in the background, once the server is ready: the command ends then, or says why it could not "
            "start. Standard input and output are closed, so name log files.",
        ),
    ] = False

    user: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=User(),
            short="-u",
            unset="who starts the server",
            help="Run the workers, and the process that writes the log files, as this user; the server has to be "
            "started as root for that.",
        ),
    ] = None

    group: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Group(),
            short="-g",
            unset="the user's own",
            help="Run them as this group, too.",
        ),
    ] = None

    initgroups: Annotated[
        bool,
        Setting(
            section=Section.PROCESS,
            kind=Switch(),
            help="Have them be in every group that --user is in, not in --group alone.",
        ),
    ] = False

    umask: Annotated[
        int,
        Setting(
            section=Section.PROCESS,
            kind=FileMask(),
            short="-m",
            zero="unix sockets for everybody, files by the umask of who starts the server",
            help="The permissions that files made by the server do not have: unix sockets, log files, and what the "
            "application writes.",
        ),
    ] = 0
