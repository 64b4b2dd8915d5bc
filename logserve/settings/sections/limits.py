"""How large things may be. Sizes are bytes."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Count, Size
from logserve.settings.sections.timeouts import TimeoutsSettings


class LimitsSettings(TimeoutsSettings, frozen=True, kw_only=True):
    """How large things may be. Sizes are bytes."""

    limit_request_line: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(0, 8190),
            zero="no limit",
            help="The longest request line (method, target and version).",
        ),
    ] = 4094

    limit_request_fields: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Count(0, 32768),
            zero="no limit",
            help="How many header fields a request may have.",
        ),
    ] = 100

    limit_request_field_size: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(0, 1 << 20),
            aliases=("--limit-request-field_size",),
            zero="no limit",
            help="The longest header field, name and value together.",
        ),
    ] = 8190

    limit_request_body: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(),
            zero="no limit",
            help="The longest request body.",
        ),
    ] = 0

    limit_connections: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Count(),
            zero="no limit",
            help="How many connections all workers may have at once; one more is answered with 503, which is logged. "
            "--worker-connections is the limit of each worker, beyond which connections wait.",
        ),
    ] = 0

    limit_connections_per_address: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Count(),
            zero="no limit",
            help="How many connections one client address may have at once in each worker; one more is answered "
            "with 429, which is logged. Addresses of --forwarded-allow-ips are not counted: theirs are many clients'.",
        ),
    ] = 0

    body_spool: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(1),
            help="Keep a request's body in memory up to this size, and beyond it in a temporary file.",
        ),
    ] = 512 * 1024

    response_spool: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(1),
            help="Keep up to so much of a response for a client that reads slowly. Beyond it the "
            "application's call waits for the client, up to --send-timeout.",
        ),
    ] = 64 * 1024 * 1024
