"""The server's messages and access lines to syslog, as gunicorn sends them."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.endpoints import SyslogAddress
from logserve.settings.kinds import Choice, Switch, Text
from logserve.settings.sections.logging import LoggingSettings

FACILITIES = (
    *(
        "auth",
        "authpriv",
        "cron",
        "daemon",
        "ftp",
        "kern",
        "lpr",
        "mail",
        "news",
        "security",
        "syslog",
        "user",
        "uucp",
    ),
    *(f"local{number}" for number in range(8)),
)
"""The names of syslog(3)'s facilities; ``security`` is an old one for ``auth``."""


class SyslogSettings(LoggingSettings, frozen=True, kw_only=True):
    """The server's messages and access lines to syslog, as gunicorn sends them."""

    log_syslog: Annotated[
        bool,
        Setting(
            section=Section.SYSLOG,
            kind=Switch(),
            in_file="syslog",
            help="Send the server's messages and the access lines to syslog, too.",
        ),
    ] = False
    log_syslog_to: Annotated[
        str,
        Setting(
            section=Section.SYSLOG,
            kind=SyslogAddress(),
            in_file="syslog_addr",
            help="Where syslog is: udp://HOST:PORT, tcp://HOST:PORT or unix://PATH, behind which #stream or #dgram "
            "may stand.",
        ),
    ] = "udp://localhost:514"
    log_syslog_prefix: Annotated[
        str | None,
        Setting(
            section=Section.SYSLOG,
            kind=Text("a name"),
            in_file="syslog_prefix",
            unset="the server's name",
            help="The name in gunicorn.NAME.access and gunicorn.NAME.error, with which each line begins.",
        ),
    ] = None
    log_syslog_facility: Annotated[
        str,
        Setting(
            section=Section.SYSLOG,
            kind=Choice(*FACILITIES, metavar="FACILITY"),
            in_file="syslog_facility",
            help="The facility of syslog.",
        ),
    ] = "user"
    disable_redirect_access_to_syslog: Annotated[
        bool,
        Setting(
            section=Section.SYSLOG,
            kind=Switch(),
            help="Keep the access lines out of syslog.",
        ),
    ] = False
