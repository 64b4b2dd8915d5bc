"""Where the server listens."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

import msgspec

from logserve.settings.address import Address
from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Count, Switch
from logserve.settings.sections.application import ApplicationSettings


class SocketsSettings(ApplicationSettings, frozen=True, kw_only=True):
    """Where the server listens."""

    bind: Annotated[
        list[str],
        Setting(
            section=Section.SOCKETS,
            kind=Address(),
            short="-b",
            fallback=("PORT", "0.0.0.0:{}"),
            help="Listen here: HOST:PORT, [IPV6]:PORT, unix:PATH or fd://NUMBER. Repeat it for several.",
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:8000"])

    backlog: Annotated[
        int,
        Setting(
            section=Section.SOCKETS,
            kind=Count(1, 65535),
            help="How many connections may wait to be accepted.",
        ),
    ] = 2048

    reuse_port: Annotated[
        bool,
        Setting(
            section=Section.SOCKETS,
            kind=Switch(),
            help="Give each worker a listening socket of its own (SO_REUSEPORT): the kernel spreads the connections, "
            "and another server may listen on the same port.",
        ),
    ] = False

    sendfile: Annotated[
        bool,
        Setting(
            section=Section.SOCKETS,
            kind=Switch(),
            help="Have the kernel send files that the application returns through wsgi.file_wrapper (sendfile(2)).",
        ),
    ] = True
