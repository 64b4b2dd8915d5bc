"""How long things may take. Durations are seconds."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Seconds, WholeSeconds
from logserve.settings.sections.workers import WorkersSettings


class TimeoutsSettings(WorkersSettings, frozen=True, kw_only=True):
    """How long things may take. Durations are seconds."""

    timeout: Annotated[
        int,
        Setting(
            section=Section.TIMEOUTS,
            kind=WholeSeconds(),
            short="-t",
            zero="never",
            help="Kill and replace a worker that does not answer for so long.",
        ),
    ] = 30

    graceful_timeout: Annotated[
        int,
        Setting(
            section=Section.TIMEOUTS,
            kind=WholeSeconds(),
            help="How long a worker that is to stop may finish its requests.",
        ),
    ] = 30

    keep_alive: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="close after each response",
            in_file="keepalive",
            help="How long to wait for the next request on a connection.",
        ),
    ] = 5.0

    header_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long a request's header may take in all. A trickle of bytes does not renew it.",
        ),
    ] = 20.0

    body_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long to wait for more of a request's body.",
        ),
    ] = 60.0

    send_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long to wait for a client to take more of a response.",
        ),
    ] = 60.0
